// The board. Lines move to their new places, and a score that changes shows which way.

import type { BoardLine } from '@nimaora/client';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { say } from '../say.js';
import { Icon } from './icons.js';

/** How long a line takes to its new place, in milliseconds. */
const MOVE_MS = 450;

/** How long it takes to aim at somebody again, in milliseconds: a double click spends one arrow. */
const AIM_MS = 400;

interface Props {
  readonly lines: readonly BoardLine[];
  /** Lines further down, shown below a gap. */
  readonly near?: readonly BoardLine[];
  readonly total: number;
  /** Whose line is the player's own. */
  readonly self?: string | undefined;
  /** What the button on a line does; without it there are no buttons. */
  readonly onAttack?: ((line: BoardLine) => Promise<void>) | undefined;
  /** Whether the player has an arrow. */
  readonly armed?: boolean;
}

export function Board({ lines, near = [], total, self, onAttack, armed = false }: Props) {
  const list = useMovingLines();
  const top = new Set(lines.map(({ participantId }) => participantId));
  const below = near.filter(({ participantId }) => !top.has(participantId));
  const most = Math.max(1, ...lines.map(({ points }) => points));
  const line = (entry: BoardLine) => (
    <Line
      key={entry.participantId}
      entry={entry}
      share={entry.points / most}
      own={entry.participantId === self}
      onAttack={onAttack}
      armed={armed}
    />
  );
  if (lines.length === 0) return <p class="quiet">Nobody has joined yet.</p>;
  return (
    <>
      <ol class="board" ref={list}>
        {lines.map(line)}
        {below.length > 0 && (
          <li class="gap" key="gap" aria-hidden="true">
            ⋯
          </li>
        )}
        {below.map(line)}
      </ol>
      {total > lines.length && (
        <p class="quiet">
          {lines.length} of {say.count(total, 'player')}
        </p>
      )}
    </>
  );
}

interface LineProps {
  readonly entry: BoardLine;
  /** The score as a part of the best one. */
  readonly share: number;
  readonly own: boolean;
  readonly onAttack: ((line: BoardLine) => Promise<void>) | undefined;
  readonly armed: boolean;
}

function Line({ entry, share, own, onAttack, armed }: LineProps) {
  const { rank, username, points, participantId } = entry;
  const row = useRef<HTMLLIElement>(null);
  const [busy, setBusy] = useState(false);
  const attack = async () => {
    if (busy) return;
    setBusy(true);
    await Promise.all([onAttack?.(entry), new Promise((resolve) => setTimeout(resolve, AIM_MS))]);
    setBusy(false);
  };
  const before = useRef(points);
  useLayoutEffect(() => {
    const change = points - before.current;
    before.current = points;
    if (change !== 0) flash(row.current, change > 0 ? 'up' : 'down');
  }, [points]);
  return (
    <li ref={row} class={own ? 'line own' : 'line'} data-id={participantId}>
      <span class="bar" style={{ transform: `scaleX(${share})` }} aria-hidden="true" />
      <span class={`rank rank-${rank}`}>{rank}</span>
      <span class="name">
        <bdi>{username}</bdi>
        {own && <span class="you"> you</span>}
      </span>
      <span class="points">{say.number(points)}</span>
      {onAttack && !own && (
        <button
          type="button"
          class="attack"
          disabled={!armed || points === 0}
          aria-disabled={busy}
          onClick={() => void attack()}
          aria-label={`Attack ${say.named(username)}`}
        >
          <Icon name="arrow" /> <span class="words">Attack</span>
        </button>
      )}
      {onAttack && own && (
        // The scores stand one below the other.
        <span class="attack nobody" aria-hidden="true">
          <Icon name="arrow" /> <span class="words">Attack</span>
        </span>
      )}
    </li>
  );
}

function flash(row: HTMLElement | null, name: 'up' | 'down'): void {
  if (!row) return;
  row.classList.remove('up', 'down');
  // A class that comes back is animated anew only when the layout was looked at in between.
  void row.offsetWidth;
  row.classList.add(name);
}

/** Lets the lines of a list glide from where they were to where they are. The line whose button has the focus keeps it. */
function useMovingLines() {
  const list = useRef<HTMLOListElement>(null);
  useKeptFocus(list);
  const places = useRef(new Map<string, number>());
  useLayoutEffect(() => {
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    const now = new Map<string, number>();
    for (const row of list.current?.children ?? []) {
      const { id } = (row as HTMLElement).dataset;
      if (!id) continue;
      const place = (row as HTMLElement).offsetTop;
      now.set(id, place);
      const before = places.current.get(id);
      if (calm || before === place) continue;
      const from =
        before === undefined
          ? { opacity: 0, transform: 'translateY(8px)' }
          : { transform: `translateY(${before - place}px)` };
      row.animate([from, { transform: 'none' }], { duration: MOVE_MS, easing: 'cubic-bezier(.2,.7,.2,1)' });
    }
    places.current = now;
  });
  return list;
}

/** A browser takes the focus from what is moved in the page; here it is given back. */
function useKeptFocus(list: { readonly current: HTMLElement | null }) {
  const held = useRef<string | undefined>(undefined);
  useEffect(() => {
    const follow = ({ target }: Event) => {
      const line = target instanceof Element ? target.closest<HTMLElement>('[data-id]') : null;
      held.current = line && list.current?.contains(line) ? line.dataset.id : undefined;
    };
    const events = ['focusin', 'pointerdown'];
    for (const name of events) document.addEventListener(name, follow);
    return () => {
      for (const name of events) document.removeEventListener(name, follow);
    };
  }, [list]);
  useLayoutEffect(() => {
    if (!held.current || document.activeElement !== document.body) return;
    const line = list.current?.querySelector(`[data-id="${CSS.escape(held.current)}"]`);
    line?.querySelector('button')?.focus({ preventScroll: true });
  });
}
