// Alerts come at least once: after a reconnect the server tells again what it is not sure that we heard. Here each comes once.

/** An attack on the player. */
export interface Alert {
  /** The attacker's name. */
  readonly attacker: string;
  /** Whether a shield absorbed it. */
  readonly blocked: boolean;
  readonly pointsLost: number;
  /** When, in milliseconds since 1970. */
  readonly attackedAtMs: number;
  readonly eventId: string;
  /** Its position in the log. */
  readonly position: bigint;
}

/** The event ids that are remembered. A repeat from longer ago than so many alerts is known by its position. */
const REMEMBERED_MAX = 1_000;

/** Lets each alert pass once. */
export class AlertFilter {
  /** Positions by event id, the first that came first. */
  readonly #seen = new Map<string, bigint>();
  /** Nothing at or below it passes any more. */
  #forgotten: bigint;
  #last: bigint | undefined;

  /** `after` is the position of the last alert that an earlier visit has seen. */
  constructor(after?: bigint) {
    this.#forgotten = after ?? -1n;
    this.#last = after;
  }

  /** The highest position that has passed. */
  get last(): bigint | undefined {
    return this.#last;
  }

  /** Whether the alert is new. */
  passes({ eventId, position }: Pick<Alert, 'eventId' | 'position'>): boolean {
    if (position <= this.#forgotten || this.#seen.has(eventId)) return false;
    this.#seen.set(eventId, position);
    if (this.#last === undefined || position > this.#last) this.#last = position;
    if (this.#seen.size > REMEMBERED_MAX) this.#forgetOldest();
    return true;
  }

  #forgetOldest(): void {
    for (const [eventId, position] of this.#seen) {
      this.#seen.delete(eventId);
      if (position > this.#forgotten) this.#forgotten = position;
      return;
    }
  }
}
