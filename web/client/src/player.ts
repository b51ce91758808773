// A participant: its commands, its session, its signs of life, and what its socket tells it.

import { timestampMs } from '@bufbuild/protobuf/wkt';
import { Code } from '@connectrpc/connect';
import type { Calls, Commands } from './calls.js';
import { Emitter } from './emitter.js';
import { NimaoraError } from './errors.js';
import type { AttackResponse, SubmitAnswerResponse } from './gen/nimaora/v1/command_service_pb.js';
import type {
  AttackRecord,
  GetAroundRankResponse,
  GetRankResponse,
  Participant,
} from './gen/nimaora/v1/query_service_pb.js';
import type { Balance } from './gen/nimaora/v1/types_pb.js';
import { type Holdings, Realtime, type RealtimeEvents } from './realtime.js';
import type { Session } from './session.js';

/** How often a sign of life is sent, in milliseconds. Who sends none for 90 seconds is out of play. */
const HEARTBEAT_MS = 30_000;
/** A session that ends within this is renewed, in milliseconds. */
const RENEW_BEFORE_MS = 2 * 60_000;
/** Reasons after which no command of this session can succeed. */
const OUT: ReadonlySet<string> = new Set(['PARTICIPANT_LEFT', 'PARTICIPANT_REMOVED', 'SESSION_REPLACED']);

/** What a player is told: whatever its socket hears, and what becomes of its session. */
export interface PlayerEvents extends RealtimeEvents {
  /** The session was renewed; keep this one. */
  session: Session;
  /** Nothing can be done as this participant any more, for the reason in the error. */
  out: NimaoraError;
}

export class Player extends Emitter<PlayerEvents> {
  readonly #calls: Calls;
  #session: Session;
  #realtime: Realtime | undefined;
  #heart: ReturnType<typeof setTimeout> | undefined;
  #renewing: Promise<void> | undefined;
  #renewedAt = -1n;
  #holdings: Holdings | undefined;
  #position = 0n;

  constructor(calls: Calls, session: Session, position = 0n) {
    super();
    this.#calls = calls.as(() => this.#session.token);
    this.#session = session;
    this.#position = position;
  }

  get session(): Session {
    return this.#session;
  }

  /** What the player holds, as far as is known. */
  get holdings(): Holdings | undefined {
    return this.#holdings;
  }

  /** The position of the last alert, to be given to `listen` at the next visit. */
  get lastAlert(): bigint | undefined {
    return this.#realtime?.lastAlert;
  }

  get serverNowMs(): number {
    return this.#calls.serverNowMs;
  }

  /** Opens the socket and sends signs of life until `close`. */
  listen(lastAlert?: bigint): void {
    if (this.#realtime) return;
    const { battleId, participantId } = this.#session;
    const realtime = new Realtime(this.#calls, battleId, {
      participantId,
      token: () => this.#session.token,
      after: lastAlert,
    });
    this.#realtime = realtime;
    const names = ['link', 'board', 'started', 'finished', 'cancelled', 'alert', 'online', 'refused'] as const;
    for (const name of names) this.#passOn(realtime, name);
    // What happened while nobody listened.
    realtime.on('link', (link) => {
      if (link === 'online') this.me().catch(() => undefined);
      // The server closes for good whose session has ended; a sign of life tells which it is.
      if (link === 'closed' && this.#realtime) void this.#beat();
    });
    realtime.on('refused', (error) => {
      if (!error.retryable) void this.#beat();
    });
    realtime.on('holdings', (holdings) => this.#hold(holdings));
    realtime.on('gone', (gone) => {
      this.emit('gone', gone);
      void this.#beat();
    });
    realtime.on('replaced', (replaced) => void this.#replaced(replaced.position));
    void this.#beat();
  }

  /** Closes the socket; the participant stays in the battle. */
  close(): void {
    clearTimeout(this.#heart);
    const realtime = this.#realtime;
    this.#realtime = undefined;
    realtime?.close();
  }

  /** Answers a question; a choice is given by its number from 1. */
  async answer(questionId: number, answer: string): Promise<SubmitAnswerResponse> {
    const taken = await this.#command((commands, commandId) =>
      commands.submitAnswer({ commandId, questionId, answer }),
    );
    this.#own(taken.balance, taken.position);
    return taken;
  }

  /** Spends an arrow on another participant. */
  async attack(targetId: string): Promise<AttackResponse> {
    const landed = await this.#command((commands, commandId) => commands.attack({ commandId, targetId }));
    this.#own(landed.balance, landed.position);
    return landed;
  }

  /** Leaves the battle for good. */
  async leave(): Promise<void> {
    await this.#command((commands, commandId) => commands.leave({ commandId }));
    this.close();
  }

  /** Signs in again: older sessions of this participant end, in whatever window they are. */
  renew(): Promise<void> {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  /** The participant as it is now. */
  async me(): Promise<Participant> {
    const { battleId, participantId } = this.#session;
    const minPosition = this.#position;
    const answer = await this.#calls.query((queries) =>
      queries.getParticipant({ battleId, participantId, minPosition }),
    );
    if (!answer.participant) throw new Error('the answer holds no participant');
    this.#own(answer.participant.balance, answer.asOf);
    return answer.participant;
  }

  /** The player's own line of the board. */
  rank(): Promise<GetRankResponse> {
    const { battleId, participantId } = this.#session;
    return this.#calls.query((queries) => queries.getRank({ battleId, participantId, minPosition: this.#position }));
  }

  /** The board around the player. */
  around(range = 3): Promise<GetAroundRankResponse> {
    const { battleId, participantId } = this.#session;
    return this.#calls.query((queries) => queries.getAroundRank({ battleId, participantId, range }));
  }

  /** The attacks on the player after a position, oldest first. */
  async attacks(afterPosition = 0n): Promise<AttackRecord[]> {
    const { battleId, participantId } = this.#session;
    const answer = await this.#calls.query((queries) =>
      queries.listAttacks({ battleId, participantId, afterPosition }),
    );
    return answer.attacks;
  }

  #passOn<Name extends keyof RealtimeEvents>(realtime: Realtime, name: Name): void {
    realtime.on(name, (event) => this.emit(name, event as PlayerEvents[Name]));
  }

  async #command<T extends { position: bigint }>(
    call: (commands: Commands, commandId: string) => Promise<T>,
  ): Promise<T> {
    try {
      const answer = await this.#calls.command(call);
      this.#reached(answer.position);
      return answer;
    } catch (error) {
      this.#look(NimaoraError.from(error));
      throw error;
    }
  }

  #reached(position: bigint): void {
    if (position > this.#position) this.#position = position;
  }

  #own(balance: Balance | undefined, position: bigint): void {
    if (!balance) return;
    const { points, shields, arrows } = balance;
    const { rank, total } = this.#holdings ?? {};
    this.#hold({ points, shields, arrows, rank, total, position });
  }

  /** What is newer than what is known counts. */
  #hold(holdings: Holdings): void {
    if (this.#holdings && holdings.position < this.#holdings.position) return;
    this.#holdings = holdings;
    this.emit('holdings', holdings);
  }

  async #renew(): Promise<void> {
    const renewed = await this.#calls.command((commands, commandId) => commands.replaceSession({ commandId }));
    const expiresAtMs = renewed.tokenExpiresAt ? timestampMs(renewed.tokenExpiresAt) : 0;
    this.#session = { ...this.#session, token: renewed.token, expiresAtMs };
    this.#renewedAt = renewed.position;
    this.#reached(renewed.position);
    this.emit('session', this.#session);
    this.#realtime?.reopen();
    this.#nextBeat();
  }

  /** The socket was told of a newer session: this client's own, or one in another window. */
  async #replaced(position: bigint): Promise<void> {
    await this.#renewing?.catch(() => undefined);
    if (position <= this.#renewedAt) return;
    this.emit('replaced', { position });
    await this.#beat();
  }

  async #beat(): Promise<void> {
    try {
      await this.#calls.command((commands) => commands.heartbeat({}));
      // Only now is the server's time known for sure; this machine's may be hours off.
      if (this.#session.expiresAtMs - this.#calls.serverNowMs < RENEW_BEFORE_MS) await this.renew();
    } catch (error) {
      if (this.#look(NimaoraError.from(error))) return;
    }
    this.#nextBeat();
  }

  #nextBeat(): void {
    clearTimeout(this.#heart);
    // Not all at the same moment, and none later than the server waits.
    const delay = HEARTBEAT_MS * (0.8 + 0.2 * Math.random());
    if (this.#realtime) this.#heart = setTimeout(() => void this.#beat(), delay);
  }

  /** Whether the error means that this participant can do nothing any more. */
  #look(error: NimaoraError): boolean {
    const out = OUT.has(error.reason) || error.code === Code.Unauthenticated;
    if (out) {
      clearTimeout(this.#heart);
      this.emit('out', error);
    }
    return out;
  }
}
