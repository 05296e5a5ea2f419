/** `840 MB`, `3.2 GB`: powers of ten, as the receipts of cells have them. */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  while (count >= 999.5 && unit < units.length - 1) {
    count /= 1000;
    unit += 1;
  }
  return `${count < 9.95 && unit > 0 ? count.toFixed(1) : count.toFixed(0)} ${units[unit]}`;
}

/** `25 s`, `3 min 20 s`: as {@link duration}, in whole seconds. */
export function wholeSeconds(seconds: number): string {
  return seconds < 10 ? `${Math.max(Math.floor(seconds), 0)} s` : duration(seconds);
}

/** `8 ms`, `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(seconds: number): string {
  const s = Math.max(seconds, 0);
  if (s < 0.0995) {
    return `${Math.round(1000 * s)} ms`;
  }
  if (s < 9.95) {
    return `${s.toFixed(1)} s`;
  }
  const parts: [string, number][] = [
    ['d', Math.floor(s / 86_400)],
    ['h', Math.floor(s / 3600) % 24],
    ['min', Math.floor(s / 60) % 60],
    ['s', Math.floor(s) % 60]
  ];
  const first = parts.findIndex(([, count]) => count > 0);
  return parts
    .slice(first, first + 2)
    .filter(([, count]) => count > 0)
    .map(([unit, count]) => `${count} ${unit}`)
    .join(' ');
}

export function percent(value: number): string {
  return `${Math.round(value)} %`;
}
