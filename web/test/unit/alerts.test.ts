import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AlertFilter } from '../../client/src/alerts.js';

const alert = (position: bigint) => ({ eventId: `event-${position}`, position });

test('a repeat does not pass', () => {
  const filter = new AlertFilter();
  assert.deepEqual(
    [1n, 2n, 1n, 2n, 3n].map((position) => filter.passes(alert(position))),
    [true, true, false, false, true],
  );
  assert.equal(filter.last, 3n);
});

test('an alert that was overtaken passes all the same', () => {
  const filter = new AlertFilter();
  assert.ok(filter.passes(alert(5n)));
  assert.ok(filter.passes(alert(4n)));
  assert.equal(filter.last, 5n);
});

test('what an earlier visit has seen does not pass', () => {
  const filter = new AlertFilter(7n);
  assert.equal(filter.last, 7n);
  assert.ok(!filter.passes(alert(7n)));
  assert.ok(filter.passes(alert(8n)));
});

test('the first position of all passes', () => {
  assert.ok(new AlertFilter().passes(alert(0n)));
});

test('a repeat from long ago is known by its position', () => {
  const filter = new AlertFilter();
  for (let position = 1n; position <= 5_000n; position += 1n) assert.ok(filter.passes(alert(position)));
  for (let position = 1n; position <= 5_000n; position += 1n) assert.ok(!filter.passes(alert(position)));
});
