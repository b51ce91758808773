// What happens, line by line, for the big screen: who scores is read from the board, who hits whom is told by the server.

import type { Board, Landed } from '@nimaora/client';
import { say } from './say.js';

/** A line of the feed. */
export interface Line {
  readonly key: string;
  readonly tone: 'rise' | 'fall' | 'held' | 'more';
  readonly text: string;
}

/** Who scored from one board to the next, the most points first. Who is on one of them only is passed over: that says nothing of its score. */
export function scored(before: Board, after: Board): Line[] {
  const was = new Map(before.lines.map((line) => [line.participantId, line]));
  const rises = after.lines.flatMap(({ participantId, username, points, rank }) => {
    const old = was.get(participantId);
    if (!old || old.points >= points) return [];
    const gained = points - old.points;
    const lead = rank === 1 && old.rank !== 1 ? ' and takes the lead' : '';
    const text = `${say.named(username)} scores ${say.number(gained)}${lead}`;
    return [{ gained, line: { key: `${participantId}-${after.asOf}`, tone: 'rise', text } as const }];
  });
  return rises.sort((a, b) => b.gained - a.gained).map(({ line }) => line);
}

/** Attacks as the server told them together, the newest first. */
export function hits(attacks: readonly Landed[], leftOut: number): Line[] {
  const lines = attacks.map(hit).reverse();
  const oldest = attacks[0];
  if (leftOut > 0 && oldest) {
    lines.push({ key: `before-${oldest.eventId}`, tone: 'more', text: `and ${say.count(leftOut, 'more attack')}` });
  }
  return lines;
}

function hit({ eventId, attacker, target, blocked, pointsLost }: Landed): Line {
  // A server of an older version does not tell the target's name.
  const [from, to] = [say.named(attacker), target === '' ? 'somebody' : say.named(target)];
  if (blocked) return { key: eventId, tone: 'held', text: `A shield of ${to} stops ${from}` };
  return { key: eventId, tone: 'fall', text: `${from} hits ${to}: −${say.number(pointsLost)}` };
}
