// A battle on a big screen: the board, and who rises and falls.

import { type Battle, BattlePhase, type Link, type Nimaora, type Board as Standings } from '@nimaora/client';
import { useCallback, useEffect, useState } from 'preact/hooks';
import { hits, type Line, scored } from '../feed.js';
import { Board } from '../parts/board.js';
import { Countdown } from '../parts/countdown.js';
import { Frame } from '../parts/frame.js';
import { HostControls } from '../parts/host-controls.js';
import { Icon } from '../parts/icons.js';
import { Loading, useBattle } from '../parts/load.js';
import { NextBattle } from '../parts/next.js';
import { LinkSign } from '../parts/standing.js';
import { say } from '../say.js';
import { nextOf } from '../times.js';

/** Lines of the feed. */
const FEED_MAX = 14;

const ICONS = { rise: 'rise', fall: 'arrow', held: 'shield' } as const;

export function WatchPage({ nimaora, name }: { readonly nimaora: Nimaora; readonly name: string }) {
  const [loaded, again] = useBattle(nimaora, name);
  if (!loaded || 'error' in loaded) return <Loading loaded={loaded} again={again} />;
  return <Watch key={loaded.battle.id} nimaora={nimaora} first={loaded.battle} />;
}

function Watch({ nimaora, first }: { readonly nimaora: Nimaora; readonly first: Battle }) {
  const [battle, setBattle] = useState(first);
  const [link, setLink] = useState<Link>('connecting');
  const [board, setBoard] = useState<Standings>();
  const [feed, setFeed] = useState<readonly Line[]>([]);
  useEffect(() => {
    const realtime = nimaora.watch(first.id, { attacks: true });
    const tell = (lines: readonly Line[]) => setFeed((feed) => [...lines, ...feed].slice(0, FEED_MAX));
    let before: Standings | undefined;
    const refresh = () => nimaora.battle(first.id).then(setBattle, () => undefined);
    realtime.on('link', (now) => {
      setLink(now);
      if (now === 'online') void refresh();
    });
    realtime.on('board', (now) => {
      setBoard(now);
      if (before) tell(scored(before, now));
      before = now;
    });
    realtime.on('landed', ({ attacks, leftOut }) => tell(hits(attacks, leftOut)));
    realtime.on('started', () => void refresh());
    realtime.on('finished', () => setBattle((battle) => ({ ...battle, phase: BattlePhase.FINISHED })));
    realtime.on('cancelled', () => setBattle((battle) => ({ ...battle, phase: BattlePhase.CANCELLED })));
    return () => realtime.close();
  }, [nimaora, first.id]);
  const now = useCallback(() => nimaora.serverNowMs, [nimaora]);
  const next = nextOf(battle);
  const over = battle.phase === BattlePhase.FINISHED || battle.phase === BattlePhase.CANCELLED;
  return (
    <Frame wide title={battle.title} aside={<LinkSign link={link} />}>
      <div class="battle-head stage">
        <h1>{battle.title}</h1>
        <span class={`phase phase-${BattlePhase[battle.phase].toLowerCase()}`}>{say.phase(battle.phase)}</span>
        {next && <Countdown name={next.name} until={next.at} now={now} />}
        {!over && (
          <p class="code">
            Join with <strong>{battle.joinCode}</strong>
          </p>
        )}
      </div>
      <HostControls nimaora={nimaora} battle={battle} onChange={setBattle} />
      <div class="arena watching">
        <section class="card board-card big" aria-label="Leaderboard">
          <Board lines={board?.lines ?? []} total={board?.total ?? 0} />
        </section>
        <section class="card feed" aria-labelledby="feed-title">
          <h2 id="feed-title">As it happens</h2>
          <ol>
            {feed.map(({ key, tone, text }) => (
              <li key={key} class={tone}>
                {tone !== 'more' && <Icon name={ICONS[tone]} />}
                <span>{text}</span>
              </li>
            ))}
          </ol>
          {feed.length === 0 && <p class="quiet">Nothing yet.</p>}
        </section>
      </div>
      {over && <NextBattle nimaora={nimaora} after={battle} page="watch" />}
    </Frame>
  );
}
