// The socket: pusher-js, its channels, and what they say as typed events. Boards replace each other, alerts come once each.

import Pusher, { type Channel, type PresenceChannel } from 'pusher-js';
import { type Alert, AlertFilter } from './alerts.js';
import type { Calls } from './calls.js';
import { Emitter } from './emitter.js';
import { NimaoraError } from './errors.js';
import { retrying } from './retry.js';
import { Reviver } from './revive.js';
import { type SignWish, sign } from './sign.js';

/** A line of the board. */
export interface BoardLine {
  readonly rank: number;
  readonly participantId: string;
  readonly username: string;
  readonly points: number;
}

/** The top of the board. */
export interface Board {
  /** The position up to which it is. */
  readonly asOf: bigint;
  /** How many are on the board. */
  readonly total: number;
  readonly lines: readonly BoardLine[];
}

/** What a participant holds. */
export interface Holdings {
  readonly points: number;
  readonly shields: number;
  readonly arrows: number;
  /** The place on the board when the server last told it, and how many stand there. */
  readonly rank?: number | undefined;
  readonly total?: number | undefined;
  /** The position of the change that made it so. */
  readonly position: bigint;
}

/** Who is in the battle right now. */
export interface Online {
  readonly count: number;
  /** Some of them, or all. */
  readonly members: readonly { readonly id: string; readonly username: string }[];
}

/** An attack, as all who look on see it. */
export interface Landed {
  readonly attackerId: string;
  readonly attacker: string;
  readonly targetId: string;
  readonly target: string;
  readonly blocked: boolean;
  readonly pointsLost: number;
  /** When, in milliseconds since 1970. */
  readonly attackedAtMs: number;
  readonly eventId: string;
  /** Its position in the log. */
  readonly position: bigint;
}

/** How the socket is: `connecting` for the first time, `online`, `reconnecting`, or `closed` until somebody opens it again. */
export type Link = 'connecting' | 'online' | 'reconnecting' | 'closed';

/** What a socket tells. */
export interface RealtimeEvents {
  link: Link;
  board: Board;
  started: { readonly position: bigint };
  finished: { readonly position: bigint; readonly standings: Board | undefined };
  cancelled: { readonly position: bigint; readonly reason: string };
  alert: Alert;
  /** Attacks of the battle, for those who look on: the newest of a burst, and how many before them were left out. */
  landed: { readonly attacks: readonly Landed[]; readonly leftOut: number };
  holdings: Holdings;
  online: Online;
  /** The participant signed in elsewhere. */
  replaced: { readonly position: bigint };
  /** The participant left or was removed. */
  gone: { readonly position: bigint };
  /** The private channel cannot be had, in spite of repeats. If the error is `retryable`, it is asked for again. */
  refused: NimaoraError;
}

/** Whose private channel is listened to. */
export interface Listener {
  readonly participantId: string;
  readonly token: () => string;
  /** The last alert that an earlier visit has seen. */
  readonly after?: bigint | undefined;
}

/** How long the server may take to answer a ping, in milliseconds. A browser that lost its network sends one at once. */
const PONG_TIMEOUT_MS = 10_000;

export class Realtime extends Emitter<RealtimeEvents> {
  readonly #pusher: Pusher;
  readonly #alerts: AlertFilter;
  readonly #reviver: Reviver;
  #reopening = false;
  /** Why the private channel was not signed last. */
  #refusal: NimaoraError | undefined;
  #again: ReturnType<typeof setTimeout> | undefined;
  #link: Link = 'connecting';
  #asOf = -1n;

  constructor(calls: Calls, battleId: string, listener?: Listener, attacks = false) {
    super();
    this.#alerts = new AlertFilter(listener?.after);
    const { hostname, port, protocol } = new URL(calls.baseUrl);
    const secure = protocol === 'https:';
    this.#pusher = new Pusher(calls.appKey, {
      cluster: '',
      wsHost: hostname,
      wsPort: Number(port) || 80,
      wssPort: Number(port) || 443,
      forceTLS: secure,
      // With TLS, too: what is called wss is a second try on the same port with TLS where the first has none.
      enabledTransports: ['ws'],
      pongTimeout: PONG_TIMEOUT_MS,
      channelAuthorization: {
        transport: 'ajax',
        endpoint: '',
        customHandler: ({ socketId, channelName }, done) => {
          const wish: SignWish = {
            socketId,
            channelName,
            token: listener?.token() ?? '',
            after: this.#alerts.last,
          };
          // A presence channel is not worth the wait: without it, everything else goes on.
          const signed = channelName.startsWith('presence-')
            ? sign(calls.baseUrl, wish)
            : retrying(() => sign(calls.baseUrl, wish));
          signed.then(
            (data) => done(null, data),
            (error: unknown) => {
              if (!channelName.startsWith('presence-')) this.#refusal = NimaoraError.from(error);
              done(NimaoraError.from(error), null);
            },
          );
        },
      },
    });
    this.#reviver = new Reviver(
      () => takesSockets(calls.baseUrl),
      () => this.reopen(),
    );
    this.#reviver.lost();
    this.#pusher.connection.bind('state_change', ({ current }: { current: string }) => this.#moved(current));
    this.#battle(this.#pusher.subscribe(`battle.${battleId}`));
    if (attacks) this.#attacks(this.#pusher.subscribe(`attacks.battle.${battleId}`));
    if (listener) {
      this.#participant(this.#pusher.subscribe(`private-participant.${listener.participantId}`));
      this.#presence(this.#pusher.subscribe(`presence-battle.${battleId}`) as PresenceChannel);
    }
  }

  get link(): Link {
    return this.#link;
  }

  /** The position of the last alert, to be kept for the next visit. */
  get lastAlert(): bigint | undefined {
    return this.#alerts.last;
  }

  /** Connects anew, with what the token is now. */
  reopen(): void {
    this.#reopening = true;
    this.#pusher.disconnect();
    this.#reopening = false;
    this.#pusher.connect();
  }

  close(): void {
    clearTimeout(this.#again);
    this.#pusher.disconnect();
  }

  #moved(state: string): void {
    const link = this.#linkOf(state);
    if (link === this.#link || (link === 'closed' && this.#reopening)) return;
    const wasThere = this.#link === 'online' || this.#link === 'closed';
    this.#link = link;
    if (link === 'online' || link === 'closed') this.#reviver.found();
    else if (wasThere) this.#reviver.lost();
    this.emit('link', link);
  }

  #linkOf(state: string): Link {
    if (state === 'connected') return 'online';
    if (state === 'disconnected' || state === 'failed') return 'closed';
    return this.#link === 'connecting' ? 'connecting' : 'reconnecting';
  }

  #battle(channel: Channel): void {
    channel.bind('leaderboard.updated', (data: BoardData) => this.#board(board(data)));
    channel.bind('battle.started', ({ position }: Positioned) => this.emit('started', { position: BigInt(position) }));
    channel.bind('battle.finished', ({ position, standings }: Positioned & { standings: BoardData | null }) => {
      const last = standings ? board(standings) : undefined;
      if (last) this.#board(last);
      this.emit('finished', { position: BigInt(position), standings: last });
    });
    channel.bind('battle.cancelled', ({ position, reason }: Positioned & { reason: string | null }) =>
      this.emit('cancelled', { position: BigInt(position), reason: reason ?? '' }),
    );
  }

  #board(next: Board): void {
    if (next.asOf < this.#asOf) return;
    this.#asOf = next.asOf;
    this.emit('board', next);
  }

  #attacks(channel: Channel): void {
    channel.bind('attacks.landed', ({ attacks, left_out }: LandedData) =>
      this.emit('landed', { attacks: attacks.map(landed), leftOut: left_out }),
    );
  }

  #participant(channel: Channel): void {
    channel.bind('attack.received', (data: AlertData) => {
      const alert: Alert = {
        attacker: data.attacker,
        blocked: data.blocked,
        pointsLost: data.points_lost,
        attackedAtMs: Date.parse(data.timestamp),
        eventId: data.event_id,
        position: BigInt(data.position),
      };
      if (this.#alerts.passes(alert)) this.emit('alert', alert);
    });
    channel.bind('score.changed', ({ rank, total, position, ...held }: HoldingsData) =>
      this.emit('holdings', {
        ...held,
        rank: rank ?? undefined,
        total: total ?? undefined,
        position: BigInt(position),
      }),
    );
    channel.bind('session.replaced', ({ position }: Positioned) =>
      this.emit('replaced', { position: BigInt(position) }),
    );
    channel.bind('participant.gone', ({ position }: Positioned) => this.emit('gone', { position: BigInt(position) }));
    channel.bind('pusher:subscription_error', (error: unknown) => {
      const refusal = this.#refusal ?? NimaoraError.from(error);
      this.emit('refused', refusal);
      // On a new connection pusher-js asks by itself.
      clearTimeout(this.#again);
      if (refusal.retryable) {
        this.#again = setTimeout(() => channel.subscribe(), REFUSED_MS * (1 + Math.random()));
      }
    });
  }

  #presence(channel: PresenceChannel): void {
    const tell = (count = channel.members.count) => {
      const members: { id: string; username: string }[] = [];
      channel.members.each(({ id, info }: { id: string; info?: { username?: string } }) =>
        members.push({ id, username: info?.username ?? '' }),
      );
      this.emit('online', { count, members });
    };
    for (const name of ['pusher:subscription_succeeded', 'pusher:member_added', 'pusher:member_removed']) {
      channel.bind(name, () => tell());
    }
    // Of a crowd too large for a list of names only some are told, and the number of all.
    channel.bind('presence.updated', ({ count }: { count: number }) => tell(count));
  }
}

/** How long to wait, or twice as long by chance, before a channel is asked for again that could not be had for now, in milliseconds. */
const REFUSED_MS = 10_000;
/** How long the server may take to say whether it takes sockets, in milliseconds. */
const HEALTH_TIMEOUT_MS = 5_000;

async function takesSockets(baseUrl: string): Promise<boolean> {
  const signal = AbortSignal.timeout(HEALTH_TIMEOUT_MS);
  return (await fetch(`${baseUrl}/app/websocket-health`, { signal, cache: 'no-store' })).ok;
}

interface Positioned {
  readonly position: number;
}

interface HoldingsData extends Positioned {
  readonly points: number;
  readonly shields: number;
  readonly arrows: number;
  readonly rank?: number | null;
  readonly total?: number | null;
}

interface AlertData extends Positioned {
  readonly attacker: string;
  readonly blocked: boolean;
  readonly points_lost: number;
  readonly timestamp: string;
  readonly event_id: string;
}

interface BoardData {
  readonly as_of: number;
  readonly total: number;
  readonly entries: readonly {
    readonly rank: number;
    readonly participant_id: string;
    readonly username: string;
    readonly points: number;
  }[];
}

function board(data: BoardData): Board {
  const lines = data.entries.map(({ rank, participant_id, username, points }) => ({
    rank,
    participantId: participant_id,
    username,
    points,
  }));
  return { asOf: BigInt(data.as_of), total: data.total, lines };
}

interface LandedData {
  readonly attacks: readonly {
    readonly attacker_id: string;
    readonly attacker: string;
    readonly target_id: string;
    readonly target: string;
    readonly blocked: boolean;
    readonly points_lost: number;
    readonly timestamp: string;
    readonly event_id: string;
    readonly position: number;
  }[];
  readonly left_out: number;
}

function landed(data: LandedData['attacks'][number]): Landed {
  return {
    attackerId: data.attacker_id,
    attacker: data.attacker,
    targetId: data.target_id,
    target: data.target,
    blocked: data.blocked,
    pointsLost: data.points_lost,
    attackedAtMs: Date.parse(data.timestamp),
    eventId: data.event_id,
    position: BigInt(data.position),
  };
}
