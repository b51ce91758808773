// Runs the unit tests: they are bundled into a folder of their own, which is removed, and run by Node.
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const names = ['alerts', 'clock', 'errors', 'page', 'retry', 'revive', 'times'];
const folder = await mkdtemp(join(tmpdir(), 'nimaora-web-tests-'));
try {
  await build({
    absWorkingDir: join(here, '..'),
    entryPoints: names.map((name) => `test/unit/${name}.test.ts`),
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    sourcemap: 'inline',
    alias: { '@nimaora/client': './client/src/index.ts' },
    // Packages of CommonJS ask for Node's own modules.
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    logLevel: 'warning',
  });
  const files = names.map((name) => join(folder, `${name}.test.mjs`));
  const ran = spawnSync(process.execPath, ['--enable-source-maps', '--test', ...files], { stdio: 'inherit' });
  process.exitCode = ran.status ?? 1;
} finally {
  await rm(folder, { recursive: true });
}
