// The time that is left until something that the server has set, by the server's clock.

import { useEffect, useState } from 'preact/hooks';
import { atTime, clock } from '../times.js';

/** From so many seconds on it stands out. */
const SOON_S = 10;

interface Props {
  readonly name: string;
  /** When it is over, in milliseconds since 1970. */
  readonly until: number;
  /** The server's time. */
  readonly now: () => number;
}

export function Countdown({ name, until, now }: Props) {
  const seconds = Math.max(0, Math.ceil((until - now()) / 1_000));
  useTime(until - Math.max(0, seconds - 1) * 1_000, now);
  return (
    <span class={seconds <= SOON_S ? 'countdown soon' : 'countdown'} role="timer">
      {name} <strong>{clock(seconds)}</strong>
    </span>
  );
}

/** Shows the component again when it is this time; at once if it is past, because it may have been shown before. */
export function useTime(at: number | undefined, now: () => number): void {
  const [, again] = useState(0);
  useEffect(() => {
    if (at === undefined) return;
    return atTime(at, now, () => again((count) => count + 1));
  }, [at, now]);
}
