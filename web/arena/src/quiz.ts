// The questions of a host's form, and what the server is asked to make of them.

import { type NewBattle, QuestionKind } from '@nimaora/client';

/** A question as it is written in the form. */
export interface Draft {
  readonly id: number;
  readonly kind: 'choice' | 'text' | 'number';
  readonly prompt: string;
  /** One in each line, for a choice. */
  readonly choices: string;
  /** For a choice its number from 1. */
  readonly right: string;
}

export const EXAMPLES: readonly Draft[] = [
  { id: 1, kind: 'choice', prompt: 'Which planet is nearest to the sun?', choices: 'Venus\nMercury\nMars', right: '2' },
  { id: 2, kind: 'number', prompt: 'How many bits has a byte?', choices: '', right: '8' },
  { id: 3, kind: 'text', prompt: 'Who wrote the first program for a machine, Ada …?', choices: '', right: 'Lovelace' },
];

const KINDS = { choice: QuestionKind.CHOICE, text: QuestionKind.TEXT, number: QuestionKind.NUMBER } as const;

/** What a right answer earns, and what everybody begins with. */
const REWARD = { points: 10, arrows: 1 };
const INITIAL = { points: 20, arrows: 1 };
const POINTS_PER_ATTACK = 5;
const ATTEMPTS_MAX = 2;
/** Each so-many-th question earns a shield too. */
const SHIELD_EACH = 3;

/** The longest time for a question that the form takes, in seconds. */
export const SECONDS_EACH_MAX = 3_600;

/** With `secondsEach` above 0 the questions come one after the other, each for so long; else all are open as long as the battle runs. */
export function battleOf(title: string, drafts: readonly Draft[], secondsEach = 0): NewBattle {
  const eachMs = BigInt(Math.round(secondsEach * 1_000));
  return {
    title,
    rules: { initial: INITIAL, pointsPerAttack: POINTS_PER_ATTACK },
    questions: drafts.map((draft, index) => ({
      kind: KINDS[draft.kind],
      prompt: draft.prompt.trim(),
      choices: draft.kind === 'choice' ? linesOf(draft.choices) : [],
      acceptedAnswers: [draft.right.trim()],
      reward: { ...REWARD, shields: index % SHIELD_EACH === 0 ? 1 : 0 },
      attemptsMax: ATTEMPTS_MAX,
      opensAfterMs: eachMs * BigInt(index),
      answeringTimeMs: eachMs,
    })),
  };
}

export function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
