/**
 * Latencies, in buckets that are an eighth of a power of two wide: values are exact to 12.5 %, recording one is a few
 * instructions.
 */
const BUCKETS = 8 * 32;

export class Histogram {
  /** Made with the first value: most queues of many are idle. */
  #counts: Float64Array | null = null;
  count = 0;
  sumMs = 0;
  maxMs = 0;

  record(ms: number): void {
    const value = ms > 0 ? ms : 0;
    this.count++;
    this.sumMs += value;
    if (value > this.maxMs) this.maxMs = value;
    const us = value > 4_000_000 ? 4_000_000_000 : (value * 1000) >>> 0;
    this.#counts ??= new Float64Array(BUCKETS);
    this.#counts[bucketOf(us)]++;
  }

  /** The value, in milliseconds, that a share `quantile` (0..1) of all values does not exceed; 0 without any. */
  quantileMs(quantile: number): number {
    if (this.#counts === null) return 0;
    const wanted = Math.max(1, Math.ceil(quantile * this.count));
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.#counts[bucket] as number;
      if (seen >= wanted) return Math.min(upperBoundUs(bucket) / 1000, this.maxMs);
    }
    return this.maxMs;
  }
}

function bucketOf(us: number): number {
  if (us < 8) return us;
  const exponent = 31 - Math.clz32(us);
  return (exponent - 2) * 8 + ((us >>> (exponent - 3)) & 7);
}

function upperBoundUs(bucket: number): number {
  if (bucket < 8) return bucket + 1;
  const exponent = (bucket >>> 3) + 2;
  return (8 + (bucket & 7) + 1) * 2 ** (exponent - 3);
}
