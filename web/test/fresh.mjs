// Proves that what is committed is what the sources give: the generated types, and the page that the program has built in.
import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const web = join(dirname(fileURLToPath(import.meta.url)), '..');
const folder = await mkdtemp(join(tmpdir(), 'nimaora-web-fresh-'));
const run = (program, ...args) => execFileSync(program, args, { cwd: web, stdio: 'inherit' });

/** What differs between two folders. */
async function differences(made, kept) {
  const names = async (folder) =>
    (await readdir(folder, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
  const all = new Set([...(await names(made)), ...(await names(kept))]);
  const text = (folder, name) => readFile(join(folder, name), 'latin1').catch(() => undefined);
  const differing = [];
  for (const name of all) if ((await text(made, name)) !== (await text(kept, name))) differing.push(join(kept, name));
  return differing;
}

try {
  run(join(web, 'node_modules/.bin/buf'), 'generate', '-o', join(folder, 'types'));
  run(process.execPath, 'build.mjs', join(folder, 'page'));
  const stale = [
    ...(await differences(join(folder, 'types/client/src/gen'), join(web, 'client/src/gen'))),
    ...(await differences(join(folder, 'page'), join(web, 'dist'))),
  ];
  if (stale.length > 0) {
    console.error(`not what the sources give: ${stale.join(', ')}\nrun: cd web && npm run generate && npm run build`);
    process.exitCode = 1;
  }
} finally {
  await rm(folder, { recursive: true });
}
