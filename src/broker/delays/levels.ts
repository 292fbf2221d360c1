/**
 * How time is divided: a message waits in a *bucket*, an interval of due times that begins at a multiple of its width.
 * Near times have narrow buckets, far ones wide ones; each width is 64 times the one before.
 *
 *     now
 *      | 1 s | 1 s | ... | 1 s |    64 s    |    64 s    | ... |        4096 s        | ...
 *                                ^ when its time comes near, a wide bucket is distributed to narrow ones
 *
 * So a message is moved once for each width that its delay exceeds, and the number of buckets stays below some
 * hundreds, whatever the number of messages. The widest takes 49 days, the longest delay there is, in 17 buckets.
 */
export const WIDTHS_MS: readonly number[] = [1000, 64_000, 4_096_000, 262_144_000];

/** How many buckets of one width are in use, about. */
const SPAN = 64;

/** The narrowest are read into memory so long before they begin. */
const READ_LEAD_MS = 1500;

/** How much of its width before it begins a wide bucket is distributed: a large one takes its time. */
const DISTRIBUTION_LEAD = 1 / 4;

export function startOf(level: number, dueMs: number): number {
  const widthMs = WIDTHS_MS[level];
  return Math.floor(dueMs / widthMs) * widthMs;
}

/** When somebody has to look at the bucket. A wide one takes no more messages from then on. */
export function opensAt(level: number, startMs: number): number {
  return startMs - (level === 0 ? READ_LEAD_MS : WIDTHS_MS[level] * DISTRIBUTION_LEAD);
}

/** In which width a message waits that comes due then. */
export function levelFor(dueMs: number, nowMs: number): number {
  let level = 0;
  while (level < WIDTHS_MS.length - 1 && dueMs - nowMs >= SPAN * WIDTHS_MS[level]) level++;
  while (level > 0 && opensAt(level, startOf(level, dueMs)) <= nowMs) level--;
  return level;
}
