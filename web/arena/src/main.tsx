// The arena: one page that shows what its address names.

import { Nimaora } from '@nimaora/client';
import { render } from 'preact';
import { BattlePage } from './pages/battle.js';
import { Home } from './pages/home.js';
import { HostPage } from './pages/host.js';
import { WatchPage } from './pages/watch.js';
import { useRoute } from './route.js';

const nimaora = new Nimaora();

function Arena() {
  const route = useRoute();
  switch (route.page) {
    case 'home':
      return <Home nimaora={nimaora} />;
    case 'host':
      return <HostPage nimaora={nimaora} />;
    case 'battle':
      return <BattlePage nimaora={nimaora} name={route.battle} />;
    case 'watch':
      return <WatchPage nimaora={nimaora} name={route.battle} />;
  }
}

const root = document.getElementById('arena');
if (root) render(<Arena />, root);
