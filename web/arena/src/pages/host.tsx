// Makes a battle. It takes the admin token, which lies beside the server's files.

import { type Nimaora, NimaoraError } from '@nimaora/client';
import { useState } from 'preact/hooks';
import { keepAdminToken, keptAdminToken } from '../kept.js';
import { Frame } from '../parts/frame.js';
import { battleOf, type Draft, EXAMPLES, SECONDS_EACH_MAX } from '../quiz.js';
import { go } from '../route.js';
import { say } from '../say.js';

export function HostPage({ nimaora }: { readonly nimaora: Nimaora }) {
  const [token, setToken] = useState(keptAdminToken());
  const [title, setTitle] = useState('Friday night');
  const [drafts, setDrafts] = useState<readonly Draft[]>(EXAMPLES);
  const [seconds, setSeconds] = useState('0');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  const change = (draft: Draft) => setDrafts(drafts.map((old) => (old.id === draft.id ? draft : old)));
  const add = () => {
    const id = Math.max(0, ...drafts.map((draft) => draft.id)) + 1;
    setDrafts([...drafts, { id, kind: 'text', prompt: '', choices: '', right: '' }]);
  };
  const create = async () => {
    setBusy(true);
    setError(undefined);
    try {
      const created = await nimaora.host(token.trim()).createBattle(battleOf(title, drafts, Number(seconds)));
      // The page that comes next asks for the battle; by then it is known.
      await nimaora.battle(created.battleId, created.position);
      keepAdminToken(token.trim());
      go({ page: 'watch', battle: created.joinCode });
    } catch (thrown) {
      setError(say.error(NimaoraError.from(thrown)));
      setBusy(false);
    }
  };
  return (
    <Frame title="Host a battle">
      <form
        class="host"
        onSubmit={(event) => {
          event.preventDefault();
          void create();
        }}
      >
        <h1>Host a battle</h1>
        <div class="card fields">
          <label for="title">Title</label>
          <input
            id="title"
            value={title}
            maxLength={200}
            required
            onInput={(event) => setTitle(event.currentTarget.value)}
          />
          <label for="token">Admin token</label>
          <input
            id="token"
            type="password"
            value={token}
            required
            autocomplete="off"
            aria-describedby="token-help"
            onInput={(event) => setToken(event.currentTarget.value)}
          />
          <p id="token-help" class="quiet small">
            It is in the file <code>admin-token</code> of the server's data folder, and stays in this window.
          </p>
        </div>
        <h2>Questions</h2>
        <div class="card fields">
          <label for="seconds">Seconds for each question</label>
          <input
            id="seconds"
            type="number"
            min={0}
            max={SECONDS_EACH_MAX}
            value={seconds}
            required
            aria-describedby="seconds-help"
            onInput={(event) => setSeconds(event.currentTarget.value)}
          />
          <p id="seconds-help" class="quiet small">
            They come one after the other then. With 0 all are open as long as the battle runs.
          </p>
        </div>
        {drafts.map((draft, index) => (
          <DraftFields
            key={draft.id}
            number={index + 1}
            draft={draft}
            onChange={change}
            onRemove={() => setDrafts(drafts.filter(({ id }) => id !== draft.id))}
          />
        ))}
        <p class="row">
          <button type="button" onClick={add}>
            Add a question
          </button>
          <button type="submit" class="primary" disabled={busy}>
            Create the battle
          </button>
        </p>
        {error && (
          <p class="error" role="alert">
            {error}
          </p>
        )}
      </form>
    </Frame>
  );
}

function DraftFields(props: {
  readonly number: number;
  readonly draft: Draft;
  readonly onChange: (draft: Draft) => void;
  readonly onRemove: () => void;
}) {
  const { number, draft, onChange, onRemove } = props;
  const id = (what: string) => `${what}-${draft.id}`;
  return (
    <fieldset class="card fields">
      <legend>Question {number}</legend>
      <label for={id('kind')}>Kind</label>
      <select
        id={id('kind')}
        value={draft.kind}
        onChange={(event) => onChange({ ...draft, kind: event.currentTarget.value as Draft['kind'] })}
      >
        <option value="choice">Choice</option>
        <option value="text">Text</option>
        <option value="number">Number</option>
      </select>
      <label for={id('prompt')}>What the players read</label>
      <input
        id={id('prompt')}
        value={draft.prompt}
        required
        onInput={(event) => onChange({ ...draft, prompt: event.currentTarget.value })}
      />
      {draft.kind === 'choice' && (
        <>
          <label for={id('choices')}>Choices, one in each line</label>
          <textarea
            id={id('choices')}
            rows={3}
            value={draft.choices}
            onInput={(event) => onChange({ ...draft, choices: event.currentTarget.value })}
          />
        </>
      )}
      <label for={id('right')}>{draft.kind === 'choice' ? 'Number of the right choice' : 'Right answer'}</label>
      <input
        id={id('right')}
        value={draft.right}
        required
        onInput={(event) => onChange({ ...draft, right: event.currentTarget.value })}
      />
      <p class="row">
        <button type="button" class="plain" onClick={onRemove} aria-label={`Remove question ${number}`}>
          Remove
        </button>
      </p>
    </fieldset>
  );
}
