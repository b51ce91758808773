// A whole battle in windows of a real browser: a host, a big screen, and two players who answer, attack, see the alert, and go on after
// the server was killed. It says what it needs in lines of JSON and waits for a line in return.
// `node battle.mjs ADDRESS ADMIN_TOKEN APP_SECRET [FOLDER_FOR_PICTURES]`
import { join } from 'node:path';
import { inBrowser, order, tell } from './tools.mjs';
import { fill, isTold, listen, press, sees } from './windows.mjs';

const [address, adminToken, , pictures] = process.argv.slice(2);
const url = `http://${address}`;

const picture = async ({ page }, name, scheme = 'light') => {
  if (!pictures) return;
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
  await new Promise((resolve) => setTimeout(resolve, 700));
  await page.screenshot({ path: join(pictures, `${name}.png`) });
};

const play = async ({ open: openAt }) => {
  const open = (name, path, size) => openAt(name, `${url}/${path}`, { ...size, prepare: listen });
  const host = await open('host', '#/host');
  await fill(host, '#title', 'Friday night');
  await fill(host, '#token', adminToken);
  await press(host, 'Create the battle');
  await sees(host, 'Join with', '.code');
  const code = await host.page.$eval('.code strong', (part) => part.textContent);

  // Whoever looks on needs no token.
  const screen = await open('screen', `#/watch/${code}`, { width: 1600, height: 900 });
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
  for (const window of [host, screen]) await sees(window, 'ada hits linus: −5', '.feed');
  await picture(linus, 'phone-attacked');
  await picture(linus, 'phone-attacked-dark', 'dark');
  tell({ seen: 'attacked' });

  await order('kill');
  for (const player of [ada, linus]) await sees(player, 'Reconnecting', '.link');
  await order('start');
  for (const window of [host, screen, ada, linus]) await window.page.waitForSelector('.link.online');
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
  await sees(screen, 'A shield of ada stops linus', '.feed');
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
  await sees(ada, 'You came 2nd of 2.', '.side');
  const standings = await ada.page.$$eval('.line', (lines) =>
    lines.map((line) => line.querySelector('.name').firstChild.textContent),
  );
  if (standings.join() !== 'linus,ada') throw new Error(`the standings are ${standings}`);
  tell({ seen: 'finished' });
};

await inBrowser(play);
