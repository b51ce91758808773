// pusher-js and laravel-echo, their stock builds as npm has them, in a real browser, on a page of another origin: every kind of channel,
// events of clients, who is there, signing in, alerts, and alerts that were missed while the server was killed. What is needed of whoever
// started this is said as in battle.mjs. `node stock.mjs ADDRESS ADMIN_TOKEN APP_SECRET`
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { client, inBrowser, order, PATIENCE_MS, tell, WEB } from './tools.mjs';

const [address, adminToken, appSecret] = process.argv.slice(2);
const server = `http://${address}`;
const [host, port] = address.split(':');
const KEY = 'nimaora';
/** A client of its own accord waits 15 seconds after an attempt that failed, then 30. */
const RETURN_MS = 2 * PATIENCE_MS;

/** The official library of an application's server. */
const PusherServer = createRequire(join(WEB, '../tests/clients/package.json'))('pusher');
const application = new PusherServer({
  appId: '1',
  key: KEY,
  secret: appSecret,
  host,
  port,
  useTLS: false,
  encryptionMasterKeyBase64: Buffer.alloc(32, 7).toString('base64'),
});

const SCRIPTS = {
  '/pusher.js': 'node_modules/pusher-js/dist/web/pusher-with-encryption.min.js',
  '/echo.js': 'node_modules/laravel-echo/dist/echo.iife.js',
  '/page.js': 'test/stock/page.js',
};
const PAGE = `<!doctype html><link rel="icon" href="data:,">${Object.keys(SCRIPTS)
  .map((path) => `<script src="${path}"></script>`)
  .join('')}`;

/** The application's own server: its page, and signatures for its own channels. Whoever asks is who it says in its header. */
const pages = createServer(async (request, response) => {
  if (request.method === 'POST') {
    let body = '';
    for await (const part of request) body += part;
    const form = new URLSearchParams(body);
    const [channel, id] = [form.get('channel_name'), request.headers.authorization.slice(-8)];
    const member = channel.startsWith('presence-') ? { user_id: id, user_info: { username: id } } : undefined;
    response.setHeader('content-type', 'application/json');
    return response.end(JSON.stringify(application.authorizeChannel(form.get('socket_id'), channel, member)));
  }
  const script = SCRIPTS[request.url];
  response.setHeader('content-type', script ? 'text/javascript; charset=utf-8' : 'text/html; charset=utf-8');
  return response.end(script ? await readFile(join(WEB, script)) : PAGE);
});
await new Promise((resolve) => pages.listen(0, '127.0.0.1', resolve));
const app = `http://127.0.0.1:${pages.address().port}`;

const { Nimaora } = await client();
const nimaora = new Nimaora({
  baseUrl: server,
  retry: { attemptsMax: 100, withinMs: PATIENCE_MS, firstDelayMs: 250, delayMsMax: 1_000 },
});
const boss = nimaora.host(adminToken);
const rules = { initial: { points: 100, arrows: 20 }, pointsPerAttack: 1 };
const { battleId } = await boss.createBattle({ title: 'Stock clients', rules });
const ada = await nimaora.join(battleId, 'ada');
await boss.startBattle(battleId);

/** The next thing that a window hears under this name, and that is as `wanted`, from where it was heard last. */
const hears = async (window, event, wanted = {}, timeout = PATIENCE_MS) => {
  const found = (event, wanted, from) => {
    const matches = (data) => Object.entries(wanted).every(([key, value]) => data?.[key] === value);
    const index = globalThis.heard.findIndex((said, at) => at >= from && said.event === event && matches(said.data));
    return index < 0 ? undefined : { index, ...globalThis.heard[index] };
  };
  const from = window.after[event] ?? 0;
  try {
    const handle = await window.page.waitForFunction(found, { polling: 50, timeout }, event, wanted, from);
    const said = await handle.jsonValue();
    window.after[event] = said.index + 1;
    return said;
  } catch (error) {
    const all = await window.page.evaluate(() => globalThis.heard.map(({ event }) => event));
    throw new Error(`${window.name} does not hear '${event}', but: ${all}`, { cause: error });
  }
};
const does = (window, what, ...args) =>
  window.page.evaluate((what, args) => void globalThis.client[what](...args), what, args);

const KINDS = ['news', 'private-news', 'private-encrypted-news', 'presence-news'];
const CACHES = ['cache-last', 'private-cache-last', 'private-encrypted-cache-last', 'presence-cache-last'];

await inBrowser(async ({ open }) => {
  /** A window with one of the clients, for a player of its own. */
  const start = async (name, username) => {
    const player = await nimaora.join(battleId, username);
    const { participantId, token } = player.session;
    const window = { ...(await open(name, app)), participantId, username, id: token.slice(-8), after: {} };
    const names = { key: KEY, server, app, host, port: Number(port), token, battleId, participantId };
    await window.page.evaluate(
      (name, names) => {
        globalThis.client = globalThis.clients[name](names);
      },
      name,
      names,
    );
    return window;
  };
  const settled = async (window) => {
    for (const event of ['connected', 'own', 'signed in', 'board']) await hears(window, event, {}, RETURN_MS);
    for (const name of [...KINDS, ...CACHES]) await hears(window, `subscribed ${name}`, {}, RETURN_MS);
  };

  const linus = await start('pusher-js', 'linus');
  await settled(linus);
  assert.deepEqual((await hears(linus, 'here')).data, ['linus']);
  for (const name of CACHES) await hears(linus, `miss ${name}`);
  for (const name of CACHES) await application.trigger(name, 'flash', { n: 1 });
  const grace = await start('laravel-echo', 'grace');
  await settled(grace);
  assert.deepEqual((await hears(grace, 'here')).data, ['grace', 'linus']);
  assert.equal((await hears(linus, 'joining')).data, 'grace');
  const windows = [linus, grace];
  tell({ seen: 'subscribed' });

  // What the application's server says: in each kind of channel, and what was said last to whoever comes later.
  for (const window of windows) for (const name of CACHES) await hears(window, `flash ${name}`, { n: 1 });
  for (const name of KINDS) await application.trigger(name, 'flash', { n: 'é' });
  for (const window of windows) for (const name of KINDS) await hears(window, `flash ${name}`, { n: 'é' });
  const greets = async (n) => {
    for (const window of windows) await application.sendToUser(window.participantId, 'greeting', { n });
    for (const window of windows) await hears(window, 'greeting', { n });
  };
  await greets(1);
  tell({ seen: 'told by the application' });

  // What pages say to each other; who says it hears nothing.
  for (const [from, to] of [windows, [...windows].reverse()]) {
    for (const name of ['private-news', 'presence-news']) {
      await does(from, 'whisper', name, { from: from.username });
      const said = await hears(to, `hi ${name}`, { from: from.username });
      if (name === 'presence-news' && to === linus) assert.equal(said.from, from.id);
    }
  }
  for (const window of windows) {
    const own = await window.page.evaluate(
      (username) => globalThis.heard.filter(({ event, data }) => event.startsWith('hi ') && data.from === username),
      window.username,
    );
    assert.deepEqual(own, []);
  }
  tell({ seen: 'told by each other' });

  const attacks = async (window) => {
    const { position } = await ada.attack(window.participantId);
    return { position: Number(position) };
  };
  for (const window of windows) {
    const { position } = await attacks(window);
    const { data } = await hears(window, 'alert', { position });
    assert.deepEqual([data.attacker, data.blocked, data.points_lost], ['ada', false, 1]);
  }
  tell({ seen: 'attacked' });

  // Echo's page is away by its own choice while the server dies, pusher-js's is cut off. Both hear what came meanwhile.
  await does(grace, 'disconnect');
  await hears(grace, 'disconnected');
  const missed = [await attacks(grace), await attacks(grace)];
  await order('kill');
  await hears(linus, 'connecting', {}, RETURN_MS);
  await order('start');
  for (const window of windows) missed.push(await attacks(window));
  const [first, second, atLinus, third] = missed;
  await does(grace, 'connect');
  for (const alert of [first, second, third]) await hears(grace, 'alert', alert, RETURN_MS);
  await hears(linus, 'alert', atLinus, RETURN_MS);
  for (const window of windows) await settled(window);
  await greets(2);
  for (const name of KINDS) await application.trigger(name, 'flash', { n: 'again' });
  for (const window of windows) for (const name of KINDS) await hears(window, `flash ${name}`, { n: 'again' });
  tell({ seen: 'returned' });

  // Who goes is seen to go.
  await linus.page.browserContext().close();
  assert.equal((await hears(grace, 'leaving')).data, 'linus');
  const refusals = await grace.page.evaluate(() => globalThis.heard.filter(({ event }) => event.startsWith('refused')));
  assert.deepEqual(refusals, []);
  tell({ seen: 'left' });
});
ada.close();
pages.close();
pages.closeAllConnections();
