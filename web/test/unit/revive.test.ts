import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { Reviver } from '../../client/src/revive.js';

/** Lets what was promised happen. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A server that is up or not, and the times at which it was asked and the socket was opened. */
function watched() {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  mock.method(Math, 'random', () => 0);
  const server = { up: false, asked: [] as number[], opened: [] as number[] };
  const reviver = new Reviver(
    () => {
      server.asked.push(Date.now());
      return server.up ? Promise.resolve(true) : Promise.reject(new TypeError('away'));
    },
    () => server.opened.push(Date.now()),
  );
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 500) {
      mock.timers.tick(500);
      await settle();
    }
  };
  return { server, reviver, pass };
}

test('a socket that comes back by itself is left alone', async () => {
  const { server, reviver, pass } = watched();
  reviver.lost();
  await pass(2_500);
  reviver.found();
  await pass(60_000);
  assert.deepEqual(server.asked, []);
  mock.reset();
});

test('a server that is away is asked less and less often, and the socket opened once when it is back', async () => {
  const { server, reviver, pass } = watched();
  reviver.lost();
  await pass(20_000);
  assert.deepEqual(server.asked, [3_000, 7_500, 14_500]);
  assert.deepEqual(server.opened, []);
  server.up = true;
  await pass(12_000);
  assert.equal(server.opened.length, 1);
  reviver.found();
  await pass(60_000);
  assert.equal(server.opened.length, 1);
  mock.reset();
});
