/**
 * A log-linear histogram of microseconds: exact below 256, then 128 buckets for each power of two, so that a
 * percentile is at most 0.8 % above the true value whatever its size. Recording is one shift and one increment.
 *
 *   value   0 … 255      256 … 511     512 … 1023    …  up to 2^32-1 (71 minutes)
 *   bucket  0 … 255      128 of 2 µs   128 of 4 µs
 */
const EXACT_BITS = 8;
const HALF = 1 << (EXACT_BITS - 1);
const VALUE_MAX = 0xffffffff;
const BUCKETS = (1 << EXACT_BITS) + (32 - EXACT_BITS) * HALF;

export class Histogram {
  readonly counts: Float64Array;
  total = 0;
  max = 0;
  sum = 0;

  constructor(counts: Float64Array = new Float64Array(BUCKETS)) {
    this.counts = counts;
  }

  /** Adds `times` observations of one value: messages that arrive in one read share their arrival time. */
  record(micros: number, times = 1): void {
    const value = micros < 0 ? 0 : micros > VALUE_MAX ? VALUE_MAX : micros;
    this.counts[bucketOf(value)] += times;
    this.total += times;
    this.sum += value * times;
    if (value > this.max) this.max = value;
  }

  /** The upper edge of the bucket in which the given share (0 … 1) of the observations is reached; 0 when empty. */
  percentile(share: number): number {
    const wanted = Math.max(1, Math.ceil(this.total * share));
    let seen = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += this.counts[bucket];
      if (seen >= wanted) return Math.min(upperEdge(bucket), this.max);
    }
    return this.max;
  }

  add(other: HistogramState): void {
    for (let bucket = 0; bucket < BUCKETS; bucket++) this.counts[bucket] += other.counts[bucket];
    this.total += other.total;
    this.sum += other.sum;
    if (other.max > this.max) this.max = other.max;
  }

  clear(): void {
    this.counts.fill(0);
    this.total = 0;
    this.sum = 0;
    this.max = 0;
  }

  /** A copy that can be sent to another process. */
  state(): HistogramState {
    return { counts: this.counts.slice(), total: this.total, sum: this.sum, max: this.max };
  }
}

export interface HistogramState {
  readonly counts: Float64Array;
  readonly total: number;
  readonly sum: number;
  readonly max: number;
}

function bucketOf(value: number): number {
  if (value < 1 << EXACT_BITS) return value | 0;
  const shift = 32 - EXACT_BITS - Math.clz32(value);
  return (1 << EXACT_BITS) + (shift - 1) * HALF + ((value >>> shift) - HALF);
}

function upperEdge(bucket: number): number {
  if (bucket < 1 << EXACT_BITS) return bucket;
  const shift = Math.floor((bucket - (1 << EXACT_BITS)) / HALF) + 1;
  const mantissa = ((bucket - (1 << EXACT_BITS)) % HALF) + HALF;
  return (mantissa + 1) * 2 ** shift - 1;
}
