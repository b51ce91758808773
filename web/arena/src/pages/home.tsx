// The first page: join by code, or pick a battle.

import { type Battle, BattlePhase, type Nimaora, NimaoraError } from '@nimaora/client';
import { useEffect, useState } from 'preact/hooks';
import { Frame } from '../parts/frame.js';
import { go, hrefOf } from '../route.js';
import { say } from '../say.js';

/** How often the list is fetched, in milliseconds. */
const LIST_MS = 4_000;

export function Home({ nimaora }: { readonly nimaora: Nimaora }) {
  const [battles, setBattles] = useState<readonly Battle[]>();
  const [error, setError] = useState<string>();
  const [code, setCode] = useState('');
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let wanted = true;
    const look = async () => {
      try {
        const found = await nimaora.battles();
        if (wanted) setBattles(found);
        setError(undefined);
      } catch (thrown) {
        if (wanted) setError(say.error(NimaoraError.from(thrown)));
      }
      if (wanted) timer = setTimeout(look, LIST_MS);
    };
    void look();
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [nimaora]);
  return (
    <Frame aside={<a href={hrefOf({ page: 'host' })}>Host a battle</a>}>
      <div class="hero">
        <h1>Answer. Aim. Attack.</h1>
        <p>
          Right answers earn points, arrows and shields. Arrows take points from others. The board moves as you play.
        </p>
        <form
          class="join-code card"
          onSubmit={(event) => {
            event.preventDefault();
            if (code.trim()) go({ page: 'battle', battle: code.trim() });
          }}
        >
          <label for="code">Join code</label>
          <input
            id="code"
            value={code}
            onInput={(event) => setCode(event.currentTarget.value)}
            autocomplete="off"
            autocapitalize="characters"
            spellcheck={false}
            placeholder="as the host shows it"
          />
          <button type="submit" class="primary" disabled={code.trim() === ''}>
            Go
          </button>
        </form>
      </div>
      <section aria-labelledby="battles-title">
        <h2 id="battles-title">Battles</h2>
        {error && <p role="alert">{error}</p>}
        {battles && <Battles battles={battles} />}
      </section>
    </Frame>
  );
}

function Battles({ battles }: { readonly battles: readonly Battle[] }) {
  if (battles.length === 0) {
    return <p class="quiet">There is none yet. Host one, or wait for somebody who does.</p>;
  }
  return (
    <ul class="battles">
      {battles.map((battle) => (
        <li key={battle.id} class="card">
          <div>
            <a class="title" href={hrefOf({ page: 'battle', battle: battle.joinCode })}>
              {battle.title}
            </a>
            <p class="quiet small">
              {say.count(battle.participants, 'player')} · {say.count(battle.questions, 'question')} · {battle.joinCode}
            </p>
          </div>
          <span class={`phase phase-${BattlePhase[battle.phase].toLowerCase()}`}>{say.phase(battle.phase)}</span>
          <a
            class="watch"
            href={hrefOf({ page: 'watch', battle: battle.joinCode })}
            aria-label={`Watch ${battle.title}`}
          >
            Watch
          </a>
        </li>
      ))}
    </ul>
  );
}
