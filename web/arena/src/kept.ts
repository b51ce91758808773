// What the browser keeps of a battle between visits: who one is, what one has answered, which alert was the last.

import { readSession, type Session, writeSession } from '@nimaora/client';

/** How a question stands for this player. */
export interface Answer {
  readonly state: 'right' | 'wrong' | 'pending' | 'closed';
  readonly attempts: number;
  /** The choices that were wrong, by their numbers. */
  readonly tried?: readonly string[];
}

export type Answers = Readonly<Record<number, Answer>>;

const key = (battleId: string, what: string) => `nimaora.${battleId}.${what}`;

/** A browser may refuse to keep anything; then a visit ends with its page. */
function write(name: string, value: string): void {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Nothing is kept.
  }
}

function read(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

export function keepSession(session: Session): void {
  write(key(session.battleId, 'session'), writeSession(session));
}

export function keptSession(battleId: string): Session | undefined {
  return readSession(read(key(battleId, 'session')));
}

export function forget(battleId: string): void {
  try {
    for (const what of ['session', 'answers', 'alert']) localStorage.removeItem(key(battleId, what));
  } catch {
    // Nothing was kept.
  }
}

export function keepAnswers(battleId: string, answers: Answers): void {
  write(key(battleId, 'answers'), JSON.stringify(answers));
}

export function keptAnswers(battleId: string): Answers {
  try {
    return (JSON.parse(read(key(battleId, 'answers')) ?? '{}') ?? {}) as Answers;
  } catch {
    return {};
  }
}

export function keepLastAlert(battleId: string, position: bigint): void {
  // Another window may have heard a later one.
  if (position > (keptLastAlert(battleId) ?? -1n)) write(key(battleId, 'alert'), position.toString());
}

export function keptLastAlert(battleId: string): bigint | undefined {
  const text = read(key(battleId, 'alert'));
  return text && /^\d+$/.test(text) ? BigInt(text) : undefined;
}

/** What another window has changed of this battle, where that matters here. */
export function changedElsewhere({ key: name }: StorageEvent, battleId: string): 'session' | 'answers' | undefined {
  if (name === key(battleId, 'session')) return 'session';
  return name === key(battleId, 'answers') ? 'answers' : undefined;
}

/** The name under which somebody has joined last. */
export function keepName(name: string): void {
  write('nimaora.name', name);
}

export function keptName(): string {
  return read('nimaora.name') ?? '';
}

/** The admin token is kept as long as the window is open. */
export function keepAdminToken(token: string): void {
  try {
    sessionStorage.setItem('nimaora.admin', token);
  } catch {
    // It is asked for again.
  }
}

export function keptAdminToken(): string {
  try {
    return sessionStorage.getItem('nimaora.admin') ?? '';
  } catch {
    return '';
  }
}
