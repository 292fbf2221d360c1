import { type Columns, InFlightRing, rearranged } from '../../acknowledgements/in-flight-ring.ts';

/** Holds what is on its way to the dead records. No member has this id. */
export const LEAVING = '';

/** The records of a share partition that were handed out and are not done with: who holds each, and until when. */
export class InFlight implements Columns {
  readonly #ring = new InFlightRing(this);
  /** Null: nobody holds it; it is available, or waits for another attempt. */
  #holders: (string | null)[] = [];
  #dueMs = new Float64Array(0);

  get count(): number {
    return this.#ring.count;
  }

  has(offset: number): boolean {
    return this.#ring.find(offset) >= 0;
  }

  isHeldBy(holder: string | null, offset: number): boolean {
    const slot = this.#ring.find(offset);
    return slot >= 0 && this.#holders[slot] === holder;
  }

  /** `isNew`: the record was not handed out before; it comes behind all that were. */
  hold(offset: number, isNew: boolean, holder: string, dueMs: number): void {
    const slot = isNew ? this.#ring.add(offset) : this.#ring.find(offset);
    this.#holders[slot] = holder;
    this.#dueMs[slot] = dueMs;
  }

  /** Nobody holds it any more, or who brings it to the dead records does. */
  change(offset: number, holder: string | null): void {
    this.#holders[this.#ring.find(offset)] = holder;
  }

  /** It is done with. To be followed by `trim`, when all are. */
  remove(offset: number): void {
    const slot = this.#ring.find(offset);
    this.#holders[slot] = null;
    this.#ring.remove(slot);
  }

  trim(): void {
    this.#ring.trim();
  }

  removeBelow(end: number): void {
    const ring = this.#ring;
    const endPosition = ring.positionOf(end);
    for (let at = ring.first; at < endPosition; at++) {
      if (!ring.isInFlightAt(at)) continue;
      this.#holders[at & ring.mask] = null;
      ring.remove(at & ring.mask);
    }
  }

  /** Those of [first, last] that this one holds, in order; with `nowMs`, only if it does so for too long. */
  forEachHeldBy(
    holder: string,
    first: number,
    last: number,
    nowMs: number,
    each: (offset: number) => void,
  ): void {
    const ring = this.#ring;
    const end = last === Number.POSITIVE_INFINITY ? ring.end : ring.positionOf(last + 1);
    for (let at = ring.positionOf(first); at < end; at++) {
      const slot = at & ring.mask;
      if (!ring.isInFlightAt(at) || this.#holders[slot] !== holder) continue;
      if (this.#dueMs[slot] <= nowMs) each(ring.keyAt(at));
    }
  }

  /** From the ring. */
  rearrange(slots: Uint32Array, capacity: number): void {
    const holders = new Array<string | null>(capacity).fill(null);
    for (let i = 0; i < slots.length; i++) holders[i] = this.#holders[slots[i]];
    this.#holders = holders;
    this.#dueMs = rearranged(this.#dueMs, new Float64Array(capacity), slots);
  }
}
