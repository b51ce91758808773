// The questions: one at a time, and a row of numbers to go to another.

import { type Question, QuestionKind } from '@nimaora/client';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Answer, Answers } from '../kept.js';
import { say } from '../say.js';

interface Props {
  readonly questions: readonly Question[];
  /** How many there are in all. */
  readonly total: number;
  readonly answers: Answers;
  readonly onAnswer: (questionId: number, answer: string) => Promise<void>;
}

const DONE: ReadonlySet<string> = new Set(['right', 'closed', 'pending']);

export function Questions({ questions, total, answers, onAnswer }: Props) {
  const [picked, pick] = useState<number>();
  const open = questions.filter(({ id }) => !DONE.has(answers[id]?.state ?? ''));
  const current = questions.find(({ id }) => id === picked) ?? open[0];
  const answer = async (question: Question, text: string) => {
    pick(question.id);
    await onAnswer(question.id, text);
    pick(undefined);
  };
  return (
    <section class="card questions" aria-labelledby="questions-title">
      <header>
        <h2 id="questions-title">Questions</h2>
        <nav aria-label="All questions" class="chips">
          {Array.from({ length: total }, (_, index) => index + 1).map((id) => (
            <Chip
              key={id}
              id={id}
              open={questions.some((question) => question.id === id)}
              answer={answers[id]}
              current={current?.id === id}
              onPick={() => pick(id)}
            />
          ))}
        </nav>
      </header>
      {current ? (
        <Asked key={current.id} question={current} answer={answers[current.id]} onAnswer={answer} />
      ) : (
        <p class="quiet">
          {questions.length < total
            ? 'The next question is on its way.'
            : 'That was the last question. Spend your arrows!'}
        </p>
      )}
    </section>
  );
}

interface ChipProps {
  readonly id: number;
  readonly open: boolean;
  readonly answer: Answer | undefined;
  readonly current: boolean;
  readonly onPick: () => void;
}

const WORDS: Readonly<Record<string, string>> = {
  right: 'right',
  wrong: 'wrong, may be tried again',
  pending: 'waiting for the judge',
  closed: 'closed',
};
const MARKS: Readonly<Record<string, string>> = { right: '✓', pending: '…', closed: '✕' };

function Chip({ id, open, answer, current, onPick }: ChipProps) {
  const state = answer?.state ?? (open ? 'open' : 'locked');
  return (
    <button
      type="button"
      class={`chip ${state}`}
      disabled={!open}
      aria-current={current ? 'true' : undefined}
      aria-label={`Question ${id}, ${WORDS[state] ?? (open ? 'open' : 'not open yet')}`}
      onClick={onPick}
    >
      {MARKS[state] ?? id}
    </button>
  );
}

interface AskedProps {
  readonly question: Question;
  readonly answer: Answer | undefined;
  readonly onAnswer: (question: Question, answer: string) => Promise<void>;
}

function Asked({ question, answer, onAnswer }: AskedProps) {
  const [busy, setBusy] = useState(false);
  const done = DONE.has(answer?.state ?? '');
  const left = question.attemptsMax - (answer?.attempts ?? 0);
  const send = async (text: string) => {
    if (busy || text.trim() === '') return;
    setBusy(true);
    await onAnswer(question, text);
    setBusy(false);
  };
  return (
    <div class="asked">
      <p class="prompt" id={`prompt-${question.id}`}>
        {question.prompt}
      </p>
      {done ? (
        <p class="quiet">{WORDS[answer?.state ?? '']}</p>
      ) : question.kind === QuestionKind.CHOICE ? (
        <Choices question={question} busy={busy} onPick={(number) => send(String(number))} />
      ) : (
        <Written question={question} busy={busy} onSend={send} />
      )}
      <p class="quiet small">
        {question.reward && say.earned(question.reward)}
        {!done && question.attemptsMax > 1 && ` · ${say.count(left, 'attempt')} left`}
      </p>
    </div>
  );
}

function Choices({
  question,
  busy,
  onPick,
}: {
  readonly question: Question;
  readonly busy: boolean;
  readonly onPick: (number: number) => void;
}) {
  return (
    <div class="choices" role="group" aria-labelledby={`prompt-${question.id}`}>
      {question.choices.map((choice, index) => (
        <button type="button" key={choice} disabled={busy} onClick={() => onPick(index + 1)}>
          <span class="letter" aria-hidden="true">
            {String.fromCharCode(65 + index)}
          </span>
          {choice}
        </button>
      ))}
    </div>
  );
}

function Written({
  question,
  busy,
  onSend,
}: {
  readonly question: Question;
  readonly busy: boolean;
  readonly onSend: (text: string) => void;
}) {
  const [text, setText] = useState('');
  const field = useRef<HTMLInputElement & HTMLTextAreaElement>(null);
  const long = question.kind === QuestionKind.EXTERNAL;
  useEffect(() => {
    // On a phone the keyboard would cover what one has not read yet.
    if (matchMedia('(pointer: fine)').matches) field.current?.focus({ preventScroll: true });
  }, []);
  const shared = {
    ref: field,
    value: text,
    'aria-labelledby': `prompt-${question.id}`,
    onInput: (event: { currentTarget: { value: string } }) => setText(event.currentTarget.value),
  };
  return (
    <form
      class="written"
      onSubmit={(event) => {
        event.preventDefault();
        onSend(text);
      }}
    >
      {long ? (
        <textarea {...shared} rows={4} spellcheck={false} />
      ) : (
        <input
          {...shared}
          type="text"
          inputMode={question.kind === QuestionKind.NUMBER ? 'decimal' : 'text'}
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
        />
      )}
      <button type="submit" class="primary" disabled={busy || text.trim() === ''}>
        Answer
      </button>
    </form>
  );
}
