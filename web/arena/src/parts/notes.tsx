// What the player is told in passing.

import type { Note } from '../game.js';

export function Notes({ notes }: { readonly notes: readonly Note[] }) {
  return (
    <div class="notes" role="status" aria-live="polite">
      {notes.map(({ id, tone, text }) => (
        <p key={id} class={`note ${tone}`}>
          {text}
        </p>
      ))}
    </div>
  );
}
