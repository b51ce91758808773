// What happens, line by line, for the big screen. The board alone says who scored and who was hit; with the admin token the
// server also says by whom.

import type { AttackRecord, Board, Host } from '@nimaora/client';
import { type Move, movesBetween } from './moves.js';

/** A line of the feed. */
export interface Line {
  readonly key: string;
  readonly tone: 'rise' | 'fall' | 'held';
  readonly text: string;
}

/** Players whose attacks are asked for on one board, and boards that wait for such answers; what is more is told as the board has it. */
const ASKED_MAX = 5;
const WAITING_MAX = 3;

export class Feed {
  readonly #battleId: string;
  readonly #host: Host | undefined;
  readonly #tell: (lines: readonly Line[]) => void;
  #board: Board | undefined;
  #shown: Promise<void> = Promise.resolve();
  #waiting = 0;
  /** Up to where the attacks on somebody were told. */
  readonly #told = new Map<string, bigint>();

  constructor(battleId: string, host: Host | undefined, tell: (lines: readonly Line[]) => void) {
    this.#battleId = battleId;
    this.#host = host;
    this.#tell = tell;
  }

  /** Tells what changed since the last board, after what changed before. */
  show(board: Board): void {
    const before = this.#board;
    this.#board = board;
    if (!before) return;
    this.#waiting += 1;
    const host = this.#waiting <= WAITING_MAX ? this.#host : undefined;
    this.#shown = this.#shown.then(async () => {
      await this.#compare(before, board, host);
      this.#waiting -= 1;
    });
  }

  async #compare(before: Board, board: Board, host: Host | undefined): Promise<void> {
    let asked = 0;
    for (const move of movesBetween(before, board)) {
      const told = { key: move.key, tone: move.change > 0 ? 'rise' : 'fall', text: move.text } as const;
      if (move.change > 0 || !host || asked >= ASKED_MAX) {
        this.#tell([told]);
        continue;
      }
      asked += 1;
      const lines = await this.#attacks(host, move, before.asOf, board.asOf);
      this.#tell(lines.length > 0 ? lines : [told]);
    }
  }

  /** The attacks on somebody that were not told yet, the newest first. */
  async #attacks(host: Host, { participantId, username }: Move, since: bigint, until: bigint): Promise<Line[]> {
    const known = this.#told.get(participantId) ?? 0n;
    const after = known > since ? known : since;
    try {
      const attacks = await host.attacks(this.#battleId, participantId, after, until);
      const last = attacks.at(-1);
      if (last) this.#told.set(participantId, last.position);
      return attacks.map((attack) => line(attack, username)).reverse();
    } catch {
      // Then the board has to do.
      return [];
    }
  }
}

function line({ eventId, attacker, blocked, pointsLost }: AttackRecord, target: string): Line {
  if (blocked) return { key: eventId, tone: 'held', text: `A shield of ${target} stops ${attacker}` };
  return { key: eventId, tone: 'fall', text: `${attacker} hits ${target}: −${pointsLost}` };
}
