import assert from 'node:assert/strict';
import { test } from 'node:test';
import { atTime } from '../../arena/src/times.js';

test('what is due is done once, also when its time is past before anybody waits', ({ mock }) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  let now = 0;
  const pass = (ms: number) => {
    now += ms;
    mock.timers.tick(ms);
  };
  const done: string[] = [];
  atTime(
    -1,
    () => now,
    () => done.push('past'),
  );
  assert.deepEqual(done, ['past']);
  atTime(
    100_000,
    () => now,
    () => done.push('due'),
  );
  const giveUp = atTime(
    100_000,
    () => now,
    () => done.push('given up'),
  );
  pass(60_000);
  // The server's clock is found to be behind.
  now -= 1_000;
  pass(40_000);
  assert.deepEqual(done, ['past']);
  giveUp();
  pass(1_000);
  pass(60_000);
  assert.deepEqual(done, ['past', 'due']);
});
