// The words for people.

import { type Alert, type Balance, BattlePhase, type NimaoraError } from '@nimaora/client';

const ERRORS: Readonly<Record<string, string>> = {
  ALREADY_ANSWERED: 'You have answered this one already.',
  ANSWER_LATE: 'Too late: the question is closed.',
  ATTEMPTS_EXHAUSTED: 'You have used all your attempts.',
  BATTLE_CANCELLED: 'The battle was called off.',
  BATTLE_FINISHED: 'The battle is over.',
  BATTLE_FULL: 'The battle is full.',
  BATTLE_NOT_STARTED: 'The battle has not started yet.',
  BATTLE_UNKNOWN: 'There is no such battle.',
  JOIN_CLOSED: 'The battle has started and takes nobody in any more.',
  NO_ARROWS: 'You have no arrows. Right answers earn them.',
  PARTICIPANT_LEFT: 'You have left this battle.',
  PARTICIPANT_REMOVED: 'You were taken out of this battle.',
  SESSION_REPLACED: 'You signed in elsewhere.',
  TARGET_IS_ATTACKER: 'You cannot attack yourself.',
  UNREACHABLE: 'The server cannot be reached. Nothing is lost; try again.',
  VERDICT_PENDING: 'The judge has not decided yet.',
};

const NUMBERS = new Intl.NumberFormat('en');
const count = (number: number, one: string, many = `${one}s`) =>
  `${NUMBERS.format(number)} ${number === 1 ? one : many}`;

const ORDINALS = new Intl.PluralRules('en', { type: 'ordinal' });
const ENDINGS: Partial<Record<Intl.LDMLPluralRule, string>> = { one: 'st', two: 'nd', few: 'rd' };

/** A letter of a script that is written from right to left. */
const RIGHT_TO_LEFT =
  /\p{Script=Arabic}|\p{Script=Hebrew}|\p{Script=Syriac}|\p{Script=Thaana}|\p{Script=Nko}|\p{Script=Adlam}/u;
/** A name within a sentence, so that its direction does not turn the words around it. */
const named = (name: string) => (RIGHT_TO_LEFT.test(name) ? `\u2068${name}\u2069` : name);

export const say = {
  count,
  named,

  number(number: number): string {
    return NUMBERS.format(number);
  },

  error(error: NimaoraError, target = 'Your target'): string {
    if (error.reason === 'TARGET_INACTIVE') return `${named(target)} is away and out of play.`;
    if (error.reason === 'TARGET_WITHOUT_POINTS') return `${named(target)} has no points to lose.`;
    if (error.reason === 'USERNAME_TAKEN') return 'Somebody has this name already. Choose another.';
    const violation = error.violations[0];
    if (violation) return `${violation.field}: ${violation.description}`;
    return ERRORS[error.reason] ?? error.message;
  },

  /** A place among so many. */
  place(rank: number, total: number): string {
    return `${NUMBERS.format(rank)}${ENDINGS[ORDINALS.select(rank)] ?? 'th'} of ${NUMBERS.format(total)}`;
  },

  earned({ points, shields, arrows }: Balance): string {
    const parts = [`+${count(points, 'point')}`];
    if (arrows > 0) parts.push(count(arrows, 'arrow'));
    if (shields > 0) parts.push(count(shields, 'shield'));
    return parts.join(', ');
  },

  attacked({ attacker }: Alert): string {
    return `You were attacked by ${named(attacker)}!`;
  },

  damage({ blocked, pointsLost }: Alert): string {
    return blocked ? 'Your shield held.' : `You lost ${count(pointsLost, 'point')}.`;
  },

  phase(phase: BattlePhase): string {
    switch (phase) {
      case BattlePhase.CREATED:
        return 'Waiting for the start';
      case BattlePhase.RUNNING:
        return 'Live';
      case BattlePhase.FINISHED:
        return 'Over';
      case BattlePhase.CANCELLED:
        return 'Called off';
      default:
        return '';
    }
  },
} as const;
