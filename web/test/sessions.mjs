// Sessions of the TypeScript client against a real server: renewed while it listens, taken over by another client, and taken back.
// `node sessions.mjs SERVER ADMIN_TOKEN`
import assert from 'node:assert/strict';
import { client, PATIENCE_MS } from './tools.mjs';

const [server, adminToken] = process.argv.slice(2);
const { Nimaora, NimaoraError } = await client();

/** The next event of this name. */
const next = (player, name) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no '${name}' came`)), PATIENCE_MS);
    const stop = player.on(name, (value) => {
      clearTimeout(timer);
      stop();
      resolve(value);
    });
  });
/** Listens, and waits until the private channel is there: what is told of is what the player holds. */
const listens = async (player) => {
  const held = next(player, 'holdings');
  player.listen();
  await held;
};

const nimaora = new Nimaora({ baseUrl: server });
const host = nimaora.host(adminToken);
const rules = { initial: { points: 20, arrows: 9 }, pointsPerAttack: 1 };
const { battleId } = await host.createBattle({ title: 'Sessions', rules });
await host.startBattle(battleId);
const ada = await nimaora.join(battleId, 'ada');
const linus = await nimaora.join(battleId, 'linus');
const target = linus.session.participantId;
const first = linus.session;

// Renewed while it listens, a client goes on hearing, and is not told that somebody took its session.
await listens(linus);
const complaints = [];
for (const name of ['replaced', 'out']) linus.on(name, () => complaints.push(name));
const renewed = next(linus, 'session');
await linus.renew();
assert.notEqual((await renewed).token, first.token);
const afterRenewal = next(linus, 'alert');
await ada.attack(target);
const alert = await afterRenewal;
assert.deepEqual([alert.attacker, complaints], ['ada', []]);

// Somebody with the older session signs in again: that one plays now, and the first is out.
const elsewhere = nimaora.resume(first);
await assert.rejects(elsewhere.attack(ada.session.participantId), { reason: 'SESSION_REPLACED' });
const out = next(linus, 'out');
await elsewhere.renew();
assert.ok((await out) instanceof NimaoraError);
await elsewhere.attack(ada.session.participantId);

// Taken back, the first hears what came meanwhile, and nothing twice.
const meanwhile = await ada.attack(target);
const missed = next(linus, 'alert');
await linus.renew();
assert.equal((await missed).position, meanwhile.position);
await linus.attack(ada.session.participantId);

// Who leaves is told so, by each command after that.
await linus.leave();
await assert.rejects(linus.attack(ada.session.participantId), { reason: 'PARTICIPANT_LEFT' });
console.log('sessions did what they should');
// In Node, pusher-js keeps the process for half a minute after a close that the server did not answer in kind.
process.exit();
