// A battle on a big screen: the board, and who rises and falls.

import { type Battle, BattlePhase, type Link, type Nimaora, type Board as Standings } from '@nimaora/client';
import { useEffect, useState } from 'preact/hooks';
import { type Move, movesBetween } from '../moves.js';
import { Board } from '../parts/board.js';
import { Frame } from '../parts/frame.js';
import { HostControls } from '../parts/host-controls.js';
import { Loading, useBattle } from '../parts/load.js';
import { LinkSign } from '../parts/standing.js';
import { say } from '../say.js';

/** Lines of the feed. */
const FEED_MAX = 14;

export function WatchPage({ nimaora, name }: { readonly nimaora: Nimaora; readonly name: string }) {
  const [loaded, again] = useBattle(nimaora, name);
  if (!loaded || 'error' in loaded) return <Loading loaded={loaded} again={again} />;
  return <Watch key={loaded.battle.id} nimaora={nimaora} first={loaded.battle} />;
}

function Watch({ nimaora, first }: { readonly nimaora: Nimaora; readonly first: Battle }) {
  const [battle, setBattle] = useState(first);
  const [link, setLink] = useState<Link>('connecting');
  const [board, setBoard] = useState<Standings>();
  const [feed, setFeed] = useState<readonly Move[]>([]);
  useEffect(() => {
    const realtime = nimaora.watch(first.id);
    let before: Standings | undefined;
    const refresh = () => nimaora.battle(first.id).then(setBattle, () => undefined);
    realtime.on('link', (now) => {
      setLink(now);
      if (now === 'online') void refresh();
    });
    realtime.on('board', (now) => {
      const moves = before ? movesBetween(before, now) : [];
      before = now;
      setBoard(now);
      if (moves.length > 0) setFeed((feed) => [...moves, ...feed].slice(0, FEED_MAX));
    });
    realtime.on('started', () => void refresh());
    realtime.on('finished', () => setBattle((battle) => ({ ...battle, phase: BattlePhase.FINISHED })));
    realtime.on('cancelled', () => setBattle((battle) => ({ ...battle, phase: BattlePhase.CANCELLED })));
    return () => realtime.close();
  }, [nimaora, first.id]);
  return (
    <Frame wide aside={<LinkSign link={link} />}>
      <div class="battle-head stage">
        <h1>{battle.title}</h1>
        <span class={`phase phase-${BattlePhase[battle.phase].toLowerCase()}`}>{say.phase(battle.phase)}</span>
        <p class="code">
          Join with <strong>{battle.joinCode}</strong>
        </p>
      </div>
      <HostControls nimaora={nimaora} battle={battle} onChange={setBattle} />
      <div class="arena watching">
        <section class="card board-card big" aria-label="Leaderboard">
          <Board lines={board?.lines ?? []} total={board?.total ?? 0} />
        </section>
        <section class="card feed" aria-labelledby="feed-title">
          <h2 id="feed-title">As it happens</h2>
          <ol>
            {feed.map((move) => (
              <li key={move.key} class={move.change > 0 ? 'rise' : 'fall'}>
                <span class="sign" aria-hidden="true">
                  {move.change > 0 ? '▲' : '➹'}
                </span>
                <span>{move.text}</span>
              </li>
            ))}
          </ol>
          {feed.length === 0 && <p class="quiet">Nothing yet.</p>}
        </section>
      </div>
    </Frame>
  );
}
