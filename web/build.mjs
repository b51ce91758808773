// Makes web/dist, which the program has built in: node build.mjs [FOLDER]. The same sources give the same bytes.
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { notice } from './licences.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv[2] ?? join(here, 'dist');
const source = join(here, 'arena/src');

await mkdir(out, { recursive: true });
const shared = { absWorkingDir: here, outdir: out, bundle: true, minify: true, charset: 'utf8', logLevel: 'warning' };
const { metafile } = await build({
  ...shared,
  entryPoints: { arena: 'arena/src/main.tsx' },
  format: 'esm',
  target: ['es2022', 'chrome109', 'firefox115', 'safari16.4'],
  alias: { '@nimaora/client': './client/src/index.ts' },
  jsx: 'automatic',
  jsxImportSource: 'preact',
  // They are in the notice.
  legalComments: 'none',
  metafile: true,
});
await build({ ...shared, entryPoints: { arena: 'arena/src/arena.css' } });
for (const name of ['index.html', 'mark.svg']) await copyFile(join(source, name), join(out, name));
await writeFile(join(out, 'licences.txt'), await notice(here, Object.keys(metafile.inputs)));
