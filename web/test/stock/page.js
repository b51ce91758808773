// Runs in a page that has loaded the stock builds. Both clients do the same here, each in its own words, and what they hear is kept as
// `EVENT CHANNEL` with its data.

globalThis.heard = [];
const hear =
  (event, channel = '') =>
  (data, metadata) =>
    heard.push({ event: `${event} ${channel}`.trim(), data: data ?? null, from: metadata?.user_id ?? null });
const refused = (channel) => (error) => hear('refused', channel)({ status: error?.status, message: String(error?.error) });

/** The channels of an application of one's own, in each of which something is heard. */
const KINDS = ['news', 'private-news', 'private-encrypted-news', 'presence-news'];
const CACHES = ['cache-last', 'private-cache-last', 'private-encrypted-cache-last', 'presence-cache-last'];

/** The usual options, for a server that the page did not come from. */
const optionsOf = ({ host, port }) => ({
  cluster: '',
  wsHost: host,
  wsPort: port,
  forceTLS: false,
  enabledTransports: ['ws'],
});

globalThis.clients = {
  'pusher-js': ({ key, server, app, token, battleId, participantId, ...names }) => {
    const headers = { Authorization: `Bearer ${token}` };
    const signed = (endpoint) => ({ transport: 'ajax', endpoint, headers });
    const player = new Pusher(key, {
      ...optionsOf(names),
      channelAuthorization: signed(`${server}/broadcasting/auth`),
      userAuthentication: signed(`${server}/pusher/user-auth`),
    });
    player.connection.bind('state_change', ({ current }) => hear(current)());
    player.subscribe(`battle.${battleId}`).bind('leaderboard.updated', hear('board'));
    const own = player.subscribe(`private-participant.${participantId}`);
    own.bind('attack.received', hear('alert'));
    own.bind('pusher:subscription_succeeded', hear('own'));
    own.bind('pusher:subscription_error', refused('own'));
    const present = player.subscribe(`presence-battle.${battleId}`);
    const names_ = () => {
      const all = [];
      present.members.each(({ info }) => all.push(info.username));
      return all.sort();
    };
    present.bind('pusher:subscription_succeeded', () => hear('here')(names_()));
    present.bind('pusher:member_added', ({ info }) => hear('joining')(info.username));
    present.bind('pusher:member_removed', ({ info }) => hear('leaving')(info.username));
    present.bind('pusher:subscription_error', refused('presence'));
    player.bind('pusher:signin_success', () => hear('signed in')());
    player.user.bind('greeting', hear('greeting'));
    player.signin();

    const page = new Pusher(key, { ...optionsOf(names), channelAuthorization: signed(`${app}/auth`) });
    for (const name of [...KINDS, ...CACHES]) {
      const channel = page.subscribe(name);
      channel.bind('pusher:subscription_succeeded', () => hear('subscribed', name)());
      channel.bind('pusher:subscription_error', refused(name));
      channel.bind('pusher:cache_miss', hear('miss', name));
      channel.bind('flash', hear('flash', name));
      channel.bind('client-hi', hear('hi', name));
    }
    return {
      connect: () => player.connect(),
      disconnect: () => player.disconnect(),
      whisper: (name, data) => page.channel(name).trigger('client-hi', data),
    };
  },

  'laravel-echo': ({ key, server, app, token, battleId, participantId, ...names }) => {
    const options = { broadcaster: 'pusher', key, ...optionsOf(names), bearerToken: token };
    const player = new Echo.default({
      ...options,
      authEndpoint: `${server}/broadcasting/auth`,
      userAuthentication: { endpoint: `${server}/pusher/user-auth`, headers: {} },
    });
    const { pusher } = player.connector;
    pusher.connection.bind('state_change', ({ current }) => hear(current)());
    player.channel(`battle.${battleId}`).listen('.leaderboard.updated', hear('board'));
    player
      .private(`participant.${participantId}`)
      .listen('.attack.received', hear('alert'))
      .subscribed(hear('own'))
      .error(refused('own'));
    player
      .join(`battle.${battleId}`)
      .here((members) => hear('here')(members.map(({ username }) => username).sort()))
      .joining(({ username }) => hear('joining')(username))
      .leaving(({ username }) => hear('leaving')(username))
      .error(refused('presence'));
    pusher.bind('pusher:signin_success', () => hear('signed in')());
    pusher.user.bind('greeting', hear('greeting'));
    player.connector.signin();

    const page = new Echo.default({ ...options, authEndpoint: `${app}/auth` });
    const channels = new Map([...KINDS, ...CACHES].map((name) => [name, open(page, name)]));
    for (const [name, channel] of channels) {
      channel.subscribed(() => hear('subscribed', name)());
      channel.error(refused(name));
      channel.on('pusher:cache_miss', hear('miss', name));
      channel.listen('.flash', hear('flash', name)).listenForWhisper('hi', hear('hi', name));
    }
    return {
      connect: () => pusher.connect(),
      disconnect: () => player.disconnect(),
      whisper: (name, data) => channels.get(name).whisper('hi', data),
    };
  },
};

/** Echo has a method for each kind of channel, which puts the kind before the name. */
function open(echo, name) {
  const kinds = { 'private-encrypted-': 'encryptedPrivate', 'private-': 'private', 'presence-': 'join' };
  for (const [prefix, method] of Object.entries(kinds)) {
    if (name.startsWith(prefix)) return echo[method](name.slice(prefix.length));
  }
  return echo.channel(name);
}
