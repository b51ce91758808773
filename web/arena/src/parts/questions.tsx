// The questions: one at a time, and a row of numbers to go to another.

import { type Question, QuestionKind } from '@nimaora/client';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Answer, Answers } from '../kept.js';
import { say } from '../say.js';
import { Countdown, useTime } from './countdown.js';

interface Props {
  readonly questions: readonly Question[];
  /** How many there are in all. */
  readonly total: number;
  readonly answers: Answers;
  /** Until when a question takes answers, where that is set. */
  readonly closesAt: (question: Question) => number | undefined;
  /** The server's time. */
  readonly now: () => number;
  readonly onAnswer: (questionId: number, answer: string) => Promise<void>;
}

const DONE: ReadonlySet<string> = new Set(['right', 'closed', 'pending']);

export function Questions({ questions, total, answers: given, closesAt, now, onAnswer }: Props) {
  const [picked, pick] = useState<number>();
  const card = useRef<HTMLElement>(null);
  const answered = useRef(false);
  const answers = withClosed(questions, given, closesAt, now);
  const open = questions.filter(({ id }) => !DONE.has(answers[id]?.state ?? ''));
  const current = questions.find(({ id }) => id === picked) ?? open[0];
  const closes = current && !DONE.has(answers[current.id]?.state ?? '') ? closesAt(current) : undefined;
  // Whichever question closes next: its number shows it too.
  const closings = open.map(closesAt).filter((at) => at !== undefined);
  useTime(closings.length === 0 ? undefined : Math.min(...closings) + CLOSED_AFTER_MS, now);
  const answer = async (question: Question, text: string) => {
    pick(question.id);
    await onAnswer(question.id, text);
    answered.current = true;
    pick(undefined);
  };
  // Who answers by keyboard goes on from the next question, and not from the top of the page.
  useLayoutEffect(() => {
    if (answered.current && document.activeElement === document.body) {
      card.current?.querySelector<HTMLElement>('.prompt')?.focus({ preventScroll: true });
    }
    answered.current = false;
  }, [current?.id]);
  return (
    <section class="card questions" aria-labelledby="questions-title" ref={card}>
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
        <Asked
          key={current.id}
          question={current}
          answer={answers[current.id]}
          closes={closes}
          now={now}
          onAnswer={answer}
        />
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

/** A question counts as closed so long after its time, in milliseconds: until then, the server may know better. */
const CLOSED_AFTER_MS = 1_000;

/** The answers, and that those which are still owed come too late where a question has closed. */
function withClosed(
  questions: readonly Question[],
  answers: Answers,
  closesAt: Props['closesAt'],
  now: Props['now'],
): Answers {
  const closed: Record<number, Answer> = {};
  for (const question of questions) {
    const answer = answers[question.id];
    const at = DONE.has(answer?.state ?? '') ? undefined : closesAt(question);
    if (at !== undefined && now() >= at + CLOSED_AFTER_MS) {
      closed[question.id] = { attempts: 0, ...answer, state: 'closed' };
    }
  }
  return { ...answers, ...closed };
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
  /** Until when it takes answers. */
  readonly closes: number | undefined;
  readonly now: () => number;
  readonly onAnswer: (question: Question, answer: string) => Promise<void>;
}

function Asked({ question, answer, closes, now, onAnswer }: AskedProps) {
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
      <p class="prompt" id={`prompt-${question.id}`} tabIndex={-1}>
        {question.prompt}
      </p>
      {done ? (
        <p class="quiet">{WORDS[answer?.state ?? '']}</p>
      ) : question.kind === QuestionKind.CHOICE ? (
        <Choices
          question={question}
          busy={busy}
          tried={answer?.tried ?? []}
          onPick={(number) => send(String(number))}
        />
      ) : (
        <Written question={question} busy={busy} onSend={send} />
      )}
      <p class="quiet small foot">
        <span>
          {question.reward && say.earned(question.reward)}
          {!done && question.attemptsMax > 1 && ` · ${say.count(left, 'attempt')} left`}
        </span>
        {closes !== undefined && <Countdown name="Time left" until={closes} now={now} />}
      </p>
    </div>
  );
}

/** How long choices take no clicks once they stand there, in milliseconds: the second half of a double click was meant for what stood
 * there before. */
const SETTLE_MS = 300;

function Choices({
  question,
  busy,
  tried,
  onPick,
}: {
  readonly question: Question;
  readonly busy: boolean;
  /** The numbers of those that were wrong. */
  readonly tried: readonly string[];
  readonly onPick: (number: number) => void;
}) {
  const [settled, setSettled] = useState(false);
  useEffect(() => {
    setSettled(false);
    const timer = setTimeout(() => setSettled(true), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [tried.length]);
  return (
    <div class="choices" role="group" aria-labelledby={`prompt-${question.id}`}>
      {question.choices.map((choice, index) => (
        <button
          type="button"
          key={choice}
          class={tried.includes(String(index + 1)) ? 'tried' : ''}
          disabled={busy || !settled || tried.includes(String(index + 1))}
          onClick={() => onPick(index + 1)}
        >
          <span class="letter" aria-hidden="true">
            {tried.includes(String(index + 1)) ? '✕' : String.fromCharCode(65 + index)}
          </span>
          <span dir="auto">{choice}</span>
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
