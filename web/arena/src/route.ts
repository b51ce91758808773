// Which page is shown. The address behind the # names it, so that one file on the server is all pages.

import { useEffect, useState } from 'preact/hooks';

export type Route =
  | { readonly page: 'home' }
  | { readonly page: 'host' }
  | { readonly page: 'battle'; readonly battle: string }
  | { readonly page: 'watch'; readonly battle: string };

/** The page that an address names; home for whatever is not known. */
export function parseRoute(hash: string): Route {
  const [page, battle] = hash
    .replace(/^#?\/?/, '')
    .split('/')
    .map(decode);
  if (page === 'host') return { page };
  if ((page === 'battle' || page === 'watch') && battle) return { page, battle };
  return { page: 'home' };
}

/** The address of a page. */
export function hrefOf(route: Route): string {
  if (route.page === 'home') return '#/';
  if (route.page === 'host') return '#/host';
  return `#/${route.page}/${encodeURIComponent(route.battle)}`;
}

export function go(route: Route): void {
  location.hash = hrefOf(route);
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parseRoute(location.hash));
  useEffect(() => {
    const follow = () => setRoute(parseRoute(location.hash));
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  return route;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return '';
  }
}
