// Repeats what may succeed later: bounded in number and in time, further apart each time, and at times that differ between
// clients, so that those who failed together do not come back together.

import { NimaoraError } from './errors.js';

/** How often and how long a call is repeated. */
export interface RetryPolicy {
  /** The most attempts, the first one included. */
  readonly attemptsMax: number;
  /** No attempt begins later than this after the first, in milliseconds. */
  readonly withinMs: number;
  /** The longest wait before the second attempt, in milliseconds; it doubles with each. */
  readonly firstDelayMs: number;
  /** The longest wait of all, in milliseconds, unless the server asks for more. */
  readonly delayMsMax: number;
}

export const RETRY: RetryPolicy = { attemptsMax: 8, withinMs: 20_000, firstDelayMs: 250, delayMsMax: 4_000 };

/** Time and chance, which tests set. */
export interface Surroundings {
  now(): number;
  random(): number;
  sleep(ms: number): Promise<void>;
}

export const REAL: Surroundings = {
  now: () => Date.now(),
  random: () => Math.random(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

/** The answer of `attempt`, or the error that could not be helped. */
export async function retrying<T>(
  attempt: () => Promise<T>,
  policy: RetryPolicy = RETRY,
  around: Surroundings = REAL,
): Promise<T> {
  const began = around.now();
  for (let count = 1; ; count += 1) {
    try {
      return await attempt();
    } catch (thrown) {
      const error = NimaoraError.from(thrown);
      const delay = delayMs(count, error, policy, around);
      const late = around.now() + delay > began + policy.withinMs;
      if (!error.retryable || count >= policy.attemptsMax || late) throw error;
      await around.sleep(delay);
    }
  }
}

/** What the server asks for, and something by chance on top. */
export function delayMs(count: number, error: NimaoraError, policy: RetryPolicy, around: Surroundings): number {
  const spread = Math.min(policy.delayMsMax, policy.firstDelayMs * 2 ** (count - 1));
  return (error.retryAfterMs ?? spread / 2) + around.random() * (spread / 2);
}
