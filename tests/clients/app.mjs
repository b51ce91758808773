// An application: its server with the official library, and a page of it with pusher-js, both unmodified, told what to do by lines of
// JSON on its input. It writes a line of JSON for each answer and each thing that the page hears. `node app.mjs PORT APP KEY SECRET`
import readline from 'node:readline';
import PusherServer from 'pusher';
import Pusher from 'pusher-js';

const [port, appId, key, secret] = process.argv.slice(2);
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const server = new PusherServer({
  appId,
  key,
  secret,
  host: '127.0.0.1',
  port,
  useTLS: false,
  encryptionMasterKeyBase64: Buffer.alloc(32, 7).toString('base64'),
});

// Whom the server takes the page for.
let user = { id: 'u1', user_info: { name: 'ada' } };
const page = new Pusher(key, {
  cluster: 'none',
  wsHost: '127.0.0.1',
  wsPort: Number(port),
  forceTLS: false,
  enabledTransports: ['ws'],
  enableStats: false,
  channelAuthorization: {
    customHandler: ({ socketId, channelName }, callback) => {
      const member = channelName.startsWith('presence-') ? { user_id: user.id, user_info: user.user_info } : undefined;
      callback(null, server.authorizeChannel(socketId, channelName, member));
    },
  },
  userAuthentication: {
    customHandler: ({ socketId }, callback) => callback(null, server.authenticateUser(socketId, user)),
  },
});
page.connection.bind('state_change', ({ current }) => say({ event: current, data: page.connection.socket_id ?? null }));
page.connection.bind('error', (error) => say({ event: 'error', data: error?.error?.data ?? null }));
for (const event of ['online', 'offline']) page.user.watchlist.bind(event, ({ user_ids }) => say({ event, data: user_ids }));
page.user.bind_global((event, data) => say({ event: `user ${event}`, data }));

const call = async (method, args) => {
  try {
    const response = await server[method](...args);
    say({ event: 'answer', data: { status: response.status, body: await response.json() } });
  } catch (error) {
    say({ event: 'answer', data: { status: error.status ?? null, body: error.body ?? String(error) } });
  }
};
const orders = {
  user: ({ id, user_info, watchlist }) => { user = { id, user_info, watchlist }; },
  subscribe: ({ channel }) => {
    page.subscribe(channel).bind_global((event, data) => {
      const members = data?.members === undefined ? data : { members: data.members, count: data.count, me: data.me };
      say({ event, channel, data: members });
    });
  },
  // Who has said it is told to those only who wait for just this.
  bind: ({ channel, event }) => {
    page.channel(channel).bind(event, (data, metadata) => {
      say({ event: `bound ${event}`, data, user_id: metadata?.user_id });
    });
  },
  unsubscribe: ({ channel }) => page.unsubscribe(channel),
  trigger: ({ channel, event, data }) => page.channel(channel).trigger(event, data),
  members: ({ channel }) => {
    const { members, count } = page.channel(channel).members;
    say({ event: 'members', data: { members, count } });
  },
  signin: () => page.signin(),
  server: ({ method, args }) => call(method, args),
};
const input = readline.createInterface({ input: process.stdin });
input.on('line', (line) => {
  const order = JSON.parse(line);
  orders[order.do](order);
});
// Whoever started it is gone, or has seen enough.
input.on('close', () => process.exit(0));
