// The server's time, from the dates of its answers. A date has whole seconds only, but each answer bounds the difference between both
// clocks from two sides, and together they leave little of it open.

/** The part of a second that a date leaves out, in milliseconds. */
const SECOND_MS = 1_000;

export class ServerClock {
  readonly #now: () => number;
  /** How far the server's clock is ahead of this one: at least, and at most. */
  #least = Number.NEGATIVE_INFINITY;
  #most = Number.POSITIVE_INFINITY;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** This machine's time, to be given to `heard`. */
  get ownMs(): number {
    return this.#now();
  }

  /** The server's time in milliseconds since 1970; this machine's until the server has answered. */
  get nowMs(): number {
    return this.#now() + (this.#least === Number.NEGATIVE_INFINITY ? 0 : (this.#least + this.#most) / 2);
  }

  /** An answer came just now that says it is this date, in milliseconds; it was asked for when this machine's clock stood at `askedMs`. */
  heard(dateMs: number, askedMs: number): void {
    const least = dateMs - this.#now();
    const most = dateMs + SECOND_MS - askedMs;
    // A clock that is set in between, as a phone's after a night, ends what was known.
    if (least > most) return;
    const agrees = least <= this.#most && most >= this.#least;
    this.#least = agrees ? Math.max(least, this.#least) : least;
    this.#most = agrees ? Math.min(most, this.#most) : most;
  }
}
