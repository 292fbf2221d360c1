import type { Consumer } from './consumer.ts';
import type { Lane } from './lane.ts';

const FIRST_CAPACITY = 64;

/**
 * What a channel has handed out and not heard of, by delivery tag. Tags are given in order, so this is a ring: the
 * columns of entry `tag` are at `tag & mask`. A settled entry has no lane.
 */
export class Unacked {
  nextTag = 1;
  /** Entries that are not settled. */
  count = 0;
  /** Those of them that went to consumers, and were not asked for singly. */
  consumerCount = 0;
  /** Tags below are settled. */
  #first = 1;
  #mask = FIRST_CAPACITY - 1;
  #lanes: (Lane | null)[] = new Array<Lane | null>(FIRST_CAPACITY).fill(null);
  #consumers: (Consumer | null)[] = new Array<Consumer | null>(FIRST_CAPACITY).fill(null);
  #offsets = new Float64Array(FIRST_CAPACITY);
  #publishedMs = new Float64Array(FIRST_CAPACITY);
  #bodyBytes = new Uint32Array(FIRST_CAPACITY);

  /** Returns the delivery tag. `consumer` is null for a message that was asked for singly. */
  add(lane: Lane, consumer: Consumer | null, offset: number, publishedMs: number, bodyBytes: number): number {
    const tag = this.nextTag++;
    if (this.count === 0) this.#first = tag;
    else if (tag - this.#first > this.#mask) this.#grow();
    const slot = tag & this.#mask;
    this.#lanes[slot] = lane;
    this.#consumers[slot] = consumer;
    this.#offsets[slot] = offset;
    this.#publishedMs[slot] = publishedMs;
    this.#bodyBytes[slot] = bodyBytes;
    this.count++;
    if (consumer !== null) this.consumerCount++;
    return tag;
  }

  /** The tag of a delivery that nobody acknowledges. */
  addSettled(): number {
    const tag = this.nextTag++;
    if (this.count === 0) this.#first = tag + 1;
    else {
      if (tag - this.#first > this.#mask) this.#grow();
      this.#lanes[tag & this.#mask] = null;
    }
    return tag;
  }

  /** Whether `ack` or `reject` would find something. Tag 0 with `multiple` means all, and is always right. */
  has(tag: number, multiple: boolean): boolean {
    if (tag === 0) return multiple;
    if (tag >= this.nextTag) return false;
    if (multiple) return this.count > 0 && tag >= this.#first;
    return this.count > 0 && tag >= this.#first && this.#lanes[tag & this.#mask] !== null;
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
    if (this.count > 0) this.#requeueUpTo(0, true, false);
  }

  /** As `requeueAll`, without those of which the channel will say later what becomes of them. */
  requeueUnless(isSpokenFor: (tag: number) => boolean): void {
    for (let tag = this.nextTag - 1; this.count > 0 && tag >= this.#first; tag--) {
      if (this.#lanes[tag & this.#mask] !== null && !isSpokenFor(tag)) this.#requeue(tag, false);
    }
    this.#advance();
  }

  /** Which consumers hold a message with a tag below what `limits` has for them. */
  holdersBelow(limits: ReadonlyMap<Consumer, number>): Set<Consumer> {
    const holders = new Set<Consumer>();
    let end = 0;
    for (const limit of limits.values()) end = Math.max(end, limit);
    if (this.count === 0) return holders;
    for (let tag = this.#first; tag < Math.min(end, this.nextTag); tag++) {
      const consumer = this.#consumers[tag & this.#mask];
      if (consumer != null && tag < (limits.get(consumer) ?? 0)) holders.add(consumer);
    }
    return holders;
  }

  /** What this consumer has not acknowledged goes back to its queue. Returns the tags, the newest first. */
  requeueOf(consumer: Consumer): number[] {
    const tags: number[] = [];
    for (let tag = this.nextTag - 1; this.count > 0 && tag >= this.#first; tag--) {
      if (this.#lanes[tag & this.#mask] === null || this.#consumers[tag & this.#mask] !== consumer) continue;
      this.#requeue(tag, false);
      tags.push(tag);
    }
    this.#advance();
    return tags;
  }

  #settleUpTo(tag: number, multiple: boolean, isRejected: boolean): number {
    if (!this.has(tag, multiple)) return -1;
    if (!multiple) {
      this.#settle(tag, isRejected);
      this.#advance();
      return 1;
    }
    const last = tag === 0 ? this.nextTag - 1 : tag;
    let settled = 0;
    if (this.count > 0) {
      for (let t = this.#first; t <= last; t++) {
        if (this.#lanes[t & this.#mask] === null) continue;
        this.#settle(t, isRejected);
        settled++;
      }
      this.#first = last + 1;
      this.#advance();
    }
    return settled;
  }

  #requeueUpTo(tag: number, multiple: boolean, failed: boolean): number {
    if (!this.has(tag, multiple)) return -1;
    const from = multiple ? this.#first : tag;
    const last = multiple && tag === 0 ? this.nextTag - 1 : tag;
    let count = 0;
    // The newest first, so that a queue that is pumped in between would still see them in order.
    for (let t = last; t >= from && this.count > 0; t--) {
      if (this.#lanes[t & this.#mask] === null) continue;
      this.#requeue(t, failed);
      count++;
    }
    this.#advance();
    return count;
  }

  #settle(tag: number, isRejected: boolean): void {
    const slot = tag & this.#mask;
    const lane = this.#lanes[slot] as Lane;
    const consumer = this.#consumers[slot];
    this.#lanes[slot] = null;
    this.#consumers[slot] = null;
    this.count--;
    const offset = this.#offsets[slot] as number;
    if (isRejected) lane.queue.reject(lane, offset);
    else lane.queue.settleDelivered(lane, offset, this.#publishedMs[slot] as number);
    if (consumer != null) this.#consumerSettled(consumer);
  }

  #requeue(tag: number, failed: boolean): void {
    const slot = tag & this.#mask;
    const lane = this.#lanes[slot] as Lane;
    const consumer = this.#consumers[slot];
    this.#lanes[slot] = null;
    this.#consumers[slot] = null;
    this.count--;
    lane.queue.requeue(lane, this.#offsets[slot] as number, this.#bodyBytes[slot] as number, failed);
    if (consumer != null) this.#consumerSettled(consumer);
  }

  #consumerSettled(consumer: Consumer): void {
    this.consumerCount--;
    consumer.addCredit(1);
  }

  #advance(): void {
    if (this.count === 0) {
      this.#first = this.nextTag;
      return;
    }
    while (this.#lanes[this.#first & this.#mask] === null) this.#first++;
  }

  #grow(): void {
    const capacity = (this.#mask + 1) * 2;
    const mask = capacity - 1;
    const lanes = new Array<Lane | null>(capacity).fill(null);
    const consumers = new Array<Consumer | null>(capacity).fill(null);
    const offsets = new Float64Array(capacity);
    const publishedMs = new Float64Array(capacity);
    const bodyBytes = new Uint32Array(capacity);
    for (let tag = this.#first; tag < this.nextTag - 1; tag++) {
      const from = tag & this.#mask;
      const to = tag & mask;
      lanes[to] = this.#lanes[from] as Lane | null;
      consumers[to] = this.#consumers[from] as Consumer | null;
      offsets[to] = this.#offsets[from] as number;
      publishedMs[to] = this.#publishedMs[from] as number;
      bodyBytes[to] = this.#bodyBytes[from] as number;
    }
    this.#mask = mask;
    this.#lanes = lanes;
    this.#consumers = consumers;
    this.#offsets = offsets;
    this.#publishedMs = publishedMs;
    this.#bodyBytes = bodyBytes;
  }
}
