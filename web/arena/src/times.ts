// When something begins or ends, as the server says it, and how long that is from now in words. Times are in milliseconds since 1970.

import { type Battle, BattlePhase, type Question, timestampMs } from '@nimaora/client';

/** What a battle waits for: its start or its end, if it has a time for that. */
export function nextOf({
  phase,
  schedule,
}: Battle): { readonly name: 'Starts in' | 'Ends in'; readonly at: number } | undefined {
  if (phase === BattlePhase.CREATED && schedule?.startsAt)
    return { name: 'Starts in', at: timestampMs(schedule.startsAt) };
  if (phase === BattlePhase.RUNNING && schedule?.endsAt) return { name: 'Ends in', at: timestampMs(schedule.endsAt) };
  return undefined;
}

/** Until when a question takes answers; nothing where it takes them as long as the battle runs. */
export function closesAt({ startedAt }: Battle, { opensAfterMs, answeringTimeMs }: Question): number | undefined {
  if (!startedAt || answeringTimeMs === 0n) return undefined;
  return timestampMs(startedAt) + Number(opensAfterMs + answeringTimeMs);
}

const two = (number: number) => number.toString().padStart(2, '0');

/** So many seconds, as a clock shows them. */
export function clock(seconds: number): string {
  const [minutes, hours, days] = [Math.floor(seconds / 60), Math.floor(seconds / 3_600), Math.floor(seconds / 86_400)];
  if (days > 0) return `${days} d ${hours % 24} h`;
  if (hours > 0) return `${hours}:${two(minutes % 60)}:${two(seconds % 60)}`;
  return `${minutes}:${two(seconds % 60)}`;
}

/** The longest wait at a time, in milliseconds; browsers take no longer one than 24 days. */
const WAIT_MS_MAX = 60_000;

/** Does it when it is this time by the server's clock, and at once if that is past. What it answers gives it up. */
export function atTime(at: number, now: () => number, what: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const wait = () => {
    const left = at - now();
    // The server's clock is known better with each answer, so that one wait may end too early.
    if (left > 0) timer = setTimeout(wait, Math.min(left, WAIT_MS_MAX));
    else what();
  };
  wait();
  return () => clearTimeout(timer);
}
