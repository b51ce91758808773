// A whole battle in three windows of a real browser: a host, and two players who answer, attack, see the alert, and go on after
// the server was killed. It says what it needs in lines of JSON and waits for a line in return.
// `node battle.mjs ADDRESS ADMIN_TOKEN [FOLDER_FOR_PICTURES]`
import { join } from 'node:path';
import readline from 'node:readline';
import puppeteer from 'puppeteer-core';

const [address, adminToken, pictures] = process.argv.slice(2);
const url = `http://${address}`;
/** Long enough on any machine; what takes longer has failed. */
const PATIENCE_MS = 60_000;

const input = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const tell = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
/** Asks whoever started this for something, and waits until it is done. */
const order = async (what) => {
  tell({ order: what });
  const { done } = await input.next();
  if (done) throw new Error(`nobody did: ${what}`);
};

const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  // A browser in a container has no sandbox of its own; it sees nothing but this server.
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  pipe: true,
  protocolTimeout: 3 * PATIENCE_MS,
});

const complaints = [];
/** Runs in the page: keeps what stood there for a moment only. */
function listen() {
  globalThis.told = [];
  const look = () => {
    for (const part of document.querySelectorAll('.note, .attacked')) globalThis.told.push(part.textContent);
  };
  new MutationObserver(look).observe(document, { childList: true, subtree: true });
}
/** A window of its own: nothing that one of them keeps is seen by another. */
const open = async (name, path, { width = 1200, height = 800 } = {}) => {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  await page.setViewport({ width, height });
  page.on('pageerror', (error) => complaints.push(`${name}: ${error.message}`));
  page.on('console', (message) => {
    // While the server is away, a browser notes each call and socket that fails.
    const expected = /ERR_CONNECTION|WebSocket connection to|Failed to load resource/.test(message.text());
    if (message.type() === 'error' && !expected) complaints.push(`${name}: ${message.text()}`);
  });
  await page.evaluateOnNewDocument(listen);
  await page.goto(`${url}/${path}`);
  return { name, page };
};

/** Waits until the window shows the text. */
const sees = async ({ name, page }, text, selector = 'body') => {
  const shown = (text, selector) =>
    [...document.querySelectorAll(selector)].some((part) => part.textContent.includes(text));
  try {
    await page.waitForFunction(shown, { polling: 100 }, text, selector);
  } catch (error) {
    const body = await page.evaluate(() => document.body.textContent).catch(() => '');
    throw new Error(`${name} does not see '${text}' in ${selector}, but:\n${body}`, { cause: error });
  }
};
/** Waits until the window was told so, even if that is gone again. */
const isTold = async ({ name, page }, text) => {
  const was = (text) => globalThis.told.some((words) => words.includes(text));
  try {
    await page.waitForFunction(was, { polling: 100 }, text);
  } catch (error) {
    throw new Error(`${name} is not told '${text}', but: ${await page.evaluate(() => globalThis.told)}`, {
      cause: error,
    });
  }
};
/** Waits for a button or link that can be pressed, by its name as a screen reader says it, and presses it. */
const press = ({ page }, name) => page.locator(`aria/${name}`).click();
const fill = ({ page }, selector, value) => page.locator(selector).fill(value);
const picture = async ({ page }, name, scheme = 'light') => {
  if (!pictures) return;
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
  await new Promise((resolve) => setTimeout(resolve, 700));
  await page.screenshot({ path: join(pictures, `${name}.png`) });
};

const play = async () => {
  const host = await open('host', '#/host');
  await fill(host, '#title', 'Friday night');
  await fill(host, '#token', adminToken);
  await press(host, 'Create the battle');
  await sees(host, 'Join with', '.code');
  const code = await host.page.$eval('.code strong', (part) => part.textContent);

  const ada = await open('ada', `#/battle/${code}`);
  const linus = await open('linus', `#/battle/${code.toLowerCase()}`, { width: 390, height: 844 });
  for (const player of [ada, linus]) {
    await fill(player, '#name', player.name);
    await press(player, 'Join');
    await sees(player, `You play as ${player.name}`);
  }
  for (const player of [ada, linus]) await sees(player, '2 players online', '.online');
  await press(ada, '2 players online');
  await sees(ada, 'adalinus', '.online ul');
  // A name is taken once.
  const other = await open('other', `#/battle/${code}`);
  await fill(other, '#name', 'ADA');
  await press(other, 'Join');
  await sees(other, 'Somebody has this name already', '#name-error');
  await other.page.browserContext().close();

  await press(host, 'Start the battle');
  for (const player of [ada, linus]) await sees(player, 'Which planet is nearest to the sun?', '.prompt');
  tell({ seen: 'started' });

  await press(ada, 'Mercury');
  await isTold(ada, 'Right!');
  await sees(ada, '30', '.figure-points');
  for (const window of [host, ada, linus]) await sees(window, '30', '.line .points');
  tell({ seen: 'answered' });

  await press(ada, 'Attack linus');
  await isTold(linus, 'You were attacked by ada!');
  await isTold(linus, 'You lost 5 points.');
  await isTold(ada, 'You hit linus');
  await sees(linus, '15', '.figure-points');
  await sees(host, 'ada hits linus: −5', '.feed');
  await picture(linus, 'phone-attacked');
  await picture(linus, 'phone-attacked-dark', 'dark');
  tell({ seen: 'attacked' });

  await order('kill');
  for (const player of [ada, linus]) await sees(player, 'Reconnecting', '.link');
  await order('start');
  for (const window of [host, ada, linus]) await window.page.waitForSelector('.link.online');
  tell({ seen: 'reconnected' });

  for (const player of [ada, linus]) await sees(player, '2 players online', '.online');

  // What the player had is still there, and play goes on; a reload changes nothing either.
  await linus.page.reload();
  await sees(linus, 'You play as linus');
  await sees(linus, '15', '.figure-points');
  await press(linus, 'Mars');
  await isTold(linus, 'Wrong. You may try again.');
  await press(linus, 'Attack ada');
  await isTold(ada, 'You were attacked by linus!');
  await isTold(ada, 'Your shield held.');
  await ada.page.keyboard.press('Escape');
  await ada.page.waitForFunction(() => !document.querySelector('.attacked'));
  await fill(ada, '.written input', '8');
  await ada.page.keyboard.press('Enter');
  await sees(ada, '40', '.figure-points');
  for (const window of [host, linus]) await sees(window, '40', '.line .points');
  tell({ seen: 'went on' });

  // Who plays by keyboard stays where it is while the board moves.
  await ada.page.focus('aria/Attack linus');
  await press(linus, 'Mercury');
  await sees(linus, '25', '.figure-points');
  for (const [answer, points] of [
    ['8', '35'],
    ['lovelace', '35'],
    ['Lovelace', '45'],
  ]) {
    await fill(linus, '.written input', answer);
    await press(linus, 'Answer');
    await sees(linus, points, '.figure-points');
    if (answer === 'lovelace') await sees(linus, '1 attempt left', '.asked');
  }
  await sees(ada, 'linus', '.line:first-child .name');
  const focused = await ada.page.evaluate(() => document.activeElement?.getAttribute('aria-label'));
  if (focused !== 'Attack linus') throw new Error(`the focus is on ${focused}`);
  tell({ seen: 'overtaken' });

  await press(host, 'Finish the battle');
  for (const player of [ada, linus]) await sees(player, 'Final standings');
  const standings = await ada.page.$$eval('.line', (lines) =>
    lines.map((line) => line.querySelector('.name').firstChild.textContent),
  );
  if (standings.join() !== 'linus,ada') throw new Error(`the standings are ${standings}`);
  tell({ seen: 'finished' });
};

try {
  await play();
  if (complaints.length > 0) throw new Error(`the pages complain:\n${complaints.join('\n')}`);
  tell({ seen: 'all' });
} catch (error) {
  tell({ failed: `${error.message}${error.cause ? `\n${error.cause.message}` : ''}`, complaints });
  process.exitCode = 1;
} finally {
  await browser.close();
  process.stdin.destroy();
}
