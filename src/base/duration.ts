/** Units of time as people write them behind a number. `M` and `Y`, which vary in length, are none. */
const UNITS = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
} as const;

export type TimeUnit = keyof typeof UNITS;

/** Milliseconds: `30m`, `1.5h`, `500ms`; a number without a unit is of `bareUnit`. Undefined if it is no duration. */
export function parseDuration(text: string, bareUnit: TimeUnit): number | undefined {
  const match = /^(\d{1,15}(?:\.\d{1,3})?) ?(ms|[smhd])?$/.exec(text);
  if (match === null) return undefined;
  return Number(match[1]) * UNITS[(match[2] as TimeUnit | undefined) ?? bareUnit];
}

/** In the largest unit of which it is a whole number: `30m`, `90s`. */
export function formatDuration(milliseconds: number): string {
  const [unit] = (Object.keys(UNITS) as TimeUnit[])
    .filter((each) => milliseconds % UNITS[each] === 0)
    .slice(-1);
  return milliseconds === 0 || unit === undefined
    ? String(milliseconds)
    : `${milliseconds / UNITS[unit]}${unit}`;
}

export function millisecondsIn(unit: TimeUnit): number {
  return UNITS[unit];
}
