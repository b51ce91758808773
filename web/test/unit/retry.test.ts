import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code } from '@connectrpc/connect';
import { NimaoraError } from '../../client/src/errors.js';
import { type RetryPolicy, retrying, type Surroundings } from '../../client/src/retry.js';

const POLICY: RetryPolicy = { attemptsMax: 4, withinMs: 10_000, firstDelayMs: 100, delayMsMax: 400 };

/** Time that passes only while somebody sleeps. */
class Simulated implements Surroundings {
  readonly slept: number[] = [];
  #now = 0;
  constructor(readonly chance: number) {}
  now = () => this.#now;
  random = () => this.chance;
  sleep = (ms: number) => {
    this.slept.push(ms);
    this.#now += ms;
    return Promise.resolve();
  };
}

const failure = (retryable: boolean, retryAfterMs?: number) =>
  new NimaoraError('no', { code: Code.Unavailable, reason: 'X', retryable, retryAfterMs });

function failing(times: number, error: NimaoraError): () => Promise<string> {
  let left = times;
  return () => {
    left -= 1;
    return left >= 0 ? Promise.reject(error) : Promise.resolve('done');
  };
}

test('what may pass is tried again, further apart each time', async () => {
  const around = new Simulated(1);
  assert.equal(await retrying(failing(3, failure(true)), POLICY, around), 'done');
  assert.deepEqual(around.slept, [100, 200, 400]);
});

test('clients wait for different times', async () => {
  const around = new Simulated(0);
  await retrying(failing(3, failure(true)), POLICY, around);
  assert.deepEqual(around.slept, [50, 100, 200]);
});

test('no wait is shorter than the server asks for', async () => {
  const around = new Simulated(0.5);
  await retrying(failing(1, failure(true, 3_000)), POLICY, around);
  assert.deepEqual(around.slept, [3_025]);
});

test('a refusal is not repeated', async () => {
  const around = new Simulated(1);
  await assert.rejects(retrying(failing(1, failure(false)), POLICY, around), { reason: 'X' });
  assert.deepEqual(around.slept, []);
});

test('attempts come to an end', async () => {
  const around = new Simulated(1);
  await assert.rejects(retrying(failing(9, failure(true)), POLICY, around), NimaoraError);
  assert.equal(around.slept.length, POLICY.attemptsMax - 1);
});

test('nothing is tried after the time is over', async () => {
  const around = new Simulated(1);
  await assert.rejects(retrying(failing(9, failure(true, 6_000)), POLICY, around), NimaoraError);
  assert.equal(around.slept.length, 1);
});
