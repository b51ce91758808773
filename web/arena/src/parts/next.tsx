// After a battle, the way to the next one.

import { type Battle, BattlePhase, type Nimaora } from '@nimaora/client';
import { useEffect, useState } from 'preact/hooks';
import { hrefOf } from '../route.js';

/** How often a newer battle is looked for, in milliseconds. */
const LOOK_MS = 3_000;

interface Props {
  readonly nimaora: Nimaora;
  readonly after: Battle;
  /** Whether one plays or watches the next one too. */
  readonly page: 'battle' | 'watch';
}

export function NextBattle({ nimaora, after, page }: Props) {
  const [next, setNext] = useState<Battle>();
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let wanted = true;
    const look = async () => {
      // The list is newest first; what comes before this battle is newer.
      const battles = await nimaora.battles(BattlePhase.UNSPECIFIED, 10).catch(() => []);
      const newer = battles.slice(
        0,
        Math.max(
          0,
          battles.findIndex(({ id }) => id === after.id),
        ),
      );
      const found = newer.find(({ phase }) => phase === BattlePhase.CREATED || phase === BattlePhase.RUNNING);
      if (!wanted) return;
      setNext(found);
      timer = setTimeout(look, LOOK_MS);
    };
    void look();
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [nimaora, after.id]);
  return (
    <p class="card next" role="status">
      {next ? (
        <a class="button primary" href={hrefOf({ page, battle: next.joinCode })}>
          {page === 'watch' ? 'Watch' : 'Join'} the next one: {next.title}
        </a>
      ) : (
        <a href={hrefOf({ page: 'home' })}>All battles</a>
      )}
    </p>
  );
}
