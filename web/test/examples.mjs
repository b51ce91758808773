// Runs the examples of docs/client.md, as they stand there, against a real server.
// `node examples.mjs SERVER ADMIN_TOKEN`
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const [server, adminToken] = process.argv.slice(2);
const web = join(dirname(fileURLToPath(import.meta.url)), '..');
/** Long enough on any machine; what takes longer has failed. */
const PATIENCE_MS = 60_000;

const text = await readFile(join(web, '../docs/client.md'), 'utf8');
const examples = new Map();
for (const section of text.split('\n## ').slice(1)) {
  const code = /```js\n([\s\S]*?)```/.exec(section)?.[1];
  if (code) examples.set(section.split('\n', 1)[0], code);
}

// Below web/, so that the examples find the packages that they name.
const folder = await mkdtemp(join(web, 'node_modules/.examples-'));
const running = new Set();
/** Whatever becomes of this program, no example outlives it. */
const ENDS_WITH_US = "process.stdin.on('end', () => process.exit(1)).resume().unref();\n";

/** Runs a module and answers its lines, as they come. */
async function run(name, code, names) {
  const path = join(folder, `${name.replace(/\W/g, '-')}.mjs`);
  const given = Object.entries(names).map(([key, value]) => `const ${key} = ${JSON.stringify(value)};\n`);
  await writeFile(path, ENDS_WITH_US + given.join('') + code);
  const program = spawn(process.execPath, [path], { stdio: ['pipe', 'pipe', 'inherit'] });
  running.add(program);
  const lines = readline.createInterface({ input: program.stdout })[Symbol.asyncIterator]();
  return {
    async expect(wanted) {
      for (;;) {
        const { value, done } = await lines.next();
        if (done) throw new Error(`the example '${name}' does not say '${wanted}'`);
        if (value === wanted) return;
      }
    },
  };
}

const timer = setTimeout(() => {
  console.error('the examples take too long');
  for (const program of running) program.kill();
}, 2 * PATIENCE_MS);
try {
  await build({
    absWorkingDir: web,
    entryPoints: { client: 'client/src/index.ts' },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    logLevel: 'warning',
  });
  const { Nimaora } = await import(join(folder, 'client.mjs'));
  const packaged = examples.get('TypeScript').replace('@nimaora/client', './client.mjs');
  const first = await run('TypeScript', packaged, { server, adminToken });
  const said = ['Friday night', '30 points, 2 arrows', 'You were attacked by ada! -5', 'ALREADY_ANSWERED'];
  for (const line of said) await first.expect(line);

  const nimaora = new Nimaora({ baseUrl: server });
  for (const name of ['pusher-js', 'laravel-echo']) {
    const host = nimaora.host(adminToken);
    const rules = { initial: { points: 20, arrows: 1 }, pointsPerAttack: 5 };
    const { battleId } = await host.createBattle({ title: name, rules });
    const linus = await nimaora.join(battleId, 'linus');
    const { participantId, token } = linus.session;
    await host.startBattle(battleId);
    const example = await run(name, examples.get(name), { server, battleId, participantId, token });
    await example.expect('linus');
    const ada = await nimaora.join(battleId, 'ada');
    await ada.attack(participantId);
    // Where the channel is signed after the attack, it is told all the same, as one that was missed.
    await example.expect('You were attacked by ada! -5');
    if (name === 'laravel-echo') {
      await (await run('gRPC-web', examples.get('gRPC-web by hand'), { server, battleId })).expect('true');
    }
  }
  console.log('all examples did what they say');
} finally {
  clearTimeout(timer);
  for (const program of running) program.kill();
  await rm(folder, { recursive: true });
}
