// Pictures of what one holds. They are drawn here, because no font on every machine has them.

const PATHS = {
  rank: 'M5 20v-6h4v6zM10 20V6h4v14zM15 20v-9h4v9z',
  points: 'M12 3l7 9-7 9-7-9z',
  arrow: 'M4.5 19.5L15 9M21 3l-8.5 3 5.5 5.5zM8 16H4M8 16v4',
  shield: 'M12 3l7 2.5v6c0 4.6-3 7.8-7 9.5-4-1.7-7-4.9-7-9.5v-6z',
  rise: 'M5 15l7-7 7 7',
  fall: 'M5 9l7 7 7-7',
} as const;

export function Icon({ name }: { readonly name: keyof typeof PATHS }) {
  return (
    <svg class={`icon icon-${name}`} viewBox="0 0 24 24" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}
