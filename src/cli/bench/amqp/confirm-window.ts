import type { Histogram } from '../../../base/histogram.ts';

/** How many windows a confirm may run ahead of the oldest message that is still unconfirmed. */
const SPREAD = 16;

/**
 * Which published messages of a channel the broker has not confirmed yet. Delivery tags count from 1 per channel
 * (RabbitMQ's publisher confirms); a confirm names one tag or, with `multiple`, all up to one, in any order.
 *
 *   tags   … lowest                    … published
 *   ring     [ . x . . x . . . . . ]      x = confirmed ahead of an older one
 */
export class ConfirmWindow {
  /** The oldest tag that is not confirmed. */
  lowest = 1;
  published = 0;
  confirmed = 0;
  readonly #size: number;
  readonly #mask: number;
  readonly #ahead: Uint8Array;
  readonly #stampMicros: Float64Array;
  readonly #latency: Histogram;

  constructor(size: number, latency: Histogram) {
    this.#latency = latency;
    this.#size = size;
    const slots = 2 ** Math.ceil(Math.log2(size * SPREAD));
    this.#mask = slots - 1;
    this.#ahead = new Uint8Array(slots);
    this.#stampMicros = new Float64Array(slots);
  }

  /**
   * How many messages may be published now: by the number of unconfirmed ones, so that a broker that confirms out of
   * order is not slowed down, as long as the oldest of them still has its place in the ring.
   */
  room(): number {
    const unconfirmed = this.published - this.confirmed;
    const distance = this.published + 1 - this.lowest;
    return Math.min(this.#size - unconfirmed, this.#ahead.length - distance);
  }

  publish(stampMicros: number): void {
    this.published++;
    this.#stampMicros[this.published & this.#mask] = stampMicros;
  }

  /** Records the latency of every message newly confirmed; returns how many there were. */
  confirm(tag: number, multiple: boolean, nowMicros: number): number {
    if (tag === 0 && multiple) tag = this.published;
    if (tag > this.published)
      throw new Error(`the broker confirmed tag ${tag}, but only ${this.published} were published`);
    if (tag < this.lowest) return 0;
    return multiple ? this.#confirmUpTo(tag, nowMicros) : this.#confirmOne(tag, nowMicros);
  }

  #confirmUpTo(tag: number, nowMicros: number): number {
    let count = 0;
    for (let t = this.lowest; t <= tag; t++) {
      const slot = t & this.#mask;
      if (this.#ahead[slot] === 0) {
        count++;
        this.#latency.recordMicros(nowMicros - this.#stampMicros[slot]);
      }
      this.#ahead[slot] = 0;
    }
    this.lowest = tag + 1;
    this.#advance();
    this.confirmed += count;
    return count;
  }

  #confirmOne(tag: number, nowMicros: number): number {
    const slot = tag & this.#mask;
    if (this.#ahead[slot] === 1) return 0;
    this.#latency.recordMicros(nowMicros - this.#stampMicros[slot]);
    this.#ahead[slot] = 1;
    this.#advance();
    this.confirmed++;
    return 1;
  }

  #advance(): void {
    while (this.lowest <= this.published && this.#ahead[this.lowest & this.#mask] === 1) {
      this.#ahead[this.lowest & this.#mask] = 0;
      this.lowest++;
    }
  }
}
