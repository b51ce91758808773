// The notice for what others wrote of the page: their names, versions and licences, from what esbuild says it took in.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What may be in the page. All of these let anybody use it, and want to be named. */
const ALLOWED = new Set(['MIT', 'Apache-2.0', 'BSD-3-Clause', 'BSD-2-Clause', 'ISC', '0BSD']);

/** The notice, for the files that esbuild names as inputs. */
export async function notice(folder, inputs) {
  const names = new Set();
  for (const input of inputs) {
    const [, name] = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input) ?? [];
    if (name) names.add(name);
  }
  const parts = ['What others wrote of this page, and under which licences.\n'];
  for (const name of [...names].sort()) {
    const place = join(folder, 'node_modules', name);
    const { version, license } = JSON.parse(await readFile(join(place, 'package.json'), 'utf8'));
    const ids = license.replace(/[()]/g, '').split(/ AND | OR /);
    const refused = ids.filter((id) => !ALLOWED.has(id));
    if (refused.length > 0) throw new Error(`${name} is under ${refused}, which may not be in the page`);
    const file = (await readdir(place)).find((name) => /^licen[cs]e/i.test(name));
    const text = file ? `\n${(await readFile(join(place, file), 'utf8')).trim()}\n` : '';
    parts.push(`${'-'.repeat(80)}\n${name} ${version}, ${license}\n${text}`);
  }
  return parts.join('\n');
}
