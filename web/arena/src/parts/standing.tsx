// What the player holds, and how the connection is.

import type { Holdings, Link, Online } from '@nimaora/client';
import { useEffect, useState } from 'preact/hooks';
import { say } from '../say.js';
import { Icon } from './icons.js';

interface Props {
  readonly holdings: Holdings | undefined;
  /** The place on the board, where it is known. */
  readonly rank: number | undefined;
  readonly username: string;
}

export function Standing({ holdings, rank, username }: Props) {
  return (
    <section class="standing card" aria-label={`What ${username} holds`}>
      <Figure name="Rank" value={rank} icon="rank" />
      <Figure name="Points" value={holdings?.points} icon="points" />
      <Figure name="Arrows" value={holdings?.arrows} icon="arrow" />
      <Figure name="Shields" value={holdings?.shields} icon="shield" />
    </section>
  );
}

function Figure(props: {
  readonly name: string;
  readonly value: number | undefined;
  readonly icon: 'rank' | 'points' | 'arrow' | 'shield';
}) {
  const { name, value, icon } = props;
  return (
    <div class={`figure figure-${name.toLowerCase()}`}>
      <Icon name={icon} />
      <strong>{value === undefined ? '–' : say.number(value)}</strong>
      <span class="label">{name}</span>
    </div>
  );
}

const LINKS: Readonly<Record<Link, string>> = {
  connecting: 'Connecting …',
  online: 'Connected',
  reconnecting: 'Reconnecting …',
  closed: 'Not connected',
};

export function LinkSign({ link }: { readonly link: Link }) {
  const offline = useOffline();
  return (
    <span class={`link ${offline ? 'reconnecting' : link}`} role="status">
      <span class="dot" aria-hidden="true" />
      <span class="words">{offline ? 'No network' : LINKS[link]}</span>
    </span>
  );
}

/** Whether the browser knows that it has no network; the socket takes some seconds longer to find out. */
function useOffline(): boolean {
  const [offline, setOffline] = useState(!navigator.onLine);
  useEffect(() => {
    const look = () => setOffline(!navigator.onLine);
    for (const name of ['online', 'offline']) addEventListener(name, look);
    return () => {
      for (const name of ['online', 'offline']) removeEventListener(name, look);
    };
  }, []);
  return offline;
}

/** Who is there: how many, and their names on demand. */
export function OnlineSign({ online }: { readonly online: Online }) {
  const { count, members } = online;
  const names = members.map(({ username }) => username).sort((a, b) => a.localeCompare(b));
  const more = count - names.length;
  return (
    <details class="online">
      <summary>{say.count(count, 'player')} online</summary>
      <ul class="card">
        {names.map((name) => (
          <li key={name} dir="auto">
            {name}
          </li>
        ))}
        {more > 0 && <li class="quiet">and {say.number(more)} more</li>}
      </ul>
    </details>
  );
}
