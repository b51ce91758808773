// What the programs of these tests have in common: a browser, and how they talk with whoever started them.
import { mkdtemp, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import puppeteer from 'puppeteer-core';

export const WEB = join(dirname(fileURLToPath(import.meta.url)), '..');
/** Long enough on any machine; what takes longer has failed. */
export const PATIENCE_MS = 120_000;

/** Says a line of JSON. */
export const tell = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

let input;
/** Asks whoever started this for something, and waits until it is done. */
export async function order(what) {
  input ??= readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  tell({ order: what });
  const { done } = await input.next();
  if (done) throw new Error(`nobody did: ${what}`);
}

/** Runs the test with a browser and says how it went. It fails if a page complained of anything, too. */
export async function inBrowser(test) {
  const browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    // A browser in a container has no sandbox of its own; it sees nothing but this server.
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
    pipe: true,
    protocolTimeout: 3 * PATIENCE_MS,
  });
  const complaints = [];
  /** A window of its own: nothing that one of them keeps is seen by another. What is in `prepare` runs in its pages before they do. */
  const open = async (name, address, { width = 1200, height = 800, prepare } = {}) => {
    const context = await browser.createBrowserContext();
    return { name, page: await openIn(context, name, address, { width, height, prepare }) };
  };
  const openIn = async (context, name, address, { width = 1200, height = 800, prepare } = {}) => {
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    await page.setViewport({ width, height });
    page.on('pageerror', (error) => complaints.push(`${name}: ${error.message}`));
    page.on('console', (message) => {
      // While the server is away, a browser notes each call and socket that fails.
      const expected = /ERR_CONNECTION|ERR_INTERNET|WebSocket connection to|Failed to load resource/;
      if (message.type() === 'error' && !expected.test(message.text())) complaints.push(`${name}: ${message.text()}`);
    });
    for (const script of [prepare ?? []].flat()) await page.evaluateOnNewDocument(script);
    await page.goto(address);
    return page;
  };
  try {
    await test({ open, openIn });
    if (complaints.length > 0) throw new Error(`the pages complain:\n${complaints.join('\n')}`);
    tell({ seen: 'all' });
  } catch (error) {
    tell({ failed: `${error.message}${error.cause ? `\n${error.cause.message}` : ''}`, complaints });
    process.exitCode = 1;
  } finally {
    await browser.close();
    process.stdin.destroy();
  }
}

/** The client package, as its sources are now. */
export async function client() {
  const folder = await mkdtemp(join(WEB, 'node_modules/.client-'));
  try {
    await buildClient(folder);
    return await import(join(folder, 'client.mjs'));
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Makes `client.mjs` in the folder, for Node; the packages that it needs are found from there. */
export function buildClient(folder) {
  return build({
    absWorkingDir: WEB,
    entryPoints: { client: 'client/src/index.ts' },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    logLevel: 'warning',
  });
}
