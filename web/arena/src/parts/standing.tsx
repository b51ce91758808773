// What the player holds, and how the connection is.

import type { Holdings, Link } from '@nimaora/client';
import { say } from '../say.js';
import { Icon } from './icons.js';

export function Standing({
  holdings,
  username,
}: {
  readonly holdings: Holdings | undefined;
  readonly username: string;
}) {
  const { points = 0, arrows = 0, shields = 0 } = holdings ?? {};
  return (
    <section class="standing card" aria-label={`What ${username} holds`}>
      <Figure name="Points" value={points} icon="points" known={holdings !== undefined} />
      <Figure name="Arrows" value={arrows} icon="arrow" known={holdings !== undefined} />
      <Figure name="Shields" value={shields} icon="shield" known={holdings !== undefined} />
    </section>
  );
}

function Figure(props: {
  readonly name: string;
  readonly value: number;
  readonly icon: 'points' | 'arrow' | 'shield';
  readonly known: boolean;
}) {
  const { name, value, icon, known } = props;
  return (
    <div class={`figure ${name.toLowerCase()}`}>
      <Icon name={icon} />
      <strong>{known ? value : '–'}</strong>
      <span class="label">{name}</span>
    </div>
  );
}

const LINKS: Readonly<Record<Link, string>> = {
  connecting: 'Connecting …',
  online: 'Connected',
  reconnecting: 'Connection lost. Reconnecting …',
  closed: 'Not connected',
};

export function LinkSign({ link }: { readonly link: Link }) {
  return (
    <span class={`link ${link}`} role="status">
      <span class="dot" aria-hidden="true" />
      <span class="words">{LINKS[link]}</span>
    </span>
  );
}

export function OnlineSign({ count }: { readonly count: number }) {
  return <span class="online">{say.count(count, 'player')} online</span>;
}
