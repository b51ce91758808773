// Makes web/dist, which the program has built in: node build.mjs [FOLDER]. The same sources give the same bytes.
import { copyFile, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, 'dist');
const source = join(here, 'arena/src');

await mkdir(out, { recursive: true });
await build({
  absWorkingDir: here,
  entryPoints: { arena: 'arena/src/main.tsx' },
  outdir: out,
  bundle: true,
  minify: true,
  format: 'esm',
  target: ['es2022', 'chrome109', 'firefox115', 'safari16.4'],
  alias: { '@nimaora/client': './client/src/index.ts' },
  jsx: 'automatic',
  jsxImportSource: 'preact',
  charset: 'utf8',
  legalComments: 'none',
  logLevel: 'warning',
});
await build({
  absWorkingDir: here,
  entryPoints: { arena: 'arena/src/arena.css' },
  outdir: out,
  bundle: true,
  minify: true,
  charset: 'utf8',
  logLevel: 'warning',
});
for (const name of ['index.html', 'mark.svg']) await copyFile(join(source, name), join(out, name));
