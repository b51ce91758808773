// What changed from one board to the next, in words.

import type { Board } from '@nimaora/client';

export interface Move {
  readonly key: string;
  readonly participantId: string;
  readonly username: string;
  readonly text: string;
  /** The points gained, or lost where it is below zero. */
  readonly change: number;
}

/** Whose score changed, the largest change first. Who is on one of the boards only is passed over: that says nothing of its score. */
export function movesBetween(before: Board, after: Board): Move[] {
  const was = new Map(before.lines.map((line) => [line.participantId, line]));
  const moves: Move[] = [];
  for (const { participantId, username, points, rank } of after.lines) {
    const old = was.get(participantId);
    if (!old || old.points === points) continue;
    const change = points - old.points;
    const key = `${participantId}-${after.asOf}`;
    const lead = rank === 1 && old.rank !== 1 ? ' and takes the lead' : '';
    const text = change > 0 ? `${username} scores ${change}${lead}` : `${username} is hit and loses ${-change}`;
    moves.push({ key, participantId, username, text, change });
  }
  return moves.sort((a, b) => Math.abs(b.change) - Math.abs(a.change));
}
