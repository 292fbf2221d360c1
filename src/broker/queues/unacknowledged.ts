import { HELD_CAPACITY, InFlightRing, rearranged } from '../acknowledgements/in-flight-ring.ts';
import type { Consumer } from './consumer.ts';
import type { PriorityLevel } from './priority-level.ts';

/** What a channel has handed out and not heard of, by delivery tag. */
export class Unacknowledged {
  nextTag = 1;
  /** Those that went to consumers, and were not asked for singly. */
  consumerCount = 0;
  readonly #held = new InFlightRing(this);
  #lanes: (PriorityLevel | null)[] = new Array<PriorityLevel | null>(HELD_CAPACITY).fill(null);
  #consumers: (Consumer | null)[] = new Array<Consumer | null>(HELD_CAPACITY).fill(null);
  #offsets = new Float64Array(HELD_CAPACITY);
  #publishedMs = new Float64Array(HELD_CAPACITY);
  #bodyBytes = new Uint32Array(HELD_CAPACITY);

  /** Entries that are not settled. */
  get count(): number {
    return this.#held.count;
  }

  /** Returns the delivery tag. `consumer` is null for a message that was asked for singly. */
  add(
    lane: PriorityLevel,
    consumer: Consumer | null,
    offset: number,
    publishedMs: number,
    bodyBytes: number,
  ): number {
    const tag = this.nextTag++;
    const slot = this.#held.add(tag);
    this.#lanes[slot] = lane;
    this.#consumers[slot] = consumer;
    this.#offsets[slot] = offset;
    this.#publishedMs[slot] = publishedMs;
    this.#bodyBytes[slot] = bodyBytes;
    if (consumer !== null) this.consumerCount++;
    return tag;
  }

  /** The tag of a delivery that nobody acknowledges. */
  addSettled(): number {
    return this.nextTag++;
  }

  /** Whether `ack` or `reject` would find something. Tag 0 with `multiple` means all, and is always right. */
  has(tag: number, multiple: boolean): boolean {
    if (tag === 0) return multiple;
    if (tag >= this.nextTag || this.#held.count === 0) return false;
    return multiple ? tag >= this.#held.firstKey : this.#held.find(tag) >= 0;
  }

  /** The message, or all up to it, are done with. Returns how many; -1 if the tag is unknown. */
  ack(tag: number, multiple: boolean): number {
    return this.#settleUpTo(tag, multiple, false);
  }

  /** As `ack`, for messages that were not processed: they go back to their queue, or leave it. */
  reject(tag: number, multiple: boolean, requeue: boolean): number {
    return requeue ? this.#requeueUpTo(tag, multiple, true) : this.#settleUpTo(tag, multiple, true);
  }

  /** The channel ended, or asks for everything again. */
  requeueAll(): void {
    if (this.#held.count > 0) this.#requeueUpTo(0, true, false);
  }

  /** As `requeueAll`, without those of which the channel will say later what becomes of them. */
  requeueUnless(isSpokenFor: (tag: number) => boolean): void {
    const held = this.#held;
    for (let position = held.end - 1; position >= held.first; position--) {
      if (!held.isHeldAt(position) || isSpokenFor(held.keyAt(position))) continue;
      this.#requeue(position & held.mask, false);
    }
    held.trim();
  }

  /** Which consumers hold a message with a tag below what `limits` has for them. */
  holdersBelow(limits: ReadonlyMap<Consumer, number>): Set<Consumer> {
    const holders = new Set<Consumer>();
    let limit = 0;
    for (const each of limits.values()) limit = Math.max(limit, each);
    const held = this.#held;
    const end = held.positionOf(limit);
    for (let position = held.first; position < end; position++) {
      if (!held.isHeldAt(position)) continue;
      const consumer = this.#consumers[position & held.mask] ?? null;
      if (consumer !== null && held.keyAt(position) < (limits.get(consumer) ?? 0)) holders.add(consumer);
    }
    return holders;
  }

  /** What this consumer has not acknowledged goes back to its queue. Returns the tags, the newest first. */
  requeueOf(consumer: Consumer): number[] {
    const tags: number[] = [];
    const held = this.#held;
    for (let position = held.end - 1; position >= held.first; position--) {
      const slot = position & held.mask;
      if (!held.isHeldAt(position) || this.#consumers[slot] !== consumer) continue;
      tags.push(held.keyAt(position));
      this.#requeue(slot, false);
    }
    held.trim();
    return tags;
  }

  #settleUpTo(tag: number, multiple: boolean, isRejected: boolean): number {
    const held = this.#held;
    if (!multiple) {
      const slot = tag >= this.nextTag ? -1 : held.find(tag);
      if (slot < 0) return -1;
      this.#settle(slot, isRejected);
      held.trim();
      return 1;
    }
    if (!this.has(tag, true)) return -1;
    const end = tag === 0 ? held.end : held.positionOf(tag + 1);
    let settled = 0;
    for (let position = held.first; position < end; position++) {
      if (!held.isHeldAt(position)) continue;
      this.#settle(position & held.mask, isRejected);
      settled++;
    }
    held.trim();
    return settled;
  }

  #requeueUpTo(tag: number, multiple: boolean, failed: boolean): number {
    if (!this.has(tag, multiple)) return -1;
    const held = this.#held;
    const from = multiple ? held.first : held.positionOf(tag);
    const end = tag === 0 ? held.end : held.positionOf(tag + 1);
    let count = 0;
    // The newest first, so that a queue that is pumped in between would still see them in order.
    for (let position = end - 1; position >= from; position--) {
      if (!held.isHeldAt(position)) continue;
      this.#requeue(position & held.mask, failed);
      count++;
    }
    held.trim();
    return count;
  }

  #settle(slot: number, isRejected: boolean): void {
    const lane = this.#lanes[slot] as PriorityLevel;
    const consumer = this.#remove(slot);
    const offset = this.#offsets[slot] as number;
    if (isRejected) lane.queue.reject(lane, offset);
    else lane.queue.settleDelivered(lane, offset, this.#publishedMs[slot] as number);
    if (consumer !== null) this.#consumerSettled(consumer);
  }

  #requeue(slot: number, failed: boolean): void {
    const lane = this.#lanes[slot] as PriorityLevel;
    const consumer = this.#remove(slot);
    lane.queue.requeue(lane, this.#offsets[slot] as number, this.#bodyBytes[slot] as number, failed);
    if (consumer !== null) this.#consumerSettled(consumer);
  }

  /** Returns whose it was. */
  #remove(slot: number): Consumer | null {
    const consumer = this.#consumers[slot] as Consumer | null;
    // What is not referred to any more can be collected.
    this.#lanes[slot] = null;
    this.#consumers[slot] = null;
    this.#held.remove(slot);
    return consumer;
  }

  #consumerSettled(consumer: Consumer): void {
    this.consumerCount--;
    consumer.addCredit(1);
  }

  /** From the ring. */
  rearrange(slots: Uint32Array, capacity: number): void {
    const lanes = new Array<PriorityLevel | null>(capacity).fill(null);
    const consumers = new Array<Consumer | null>(capacity).fill(null);
    for (let i = 0; i < slots.length; i++) {
      lanes[i] = this.#lanes[slots[i] as number] as PriorityLevel | null;
      consumers[i] = this.#consumers[slots[i] as number] as Consumer | null;
    }
    this.#lanes = lanes;
    this.#consumers = consumers;
    this.#offsets = rearranged(this.#offsets, new Float64Array(capacity), slots);
    this.#publishedMs = rearranged(this.#publishedMs, new Float64Array(capacity), slots);
    this.#bodyBytes = rearranged(this.#bodyBytes, new Uint32Array(capacity), slots);
  }
}
