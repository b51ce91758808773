// A player's page without the page: one of the public clients, unmodified, told what to do by lines on its input.
// It writes a line of JSON for each thing that it hears. `node listen.mjs CLIENT PORT KEY TOKEN BATTLE PARTICIPANT`
import readline from 'node:readline';
import Echo from 'laravel-echo';
import Pusher from 'pusher-js';

const [client, port, key, token, battle, participant] = process.argv.slice(2);
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
// The position of the last alert, as a page would keep it; it is sent only when the test says so.
let lastPosition;
let sendsPosition = false;
const options = {
  cluster: 'none',
  wsHost: '127.0.0.1',
  wsPort: Number(port),
  forceTLS: false,
  enabledTransports: ['ws'],
  enableStats: false,
  channelAuthorization: {
    endpoint: `http://127.0.0.1:${port}/broadcasting/auth`,
    transport: 'ajax',
    headers: { Authorization: `Bearer ${token}` },
    paramsProvider: () => (sendsPosition ? { after: lastPosition } : {}),
  },
};

const heard = (event) => (data) => {
  if (event === 'attack.received') lastPosition = data.position;
  say({ event, data });
};
const failed = (error) => say({ event: 'failed', data: error });

// Who is online, as each client tells it: all at first, then each that comes and goes.
let attend;
const pusher = new Pusher(key, options);
pusher.connection.bind('state_change', ({ current }) => say({ event: current, data: null }));

if (client === 'echo') {
  const echo = new Echo({ broadcaster: 'pusher', key, client: pusher });
  echo.channel(`battle.${battle}`).listen('.leaderboard.updated', heard('leaderboard.updated'));
  const own = echo.private(`participant.${participant}`);
  own.subscribed(() => say({ event: 'subscribed', data: null })).error(failed);
  attend = () => echo.join(`battle.${battle}`)
    .here((members) => say({ event: 'here', data: members }))
    .joining((member) => say({ event: 'joining', data: member }))
    .leaving((member) => say({ event: 'leaving', data: member }))
    .error(failed);
  own.listen('.attack.received', heard('attack.received')).listen('.session.replaced', heard('session.replaced'));
} else {
  pusher.subscribe(`battle.${battle}`).bind('leaderboard.updated', heard('leaderboard.updated'));
  const own = pusher.subscribe(`private-participant.${participant}`);
  own.bind('pusher:subscription_succeeded', () => say({ event: 'subscribed', data: null }));
  own.bind('pusher:subscription_error', failed);
  for (const name of ['attack.received', 'session.replaced']) own.bind(name, heard(name));
  attend = () => {
    const present = pusher.subscribe(`presence-battle.${battle}`);
    present.bind('pusher:subscription_succeeded', ({ members }) => say({ event: 'here', data: Object.values(members) }));
    present.bind('pusher:member_added', ({ info }) => say({ event: 'joining', data: info }));
    present.bind('pusher:member_removed', ({ info }) => say({ event: 'leaving', data: info }));
    present.bind('pusher:subscription_error', failed);
  };
}

const orders = {
  connect: () => pusher.connect(),
  disconnect: () => pusher.disconnect(),
  'send position': () => { sendsPosition = true; },
  attend: () => attend(),
};
const input = readline.createInterface({ input: process.stdin });
input.on('line', (line) => orders[line]());
// Whoever started it is gone, or has seen enough.
input.on('close', () => process.exit(0));
