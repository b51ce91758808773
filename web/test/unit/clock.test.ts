import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServerClock } from '../../client/src/clock.js';

/** A server whose clock is ahead by `aheadMs`, and a client that asks it; an answer takes `tripMs`. */
function pair(aheadMs: number) {
  let own = 1_000_000_000;
  const clock = new ServerClock(() => own);
  const state = { aheadMs };
  const ask = (afterMs: number, tripMs: number) => {
    own += afterMs;
    const asked = own;
    own += tripMs / 2;
    const date = Math.floor((own + state.aheadMs) / 1_000) * 1_000;
    own += tripMs / 2;
    clock.heard(date, asked);
    return Math.abs(clock.nowMs - (own + state.aheadMs));
  };
  return { ask, clock, state, set: (ms: number) => (own += ms) };
}

test('the own time counts until the server has answered', () => {
  const { clock } = pair(5_000);
  assert.equal(clock.nowMs, clock.ownMs);
});

test('one answer tells the time to the second, and more tell it better', () => {
  for (const ahead of [0, 3 * 3_600_000, -26 * 3_600_000 - 371]) {
    const { ask } = pair(ahead);
    assert.ok(ask(0, 20) <= 520);
    let off = 0;
    for (let count = 0; count < 40; count += 1) off = ask(777, 20);
    assert.ok(off <= 60, `${off}`);
  }
});

test('a slow answer spoils nothing', () => {
  const { ask } = pair(-90_000);
  for (let count = 0; count < 40; count += 1) ask(777, 20);
  assert.ok(ask(777, 8_000) <= 60);
});

test('a clock that is set makes a new beginning', () => {
  const { ask, set, state } = pair(4_000);
  for (let count = 0; count < 40; count += 1) ask(777, 20);
  set(3_600_000);
  state.aheadMs -= 3_600_000;
  assert.ok(ask(0, 20) <= 520);
});
