// What is around every page.

import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { hrefOf } from '../route.js';

export function Frame({
  children,
  title,
  aside,
  wide = false,
}: {
  readonly children: ComponentChildren;
  /** What the window's tab says. */
  readonly title?: string;
  readonly aside?: ComponentChildren;
  readonly wide?: boolean;
}) {
  useEffect(() => {
    document.title = title ? `${title} · Nimaora` : 'Nimaora';
  }, [title]);
  return (
    <div class={wide ? 'frame wide' : 'frame'}>
      <header class="top">
        <a class="logo" href={hrefOf({ page: 'home' })} aria-label="Nimaora, all battles">
          <Mark />
          Nimaora
        </a>
        <div class="aside">{aside}</div>
      </header>
      <main>{children}</main>
    </div>
  );
}

function Mark() {
  return (
    <svg viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <rect width="32" height="32" rx="9" fill="currentColor" />
      <path
        d="M9 23V9l14 14V9"
        fill="none"
        stroke="var(--card)"
        stroke-width="3.2"
        stroke-linejoin="round"
        stroke-linecap="round"
      />
    </svg>
  );
}
