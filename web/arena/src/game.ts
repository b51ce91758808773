// A battle as one player sees it: what the server says, and what the player does.

import {
  type Alert,
  type Battle,
  BattlePhase,
  type Board,
  type BoardLine,
  type Holdings,
  type Link,
  type Nimaora,
  NimaoraError,
  type Online,
  type Player,
  type Question,
  type Realtime,
  type Session,
  Verdict,
} from '@nimaora/client';
import * as kept from './kept.js';
import { say } from './say.js';
import { Store } from './store.js';

/** Alerts that are shown one above the other at most. */
const ALERTS_MAX = 3;
/** How long a note stays, in milliseconds. */
const NOTE_MS = 5_000;
/** How often questions that are not open yet are looked for, in milliseconds; each client at times of its own. */
const QUESTIONS_MS = 2_500;
/** The shortest time between two looks at the own rank, in milliseconds. */
const RANK_MS = 1_500;

/** Something that the player is told in passing. */
export interface Note {
  readonly id: number;
  readonly tone: 'good' | 'bad' | 'plain';
  readonly text: string;
}

export interface State {
  readonly battle: Battle;
  readonly session: Session | undefined;
  readonly link: Link;
  readonly board: Board | undefined;
  /** The player's own line and those around it, while it is not among the top. */
  readonly near: readonly BoardLine[];
  readonly holdings: Holdings | undefined;
  readonly online: Online | undefined;
  readonly questions: readonly Question[];
  readonly answers: kept.Answers;
  /** The newest first. */
  readonly alerts: readonly Alert[];
  readonly notes: readonly Note[];
  /** Why nothing can be done any more. */
  readonly out: NimaoraError | undefined;
}

export class Game {
  readonly store: Store<State>;
  readonly #nimaora: Nimaora;
  #player: Player | undefined;
  #realtime: Realtime | undefined;
  #closed = false;
  #noteId = 0;
  #questionsTimer: ReturnType<typeof setTimeout> | undefined;
  #rankTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(nimaora: Nimaora, battle: Battle) {
    this.#nimaora = nimaora;
    this.store = new Store<State>({
      battle,
      session: undefined,
      link: 'connecting',
      board: undefined,
      near: [],
      holdings: undefined,
      online: undefined,
      questions: [],
      answers: kept.keptAnswers(battle.id),
      alerts: [],
      notes: [],
      out: undefined,
    });
  }

  /** The server's time, in milliseconds since 1970. */
  readonly now = (): number => this.#nimaora.serverNowMs;

  get #battleId(): string {
    return this.store.value.battle.id;
  }

  /** Goes on as who one was, or looks on until one joins. */
  open(): void {
    addEventListener('storage', this.#elsewhere);
    const session = kept.keptSession(this.#battleId);
    if (session) this.#play(this.#nimaora.resume(session));
    else this.#lookOn();
  }

  close(): void {
    this.#closed = true;
    removeEventListener('storage', this.#elsewhere);
    clearTimeout(this.#questionsTimer);
    clearTimeout(this.#rankTimer);
    this.#realtime?.close();
    this.#player?.close();
  }

  async join(username: string): Promise<void> {
    const player = await this.#nimaora.join(this.#battleId, username);
    this.#realtime?.close();
    this.#realtime = undefined;
    kept.keepSession(player.session);
    kept.keepName(player.session.username);
    this.#play(player);
  }

  async answer(questionId: number, text: string): Promise<void> {
    if (!this.#player) return;
    try {
      const taken = await this.#player.answer(questionId, text);
      const question = this.store.value.questions.find(({ id }) => id === questionId);
      const last = taken.attempt >= (question?.attemptsMax ?? 1);
      this.#answered(questionId, stateOf(taken.verdict, last), taken.attempt, text);
      const earned = taken.earned;
      if (taken.verdict === Verdict.CORRECT && earned) this.note('good', `Right! ${say.earned(earned)}`);
      if (taken.verdict === Verdict.WRONG) this.note('bad', last ? 'Wrong.' : 'Wrong. You may try again.');
      if (taken.verdict === Verdict.PENDING) this.note('plain', 'Taken. A judge decides.');
    } catch (thrown) {
      const error = NimaoraError.from(thrown);
      const attempts = this.store.value.answers[questionId]?.attempts ?? 0;
      if (error.reason === 'ALREADY_ANSWERED') this.#answered(questionId, 'right', attempts);
      if (CLOSED.has(error.reason)) this.#answered(questionId, 'closed', attempts);
      if (error.reason === 'VERDICT_PENDING') this.#answered(questionId, 'pending', attempts);
      this.note('bad', say.error(error));
    }
  }

  async attack(target: Pick<BoardLine, 'participantId' | 'username'>): Promise<void> {
    if (!this.#player) return;
    try {
      const { blocked, pointsDeducted } = await this.#player.attack(target.participantId);
      if (blocked) this.note('plain', `A shield of ${say.named(target.username)} stopped your arrow.`);
      else this.note('good', `You hit ${say.named(target.username)}: −${pointsDeducted}`);
    } catch (thrown) {
      this.note('bad', say.error(NimaoraError.from(thrown), target.username));
    }
  }

  /** Ends the sessions in other windows, and goes on in this one. */
  async signInAgain(): Promise<void> {
    if (!this.#player) return;
    try {
      await this.#player.renew();
      this.store.set({ out: undefined });
    } catch (thrown) {
      this.note('bad', say.error(NimaoraError.from(thrown)));
    }
  }

  /** Forgets who one was, to join as somebody else. */
  startOver(): void {
    this.#player?.close();
    this.#player = undefined;
    kept.forget(this.#battleId);
    this.store.set({
      session: undefined,
      out: undefined,
      holdings: undefined,
      online: undefined,
      near: [],
      answers: {},
      alerts: [],
    });
    this.#lookOn();
  }

  dismiss(eventId: string): void {
    this.store.set({ alerts: this.store.value.alerts.filter((alert) => alert.eventId !== eventId) });
  }

  note(tone: Note['tone'], text: string): void {
    this.#noteId += 1;
    const note = { id: this.#noteId, tone, text };
    this.store.set({ notes: [...this.store.value.notes.slice(-2), note] });
    setTimeout(() => {
      this.store.set({ notes: this.store.value.notes.filter(({ id }) => id !== note.id) });
    }, NOTE_MS);
  }

  #lookOn(): void {
    const realtime = this.#nimaora.watch(this.#battleId);
    this.#realtime = realtime;
    this.#hear(realtime);
  }

  #play(player: Player): void {
    this.#player = player;
    this.store.set({ session: player.session, link: 'connecting' });
    this.#hear(player);
    player.on('alert', (alert) => {
      this.store.set({ alerts: [alert, ...this.store.value.alerts].slice(0, ALERTS_MAX) });
      kept.keepLastAlert(this.#battleId, alert.position);
    });
    player.on('holdings', (holdings) => {
      this.store.set({ holdings });
      this.#lookAtRank();
    });
    player.on('online', (online) => this.store.set({ online }));
    player.on('session', (session) => {
      kept.keepSession(session);
      this.store.set({ session });
    });
    player.on('refused', (error) => this.note('bad', `No alerts for now: ${say.error(error)}`));
    player.on('out', (out) => {
      // What another window of this browser has renewed is good here, too.
      const goesOn = out.reason === 'SESSION_REPLACED' && this.#adopt();
      if (!goesOn && player === this.#player) this.store.set({ out });
    });
    player.listen(kept.keptLastAlert(this.#battleId));
    this.#lookForQuestions();
  }

  readonly #elsewhere = (event: StorageEvent) => {
    const what = kept.changedElsewhere(event, this.#battleId);
    if (what === 'session') this.#adopt();
    if (what === 'answers') this.store.set({ answers: kept.keptAnswers(this.#battleId) });
  };

  /** Goes on with the session that this browser keeps, if that is another one than here and of nobody else; whether it is. */
  #adopt(): boolean {
    const session = kept.keptSession(this.#battleId);
    const own = this.#player?.session;
    if (!session || session.token === own?.token) return false;
    if (own && session.participantId !== own.participantId) return false;
    this.#player?.close();
    this.#realtime?.close();
    this.#realtime = undefined;
    this.store.set({ out: undefined, answers: kept.keptAnswers(this.#battleId) });
    this.#play(this.#nimaora.resume(session));
    return true;
  }

  #hear(source: Player | Realtime): void {
    const on = source.on.bind(source) as Realtime['on'];
    on('board', (board) => {
      this.store.set({ board });
      this.#lookAtRank();
    });
    on('link', (link) => {
      // One that was closed for another says so, too.
      if (source !== (this.#player ?? this.#realtime)) return;
      this.store.set({ link });
      // What began or ended while nobody listened is told by no event.
      if (link === 'online') void this.#refresh();
    });
    on('started', () => void this.#refresh());
    on('finished', ({ standings }) => {
      if (standings) this.store.set({ board: standings });
      this.#phase(BattlePhase.FINISHED);
    });
    on('cancelled', () => this.#phase(BattlePhase.CANCELLED));
  }

  #phase(phase: BattlePhase): void {
    this.store.set({ battle: { ...this.store.value.battle, phase } });
  }

  async #refresh(): Promise<void> {
    try {
      const battle = await this.#nimaora.battle(this.#battleId);
      this.#unlessClosed(() => this.store.set({ battle }));
      this.#lookForQuestions();
    } catch {
      // The next event brings it.
    }
  }

  /** Questions open with time, and the server tells nobody. */
  #lookForQuestions(): void {
    clearTimeout(this.#questionsTimer);
    const { battle, questions } = this.store.value;
    if (!this.#player || battle.phase !== BattlePhase.RUNNING || questions.length >= battle.questions) return;
    const again = () => {
      const delay = QUESTIONS_MS * (0.7 + 0.6 * Math.random());
      this.#unlessClosed(() => {
        this.#questionsTimer = setTimeout(() => this.#lookForQuestions(), delay);
      });
    };
    this.#nimaora.questions(battle.id).then((found) => {
      this.store.set({ questions: found });
      again();
    }, again);
  }

  /** Who is not among the top asks where it is, now and then. */
  #lookAtRank(): void {
    const { board, session } = this.store.value;
    if (!board || !session || this.#rankTimer) return;
    if (board.lines.some(({ participantId }) => participantId === session.participantId)) {
      if (this.store.value.near.length > 0) this.store.set({ near: [] });
      return;
    }
    this.#rankTimer = setTimeout(() => {
      this.#rankTimer = undefined;
      this.#player?.around(2).then(
        ({ entries }) => this.store.set({ near: entries }),
        () => undefined,
      );
    }, RANK_MS);
  }

  #answered(questionId: number, state: kept.Answer['state'], attempts: number, text?: string): void {
    const { tried = [] } = this.store.value.answers[questionId] ?? {};
    const now = { state, attempts, tried: state === 'wrong' && text !== undefined ? [...tried, text] : tried };
    const answers = { ...this.store.value.answers, [questionId]: now };
    this.store.set({ answers });
    kept.keepAnswers(this.#battleId, answers);
  }

  #unlessClosed(what: () => void): void {
    if (!this.#closed) what();
  }
}

const CLOSED: ReadonlySet<string> = new Set(['ANSWER_LATE', 'ATTEMPTS_EXHAUSTED']);

function stateOf(verdict: Verdict, last: boolean): kept.Answer['state'] {
  if (verdict === Verdict.CORRECT) return 'right';
  if (verdict === Verdict.PENDING) return 'pending';
  return last ? 'closed' : 'wrong';
}
