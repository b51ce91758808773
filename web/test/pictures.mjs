// Takes the pictures of the documentation while a demo runs: `node pictures.mjs URL JOIN_CODE FOLDER`.
import { join } from 'node:path';
import puppeteer from 'puppeteer-core';

const [url, code, folder] = process.argv.slice(2);
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  pipe: true,
});
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Nothing is caught on its way. */
const stillIn = (scheme) => [
  { name: 'prefers-color-scheme', value: scheme },
  { name: 'prefers-reduced-motion', value: 'reduce' },
];
const open = async (path, width, height, scheme, scale = 1) => {
  const page = await (await browser.createBrowserContext()).newPage();
  await page.setViewport({ width, height, deviceScaleFactor: scale });
  await page.emulateMediaFeatures(stillIn(scheme));
  await page.goto(`${url}/${path}`);
  return page;
};
const take = async (page, name) => {
  await page.screenshot({ path: join(folder, `${name}.png`) });
  console.log(name);
};

const home = await open('#/', 1100, 720, 'light');
const enter = async (page, name) => {
  await page.locator('#name').fill(name);
  await page.locator('.join button').click();
  await page.locator('.standing').wait();
};
const desk = await open(`#/battle/${code}`, 1200, 860, 'light');
const dark = await open(`#/battle/${code}`, 1200, 860, 'dark');
const phone = await open(`#/battle/${code}`, 390, 844, 'dark');
const screen = await open(`#/watch/${code}`, 1600, 900, 'dark');
const host = await open('#/host', 1100, 900, 'light');
await take(home, 'home');
await take(host, 'host');
await take(desk, 'join');
await enter(desk, 'you');
await enter(dark, 'nadia');
await enter(phone, 'mo');
// The first question earns a shield; the second one does not, so that the next attack hurts.
await phone.locator('.choices button:nth-child(2)').click();
for (const page of [desk, dark]) {
  await page.locator('.chip:nth-child(2)').click();
  await page.locator('.written input').fill('8');
  await page.keyboard.press('Enter');
}
await sleep(6_000);
for (const page of [desk, dark]) await page.mouse.move(20, 20);
await take(desk, 'desk');
const attacked = async (page, name) => {
  await page.waitForSelector('.attacked:not(.blocked)', { timeout: 60_000 });
  await sleep(500);
  await take(page, name);
};
await Promise.all([
  attacked(desk, 'desk-attacked'),
  attacked(dark, 'dark-attacked'),
  attacked(phone, 'phone-attacked'),
]);
await take(screen, 'watch-dark');
await screen.emulateMediaFeatures(stillIn('light'));
await sleep(300);
await take(screen, 'watch-light');
await browser.close();
