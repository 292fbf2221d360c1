/** Of each power of two: 8 buckets, 240 in all, for the many that a broker keeps. A quantile is at most 12.5 % too large. */
const COARSE_BITS = 3;
/** 128 buckets, 3328 in all, for a measurement. A quantile is at most 0.8 % too large. */
export const FINE_BITS = 7;
/** 71 minutes. What takes longer is in the last bucket; sum and maximum are exact. */
const MICROS_MAX = 0xffffffff;

/**
 * A log-linear histogram of durations: to record one is a shift and an increment. Values are cut to whole
 * microseconds; below 2 ** (bits + 1) each has its own bucket, then each power of two has 2 ** bits of them. With 7 bits:
 *
 *   value   0 … 255      256 … 511     512 … 1023    …  up to 2 ** 32 - 1
 *   bucket  0 … 255      128 of 2 µs   128 of 4 µs
 */
export class Histogram {
  count = 0;
  readonly #bits: number;
  /** Made with the first value: most queues of many are idle. */
  #counts: Float64Array | null = null;
  #sumMicros = 0;
  #maxMicros = 0;
  /** The value that `record` had last, as it came, in microseconds, and its bucket. NaN: none, as it equals nothing. */
  #lastMs = Number.NaN;
  #lastMicros = 0;
  #lastBucket = -1;

  constructor(bits = COARSE_BITS) {
    this.#bits = bits;
  }

  get sumMs(): number {
    return this.#sumMicros / 1000;
  }

  get maxMs(): number {
    return this.#maxMicros / 1000;
  }

  /** The messages of one turn have waited equally long: a value that comes again is only counted. */
  record(ms: number): void {
    const counts = this.#counts;
    if (ms !== this.#lastMs || counts === null) {
      this.recordMicros(ms * 1000);
      this.#lastMs = ms;
      return;
    }
    this.count++;
    this.#sumMicros += this.#lastMicros;
    counts[this.#lastBucket]++;
  }

  recordMicros(micros: number): void {
    const value = micros > 0 ? micros : 0;
    this.count++;
    this.#sumMicros += value;
    if (value > this.#maxMicros) this.#maxMicros = value;
    this.#counts ??= new Float64Array(bucketCount(this.#bits));
    // As an integer from here on: the shifts would convert a fraction each by itself.
    const whole = value < MICROS_MAX ? value >>> 0 : MICROS_MAX;
    const bucket = bucketOf(whole, this.#bits);
    this.#counts[bucket]++;
    this.#lastMs = Number.NaN;
    this.#lastMicros = value;
    this.#lastBucket = bucket;
  }

  /** The value that a share (0 … 1) of all values does not exceed; 0 without any. */
  quantileMs(share: number): number {
    if (this.#counts === null) return 0;
    const wanted = Math.max(1, Math.ceil(share * this.count));
    let seen = 0;
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      seen += this.#counts[bucket];
      if (seen >= wanted) return Math.min(lastOf(bucket, this.#bits), this.#maxMicros) / 1000;
    }
    return this.maxMs;
  }

  /** Adds what another histogram of the same precision has recorded. */
  add(other: HistogramState): void {
    this.count += other.count;
    this.#sumMicros += other.sumMicros;
    this.#maxMicros = Math.max(this.#maxMicros, other.maxMicros);
    if (other.counts === null) return;
    this.#counts ??= new Float64Array(bucketCount(this.#bits));
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      this.#counts[bucket] += other.counts[bucket];
    }
  }

  clear(): void {
    this.count = 0;
    this.#sumMicros = 0;
    this.#maxMicros = 0;
    this.#lastMs = Number.NaN;
    this.#counts?.fill(0);
  }

  /** A copy that can be sent to another process. */
  state(): HistogramState {
    const counts = this.#counts === null ? null : this.#counts.slice();
    return { count: this.count, sumMicros: this.#sumMicros, maxMicros: this.#maxMicros, counts };
  }
}

export interface HistogramState {
  readonly count: number;
  readonly sumMicros: number;
  readonly maxMicros: number;
  /** By bucket; null: nothing was ever recorded. */
  readonly counts: Float64Array | null;
}

function bucketCount(bits: number): number {
  return (33 - bits) << bits;
}

function bucketOf(micros: number, bits: number): number {
  if (micros < 2 << bits) return micros | 0;
  const shift = 31 - bits - Math.clz32(micros);
  return (shift << bits) + (micros >>> shift);
}

/** The largest value of a bucket. */
function lastOf(bucket: number, bits: number): number {
  if (bucket < 2 << bits) return bucket;
  const shift = (bucket >>> bits) - 1;
  return (bucket - (shift << bits) + 1) * 2 ** shift - 1;
}
