import type { Work } from './turn-time.ts';

/** What is done to some hundred values takes some tens of microseconds. */
const VALUES_PER_STEP = 128;

/** Each of the values once. */
export function* distinct<T>(values: Iterable<T>, into: Set<T> = new Set()): Work<Set<T>> {
  let count = 0;
  for (const value of values) {
    into.add(value);
    if (++count % VALUES_PER_STEP === 0) yield;
  }
  return into;
}

/** How many of the values there are of each key. */
export function* tally<T, K>(values: Iterable<T>, keyOf: (value: T) => K): Work<Map<K, number>> {
  const counts = new Map<K, number>();
  let count = 0;
  for (const value of values) {
    const key = keyOf(value);
    counts.set(key, (counts.get(key) ?? 0) + 1);
    if (++count % VALUES_PER_STEP === 0) yield;
  }
  return counts;
}

/** What `each` makes of the values, many in one step: as `mapped`, for what takes next to nothing. */
export function* converted<T, R>(values: readonly T[], each: (value: T, index: number) => R): Work<R[]> {
  const results: R[] = [];
  for (let index = 0; index < values.length; index++) {
    results.push(each(values[index], index));
    if (index % VALUES_PER_STEP === VALUES_PER_STEP - 1) yield;
  }
  return results;
}
