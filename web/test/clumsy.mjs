// What people do by mistake, and what befalls them, in the arena: two windows on one session, double clicks, reloads and the way back, a
// clock that is wrong, no network, names of all kinds, questions whose time is over. `node clumsy.mjs ADDRESS ADMIN_TOKEN`
import assert from 'node:assert/strict';
import { client, inBrowser, tell } from './tools.mjs';
import { fill, isTold, listen, press, sees } from './windows.mjs';

const [address, adminToken] = process.argv.slice(2);
const url = `http://${address}`;
const { Nimaora, QuestionKind } = await client();
const nimaora = new Nimaora({ baseUrl: url });
const host = nimaora.host(adminToken);

const HOURS_MS = 5 * 3_600_000;
/** Runs in the page: its clock is hours ahead. */
function aheadOfTime() {
  const real = Date;
  const ahead = 5 * 3_600_000;
  globalThis.Date = class extends real {
    constructor(...parts) {
      super(...(parts.length === 0 ? [real.now() + ahead] : parts));
    }
    static now() {
      return real.now() + ahead;
    }
  };
}

const choice = (prompt, choices, right) => ({
  kind: QuestionKind.CHOICE,
  prompt,
  choices,
  acceptedAnswers: [right],
  reward: { points: 10, arrows: 3 },
  attemptsMax: 2,
});
const at = (ms) => ({ seconds: BigInt(Math.floor(ms / 1_000)), nanos: 0 });

await inBrowser(async ({ open, openIn }) => {
  const { battleId, joinCode } = await host.createBattle({
    title: 'A long evening 🎯',
    rules: { initial: { points: 50, arrows: 3 }, pointsPerAttack: 5 },
    schedule: { endsAt: at(Date.now() + HOURS_MS) },
    questions: [
      choice('Which planet is nearest to the sun?', ['Venus', 'Mercury', 'Mars'], '2'),
      { ...choice('Which of these is gone in a second?', ['This one', 'That one'], '1'), answeringTimeMs: 1_000n },
      choice('What is O(1)?', ['constant', 'linear'], '1'),
    ],
  });
  const others = [];
  for (const name of ['نور الدين', '🏹 Robin 🛡️', 'A name that has thirty letters']) {
    const other = await nimaora.join(battleId, name);
    // Who sends no sign of life is out of play after a while, and on a slow machine a while is short.
    other.listen();
    others.push(other);
  }

  const nowhere = await open('nowhere', `${url}/#/battle/NOSUCH`);
  await sees(nowhere, 'There is no such battle.', '[role=alert]');
  await nowhere.page.goto(`${url}/#/nowhere/%F0`);
  await sees(nowhere, 'Answer. Aim. Attack.', 'h1');
  tell({ seen: 'no such battle' });

  const arena = `${url}/#/battle/${joinCode}`;
  const ada = await open('ada', arena, { prepare: listen });
  await fill(ada, '#name', '   ');
  assert.equal(await ada.page.$eval('.join button', (button) => button.disabled), true);
  await fill(ada, '#name', 'Robin\u202e');
  await press(ada, 'Join');
  await ada.page.waitForSelector('#name-error');
  await fill(ada, '#name', 'ada');
  await press(ada, 'Join');
  await sees(ada, 'You play as ada');
  // Loaded anew, left and come back to before the start: still in.
  await ada.page.reload();
  await sees(ada, 'You play as ada');
  await ada.page.goto(`${url}/#/`);
  await sees(ada, 'A long evening 🎯', '.battles');
  await ada.page.goBack();
  await sees(ada, 'You play as ada');
  // A second window of the same browser goes on as the same player, and does not ask for a name.
  const twin = { name: 'twin', page: await openIn(ada.page.browserContext(), 'twin', arena, { prepare: listen }) };
  await sees(twin, 'You play as ada');
  tell({ seen: 'joined' });

  await host.startBattle(battleId);
  // Whose clock is wrong by hours sees the time that is left by the server's, and keeps its session.
  const late = await open('late', arena, { prepare: [listen, aheadOfTime] });
  await fill(late, '#name', 'מרים');
  await press(late, 'Join');
  await sees(late, 'You play as מרים');
  await sees(late, 'Ends in 4:59:', '.countdown');
  for (const { session } of others) await sees(late, session.username, '.line .name');
  await sees(late, '✕', '.chip:nth-child(2)');
  tell({ seen: 'the right time' });

  // A double click on what is wrong costs one attempt of two; on a target, one arrow of three.
  await ada.page.bringToFront();
  const twice = (selector) => ada.page.locator(selector).click({ count: 2 });
  await twice('.choices button:nth-child(1)');
  await isTold(ada, 'Wrong. You may try again.');
  await sees(ada, '1 attempt left', '.asked');
  await sees(ada, '✕', '.choices button:nth-child(1):disabled');
  await twice('aria/Attack A name that has thirty letters');
  await isTold(ada, 'You hit A name that has thirty letters: −5');
  await sees(ada, '2', '.figure-arrows strong');
  // What is right is followed by the next question, which a second click does not answer.
  await twice('.choices button:nth-child(2)');
  await isTold(ada, 'Right!');
  await sees(ada, 'What is O(1)?', '.prompt');
  await sees(ada, '2 attempts left', '.asked');
  await sees(twin, '✓', '.chip:nth-child(1)');
  tell({ seen: 'double clicks' });

  // By keyboard alone: from the answer to the next question without the top of the page in between.
  await ada.page.waitForSelector('.choices button:nth-child(2):not(:disabled)');
  await ada.page.focus('.choices button:nth-child(2)');
  await ada.page.keyboard.press('Enter');
  await sees(ada, '1 attempt left', '.asked');
  const session = () => ada.page.evaluate((id) => localStorage.getItem(`nimaora.${id}.session`), battleId);
  const kept = JSON.parse(await session());

  // Signed in elsewhere: both windows say so. Taken back in one of them, the other goes on, too.
  const elsewhere = nimaora.resume(kept);
  await elsewhere.renew();
  for (const window of [ada, twin]) await sees(window, 'You signed in elsewhere.', '[role=alert]');
  await press(ada, 'Play here');
  for (const window of [ada, twin]) {
    await window.page.waitForFunction(() => !document.body.textContent.includes('signed in elsewhere'));
    await window.page.waitForSelector('.link.online');
    await window.page.waitForSelector('.prompt');
  }
  await twin.page.bringToFront();
  await twin.page.waitForSelector('aria/Attack 🏹 Robin 🛡️');
  await press(twin, 'Attack 🏹 Robin 🛡️');
  await isTold(twin, 'You hit 🏹 Robin 🛡️: −5');
  tell({ seen: 'signed in elsewhere' });

  // Without a network the page says so, and what is sent meanwhile arrives when it is back.
  await twin.page.setOfflineMode(true);
  await sees(twin, 'No network', '.link');
  // A name that is written from right to left stands apart in a sentence.
  await press(twin, 'Attack \u2068نور الدين\u2069');
  await twin.page.setOfflineMode(false);
  await isTold(twin, 'نور الدين');
  await twin.page.waitForSelector('.link.online');
  await others[0].attack(kept.participantId);
  await isTold(twin, 'You were attacked by');
  await isTold(ada, 'You were attacked by');
  tell({ seen: 'no network' });

  // A reload while it runs, and after the end.
  await ada.page.bringToFront();
  await ada.page.reload();
  await sees(ada, '1 attempt left', '.asked');
  await host.finishBattle(battleId);
  for (const window of [ada, twin, late]) await sees(window, 'Final standings', 'h2');
  await ada.page.reload();
  await sees(ada, 'Final standings', 'h2');
  await sees(ada, 'You play as ada');
  assert.equal((await ada.page.$$('.countdown')).length, 0);
  // The name is there for the next battle.
  await host.createBattle({ title: 'The next one' });
  await press(ada, 'Join the next one: The next one');
  await sees(ada, 'The next one', 'h1');
  assert.equal(await ada.page.$eval('#name', (field) => field.value), 'ada');
  tell({ seen: 'over' });
});
process.exit();
