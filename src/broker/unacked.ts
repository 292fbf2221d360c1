import type { Consumer } from './consumer.ts';
import type { Queue } from './queue.ts';

const FIRST_CAPACITY = 64;

/**
 * What a channel has handed out and not heard of, by delivery tag. Tags are given in order, so this is a ring: the
 * columns of entry `tag` are at `tag & mask`. A settled entry has no queue.
 */
export class Unacked {
  nextTag = 1;
  /** Entries that are not settled. */
  count = 0;
  /** Tags below are settled. */
  #first = 1;
  #mask = FIRST_CAPACITY - 1;
  #queues: (Queue | null)[] = new Array<Queue | null>(FIRST_CAPACITY).fill(null);
  #consumers: (Consumer | null)[] = new Array<Consumer | null>(FIRST_CAPACITY).fill(null);
  #offsets = new Float64Array(FIRST_CAPACITY);
  #publishedMs = new Float64Array(FIRST_CAPACITY);

  /** Returns the delivery tag. `consumer` is null for a message that was asked for singly. */
  add(queue: Queue, consumer: Consumer | null, offset: number, publishedMs: number): number {
    const tag = this.nextTag++;
    if (this.count === 0) this.#first = tag;
    else if (tag - this.#first > this.#mask) this.#grow();
    const slot = tag & this.#mask;
    this.#queues[slot] = queue;
    this.#consumers[slot] = consumer;
    this.#offsets[slot] = offset;
    this.#publishedMs[slot] = publishedMs;
    this.count++;
    return tag;
  }

  /** The tag of a delivery that nobody acknowledges. */
  addSettled(): number {
    const tag = this.nextTag++;
    if (this.count === 0) this.#first = tag + 1;
    else {
      if (tag - this.#first > this.#mask) this.#grow();
      this.#queues[tag & this.#mask] = null;
    }
    return tag;
  }

  /** Whether `ack` or `reject` would find something. Tag 0 with `multiple` means all, and is always right. */
  has(tag: number, multiple: boolean): boolean {
    if (tag === 0) return multiple;
    if (tag >= this.nextTag) return false;
    if (multiple) return this.count > 0 && tag >= this.#first;
    return this.count > 0 && tag >= this.#first && this.#queues[tag & this.#mask] !== null;
  }

  /** The message, or all up to it, are done with. Returns how many; -1 if the tag is unknown. */
  ack(tag: number, multiple: boolean): number {
    if (!multiple) {
      if (!this.has(tag, false)) return -1;
      this.#settle(tag);
      this.#advance();
      return 1;
    }
    if (!this.has(tag, true)) return -1;
    const last = tag === 0 ? this.nextTag - 1 : tag;
    let settled = 0;
    if (this.count > 0) {
      for (let t = this.#first; t <= last; t++) {
        if (this.#queues[t & this.#mask] === null) continue;
        this.#settle(t);
        settled++;
      }
      this.#first = last + 1;
      this.#advance();
    }
    return settled;
  }

  /** As `ack`, for messages that were not processed: they go back to their queue, or are dropped. */
  reject(tag: number, multiple: boolean, requeue: boolean): number {
    if (!requeue) return this.ack(tag, multiple);
    if (!this.has(tag, multiple)) return -1;
    const from = multiple ? this.#first : tag;
    const last = multiple && tag === 0 ? this.nextTag - 1 : tag;
    let count = 0;
    // The newest first, so that a queue that is pumped in between would still see them in order.
    for (let t = last; t >= from && this.count > 0; t--) {
      if (this.#queues[t & this.#mask] === null) continue;
      this.#requeue(t);
      count++;
    }
    this.#advance();
    return count;
  }

  /** The channel ended, or asks for everything again. */
  requeueAll(): void {
    if (this.count > 0) this.reject(0, true, true);
  }

  #settle(tag: number): void {
    const slot = tag & this.#mask;
    const queue = this.#queues[slot] as Queue;
    const consumer = this.#consumers[slot];
    this.#queues[slot] = null;
    this.#consumers[slot] = null;
    this.count--;
    queue.settleDelivered(this.#offsets[slot] as number, this.#publishedMs[slot] as number);
    if (consumer != null) consumer.addCredit(1);
  }

  #requeue(tag: number): void {
    const slot = tag & this.#mask;
    const queue = this.#queues[slot] as Queue;
    const consumer = this.#consumers[slot];
    this.#queues[slot] = null;
    this.#consumers[slot] = null;
    this.count--;
    queue.requeue(this.#offsets[slot] as number);
    if (consumer != null) consumer.addCredit(1);
  }

  #advance(): void {
    if (this.count === 0) {
      this.#first = this.nextTag;
      return;
    }
    while (this.#queues[this.#first & this.#mask] === null) this.#first++;
  }

  #grow(): void {
    const capacity = (this.#mask + 1) * 2;
    const mask = capacity - 1;
    const queues = new Array<Queue | null>(capacity).fill(null);
    const consumers = new Array<Consumer | null>(capacity).fill(null);
    const offsets = new Float64Array(capacity);
    const publishedMs = new Float64Array(capacity);
    for (let tag = this.#first; tag < this.nextTag - 1; tag++) {
      const from = tag & this.#mask;
      const to = tag & mask;
      queues[to] = this.#queues[from] as Queue | null;
      consumers[to] = this.#consumers[from] as Consumer | null;
      offsets[to] = this.#offsets[from] as number;
      publishedMs[to] = this.#publishedMs[from] as number;
    }
    this.#mask = mask;
    this.#queues = queues;
    this.#consumers = consumers;
    this.#offsets = offsets;
    this.#publishedMs = publishedMs;
  }
}
