// A battle that has to be fetched before a page can show it.

import { type Battle, type Nimaora, NimaoraError } from '@nimaora/client';
import { useEffect, useState } from 'preact/hooks';
import { hrefOf } from '../route.js';
import { say } from '../say.js';
import { Frame } from './frame.js';

export type Loaded = { readonly battle: Battle } | { readonly error: NimaoraError } | undefined;

export function useBattle(nimaora: Nimaora, name: string): [Loaded, () => void] {
  const [loaded, setLoaded] = useState<Loaded>();
  const [round, setRound] = useState(0);
  useEffect(() => {
    let wanted = true;
    setLoaded(undefined);
    nimaora.battle(name).then(
      (battle) => wanted && setLoaded({ battle }),
      (error: unknown) => wanted && setLoaded({ error: NimaoraError.from(error) }),
    );
    return () => {
      wanted = false;
    };
  }, [nimaora, name, round]);
  return [loaded, () => setRound((count) => count + 1)];
}

export function Loading({ loaded, again }: { readonly loaded: Loaded; readonly again: () => void }) {
  return (
    <Frame>
      <div class="card narrow">
        {loaded && 'error' in loaded ? (
          <>
            <p role="alert">{say.error(loaded.error)}</p>
            <p class="row">
              <button type="button" class="primary" onClick={again}>
                Try again
              </button>
              <a href={hrefOf({ page: 'home' })}>All battles</a>
            </p>
          </>
        ) : (
          <p class="quiet">Loading …</p>
        )}
      </div>
    </Frame>
  );
}
