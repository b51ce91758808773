// Connects soon after a server is back. pusher-js waits 15 seconds after an attempt that failed, then 30, then 60. Meanwhile this asks
// the server now and then whether it takes sockets, and has the socket opened anew when it does: once, so that a server which lets a
// crowd in bit by bit is not asked again by those who wait.

/** How long the socket itself is given to come back, in milliseconds; half of it more by chance. */
const FIRST_MS = 3_000;
/** How much longer each wait is than the one before, and the longest one in milliseconds. */
const GROWTH = 1.5;
const WAIT_MS_MAX = 15_000;

export class Reviver {
  readonly #isUp: () => Promise<boolean>;
  readonly #reopen: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Counts the times that the socket was lost or found; an answer from an earlier one means nothing. */
  #turn = 0;

  constructor(isUp: () => Promise<boolean>, reopen: () => void) {
    this.#isUp = isUp;
    this.#reopen = reopen;
  }

  /** The socket is gone. */
  lost(): void {
    this.found();
    this.#wait(FIRST_MS);
  }

  /** The socket is there, or is not wanted any more. */
  found(): void {
    this.#turn += 1;
    clearTimeout(this.#timer);
  }

  #wait(ms: number): void {
    this.#timer = setTimeout(() => void this.#look(ms), ms * (1 + Math.random() / 2));
  }

  async #look(waited: number): Promise<void> {
    const turn = this.#turn;
    const isUp = await this.#isUp().catch(() => false);
    if (turn !== this.#turn) return;
    if (isUp) this.#reopen();
    this.#wait(isUp ? WAIT_MS_MAX : Math.min(WAIT_MS_MAX, waited * GROWTH));
  }
}
