// Runs the examples of docs/client.md, as they stand there, against a real server: in Node, and on a page of another origin in a browser.
// `node examples.mjs ADDRESS ADMIN_TOKEN`
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import readline from 'node:readline';
import { build } from 'esbuild';
import { buildClient, inBrowser, PATIENCE_MS, tell, WEB } from './tools.mjs';

const [address, adminToken] = process.argv.slice(2);
const server = `http://${address}`;

const text = await readFile(join(WEB, '../docs/client.md'), 'utf8');
const examples = new Map();
for (const section of text.split('\n## ').slice(1)) {
  const code = /```js\n([\s\S]*?)```/.exec(section)?.[1];
  if (code) examples.set(section.split('\n', 1)[0], code);
}

// Below web/, so that the examples find the packages that they name.
const folder = await mkdtemp(join(WEB, 'node_modules/.examples-'));
const running = new Set();
/** Whatever becomes of this program, no example outlives it. */
const ENDS_WITH_US = "process.stdin.on('end', () => process.exit(1)).resume().unref();\n";

const given = (names) =>
  Object.entries(names)
    .map(([key, value]) => `const ${key} = ${JSON.stringify(value)};\n`)
    .join('');

/** Waits until the next of the lines is this one; others in between are passed over. */
const expecting = (name, lines) => async (wanted) => {
  for (;;) {
    const { value, done } = await lines.next();
    if (done) throw new Error(`the example '${name}' does not say '${wanted}'`);
    if (value === wanted) return;
  }
};

/** Runs an example in Node. */
async function inNode(name, names) {
  const path = join(folder, `${name.replace(/\W/g, '-')}.mjs`);
  const code = examples.get(name).replace('@nimaora/client', './client.mjs');
  await writeFile(path, ENDS_WITH_US + given(names) + code);
  const program = spawn(process.execPath, [path], { stdio: ['pipe', 'pipe', 'inherit'] });
  running.add(program);
  const lines = readline.createInterface({ input: program.stdout })[Symbol.asyncIterator]();
  return { expect: expecting(name, lines), stop: () => program.kill() };
}

/** What is said, as it comes. */
function queue() {
  const [said, waiting] = [[], []];
  return {
    push: (value) => (waiting.shift() ?? ((next) => said.push(next)))({ value, done: false }),
    next: () => (said.length > 0 ? Promise.resolve(said.shift()) : new Promise((resolve) => waiting.push(resolve))),
  };
}

/** Runs an example on a page, bundled as a page's build does it. */
async function onPage(open, name, names) {
  const path = join(folder, 'page.mjs');
  await writeFile(path, given(names) + examples.get(name));
  const built = await build({
    absWorkingDir: WEB,
    entryPoints: [path],
    bundle: true,
    write: false,
    format: 'esm',
    alias: { '@nimaora/client': './client/src/index.ts' },
    logLevel: 'warning',
  });
  const pages = createServer((request, response) => {
    const script = request.url === '/page.js';
    response.setHeader('content-type', script ? 'text/javascript; charset=utf-8' : 'text/html; charset=utf-8');
    response.end(script ? built.outputFiles[0].text : '<!doctype html><link rel="icon" href="data:,">');
  });
  await new Promise((resolve) => pages.listen(0, '127.0.0.1', resolve));
  const { page } = await open(name, `http://127.0.0.1:${pages.address().port}`);
  const lines = queue();
  page.on('console', (message) => lines.push(message.text()));
  await page.addScriptTag({ type: 'module', url: '/page.js' });
  const stop = async () => {
    await page.browserContext().close();
    pages.close();
    pages.closeAllConnections();
  };
  return { expect: expecting(name, lines), stop };
}

/** Runs all of them one way. */
async function all(run, nimaora) {
  const first = await run('TypeScript', { server, adminToken });
  const said = ['Friday night', '30 points, 2 arrows', 'You were attacked by ada! -5', 'ALREADY_ANSWERED'];
  for (const line of said) await first.expect(line);
  await first.stop();
  for (const name of ['pusher-js', 'laravel-echo']) {
    const host = nimaora.host(adminToken);
    const rules = { initial: { points: 20, arrows: 1 }, pointsPerAttack: 5 };
    const { battleId } = await host.createBattle({ title: name, rules });
    const linus = await nimaora.join(battleId, 'linus');
    const { participantId, token } = linus.session;
    await host.startBattle(battleId);
    const example = await run(name, { server, battleId, participantId, token });
    await example.expect('linus');
    const ada = await nimaora.join(battleId, 'ada');
    await ada.attack(participantId);
    // Where the channel is signed after the attack, it is told all the same, as one that was missed.
    await example.expect('You were attacked by ada! -5');
    await example.stop();
    if (name === 'laravel-echo') {
      const byHand = await run('gRPC-web by hand', { server, battleId });
      await byHand.expect('true');
      await byHand.stop();
    }
  }
}

const timer = setTimeout(() => {
  tell({ failed: 'the examples take too long' });
  process.exit(1);
}, 3 * PATIENCE_MS);
try {
  await buildClient(folder);
  const { Nimaora } = await import(join(folder, 'client.mjs'));
  const nimaora = new Nimaora({ baseUrl: server });
  await inBrowser(async ({ open }) => {
    await all(inNode, nimaora);
    tell({ seen: 'in Node' });
    await all((name, names) => onPage(open, name, names), nimaora);
    tell({ seen: 'on a page' });
  });
} finally {
  clearTimeout(timer);
  for (const program of running) program.kill();
  await rm(folder, { recursive: true });
}
