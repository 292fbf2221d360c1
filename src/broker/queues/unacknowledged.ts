import type { Work } from '../../base/turn-time.ts';
import { type FrameMemory, frameTimestampMs } from '../../log/memory/chunks.ts';
import type { ContentView } from '../../records/record-content.ts';
import { InFlightRing, rearranged } from '../acknowledgements/in-flight-ring.ts';
import type { Consumer } from './consumer.ts';
import type { Outcome, RequeueReason } from './delivery-outcome.ts';
import type { DeliverySource } from './delivery-source.ts';
import type { RemoteDelivered, RemoteDelivery } from './remote-delivery.ts';

/** What is settled or given back in one step of a work. */
const STEP_DELIVERIES = 64;
/** An acknowledgement of more, those that are settled already included, is a work. */
const AT_ONCE_MAX = 1024;

/** Of a channel on which nothing was delivered: most of many have none. */
const NO_NUMBERS = new Float64Array(0);
const NO_BYTES = new Uint32Array(0);

/** The deliveries of a channel that are neither acknowledged nor rejected, by delivery tag. */
export class Unacknowledged {
  nextTag = 1;
  /** Those that went to consumers, without those of basic.get. */
  consumerCount = 0;
  readonly #ring = new InFlightRing(this);
  #sources: (DeliverySource | null)[] = [];
  #consumers: (Consumer | null)[] = [];
  #offsets = NO_NUMBERS;
  #publishedMs = NO_NUMBERS;
  #bodyBytes = NO_BYTES;
  /** Where messages are that came from other shards; without slots until there is one. */
  #hasRemote = false;
  #remoteLogIds = NO_BYTES;
  #remoteOffsets = NO_NUMBERS;

  /** Entries that are not settled. */
  get count(): number {
    return this.#ring.count;
  }

  /**
   * A message of a queue, whose frame is at byte `at` of the memory. Returns the delivery tag. `consumer` is null for a
   * basic.get. The frame says when it was published, and the content how large it is: what comes back to the queue is what
   * the queue gave out.
   */
  add(
    source: DeliverySource,
    consumer: Consumer | null,
    offset: number,
    memory: FrameMemory,
    at: number,
    content: ContentView,
  ): number {
    const bodyBytes = content.bodyEnd - content.bodyStart;
    const tag = this.#add(source, consumer, offset, frameTimestampMs(memory, at), bodyBytes);
    if (source.remote !== undefined) this.#addRemote(source.remote);
    return tag;
  }

  /** Of the newest entry. */
  #addRemote({ logId, offset }: RemoteDelivery): void {
    const ring = this.#ring;
    if (!this.#hasRemote) {
      this.#hasRemote = true;
      this.#remoteLogIds = new Uint32Array(ring.mask + 1);
      this.#remoteOffsets = new Float64Array(ring.mask + 1);
    }
    const slot = (ring.end - 1) & ring.mask;
    this.#remoteLogIds[slot] = logId;
    this.#remoteOffsets[slot] = offset;
  }

  /** A record of a stream, which keeps no count of it. Returns the delivery tag. */
  addRecord(source: DeliverySource, consumer: Consumer, offset: number, publishedMs: number): number {
    return this.#add(source, consumer, offset, publishedMs, 0);
  }

  #add(
    source: DeliverySource,
    consumer: Consumer | null,
    offset: number,
    publishedMs: number,
    bodyBytes: number,
  ): number {
    const tag = this.nextTag++;
    const slot = this.#ring.add(tag);
    this.#sources[slot] = source;
    this.#consumers[slot] = consumer;
    this.#offsets[slot] = offset;
    this.#publishedMs[slot] = publishedMs;
    this.#bodyBytes[slot] = bodyBytes;
    if (consumer !== null) {
      this.consumerCount++;
      consumer.unacknowledgedCount++;
    }
    return tag;
  }

  /** The tag of a delivery that nobody acknowledges. */
  addSettled(): number {
    return this.nextTag++;
  }

  /** Whether `ack` or `reject` would find something. Tag 0 with `multiple` means all, and is always right. */
  has(tag: number, multiple: boolean): boolean {
    if (tag === 0) return multiple;
    if (tag >= this.nextTag || this.#ring.count === 0) return false;
    return multiple ? tag >= this.#ring.firstKey : this.#ring.find(tag) >= 0;
  }

  /** The message, or all up to it. Returns how many; -1 if the tag is unknown. */
  settle(tag: number, multiple: boolean, outcome: Outcome): number {
    if (outcome === 'ack') return this.ack(tag, multiple);
    if (outcome === 'return') return this.#requeueUpTo(tag, multiple, 'returned');
    return this.reject(tag, multiple, outcome === 'requeue');
  }

  /** The message, or all up to it, are done with. Returns how many; -1 if the tag is unknown. */
  ack(tag: number, multiple: boolean): number {
    return this.#settleUpTo(tag, multiple, false);
  }

  /** As `ack`, for messages that failed at the client: they go back to their queue, or leave it. */
  reject(tag: number, multiple: boolean, requeue: boolean): number {
    return requeue ? this.#requeueUpTo(tag, multiple, 'rejected') : this.#settleUpTo(tag, multiple, true);
  }

  /**
   * Those between two tags, both included, that are not settled yet, in the order that leads from one to the other. Returns
   * how many.
   */
  settleBetween(from: number, to: number, outcome: 'ack' | 'drop' | RequeueReason): number {
    const ring = this.#ring;
    const step = from <= to ? 1 : -1;
    const first = ring.positionOf(Math.min(from, to));
    const end = ring.positionOf(Math.max(from, to) + 1);
    let count = 0;
    for (let i = 0; i < end - first; i++) {
      const position = step > 0 ? first + i : end - 1 - i;
      if (!ring.isInFlightAt(position)) continue;
      const slot = position & ring.mask;
      if (outcome === 'ack' || outcome === 'drop') this.#settle(slot, outcome === 'drop');
      else this.#requeue(slot, outcome);
      count++;
    }
    ring.trim();
    return count;
  }

  /** The channel ended, or asks for everything again. */
  requeueAll(reason: 'lost' | 'recovered'): void {
    if (this.#ring.count > 0) this.#requeueUpTo(0, true, reason);
  }

  /** How many entries there are up to this tag, 0 being the newest; those that are settled between them count too. */
  spanTo(tag: number): number {
    const ring = this.#ring;
    return (tag === 0 ? ring.end : ring.positionOf(tag + 1)) - ring.first;
  }

  /** Whether all up to this tag, 0 being the newest, are so many that `settleInSteps` or `requeueInSteps` is to be used. */
  isLong(tag: number): boolean {
    return this.#ring.end - this.#ring.first > AT_ONCE_MAX && this.spanTo(tag) > AT_ONCE_MAX;
  }

  /** As `ack`, or `reject` without requeueing, of all up to this tag. What is delivered meanwhile has larger tags. */
  *settleInSteps(lastTag: number, isRejected: boolean): Work<number> {
    const ring = this.#ring;
    let count = 0;
    while (ring.count > 0 && ring.firstKey <= lastTag) {
      const end = Math.min(ring.positionOf(lastTag + 1), ring.first + STEP_DELIVERIES);
      for (let position = ring.first; position < end; position++) {
        if (!ring.isInFlightAt(position)) continue;
        this.#settle(position & ring.mask, isRejected);
        count++;
      }
      ring.trim();
      yield;
    }
    return count;
  }

  /**
   * All up to this tag go back, but for those that an open transaction settles. The oldest first: consumers get some of them
   * before the last one is back.
   */
  *requeueInSteps(
    lastTag: number,
    reason: RequeueReason,
    isInTransaction: ((tag: number) => boolean) | null = null,
  ): Work<number> {
    const ring = this.#ring;
    let count = 0;
    // Positions change with each delivery that comes in between, tags do not.
    let tag = 0;
    for (;;) {
      const first = ring.positionOf(tag);
      const end = Math.min(ring.positionOf(lastTag + 1), first + STEP_DELIVERIES);
      if (first >= end) return count;
      tag = ring.anyKeyAt(end - 1) + 1;
      for (let position = first; position < end; position++) {
        if (!ring.isInFlightAt(position)) continue;
        if (isInTransaction?.(ring.keyAt(position)) === true) continue;
        this.#requeue(position & ring.mask, reason);
        count++;
      }
      ring.trim();
      yield;
    }
  }

  /** Visits those from queues of other shards: the message, or all up to it. */
  visitRemote(tag: number, multiple: boolean, visit: (delivered: RemoteDelivered) => void): void {
    this.#eachRemote(tag, multiple, ({ shard, session }, slot) =>
      visit({
        shard,
        session,
        tag: this.#offsets[slot],
        logId: this.#remoteLogIds[slot],
        offset: this.#remoteOffsets[slot],
        publishedMs: this.#publishedMs[slot],
      }),
    );
  }

  /** They are settled in another way. */
  takeRemote(tag: number, multiple: boolean): void {
    this.#eachRemote(tag, multiple, (_source, slot) => {
      const consumer = this.#remove(slot);
      if (consumer !== null) this.#consumerSettled(consumer);
    });
    this.#ring.trim();
  }

  #eachRemote(tag: number, multiple: boolean, visit: (source: RemoteDelivery, slot: number) => void): void {
    if (!this.has(tag, multiple)) return;
    const ring = this.#ring;
    const from = multiple ? ring.first : ring.positionOf(tag);
    const end = tag === 0 ? ring.end : ring.positionOf(tag + 1);
    for (let position = from; position < end; position++) {
      if (!ring.isInFlightAt(position)) continue;
      const slot = position & ring.mask;
      const remote = this.#sources[slot]?.remote;
      if (remote !== undefined) visit(remote, slot);
    }
  }

  /** Where the delivery with this tag came from, if it is this one and not settled; null if there is none like it. */
  sourceOf(tag: number, offset: number, publishedMs: number): DeliverySource | null {
    const slot = tag >= this.nextTag ? -1 : this.#ring.find(tag);
    if (slot < 0 || this.#offsets[slot] !== offset || this.#publishedMs[slot] !== publishedMs) return null;
    return this.#sources[slot];
  }

  /** The consumers with a delivery whose tag is below what `limits` has for them. */
  holdersBelow(limits: ReadonlyMap<Consumer, number>): Set<Consumer> {
    const holders = new Set<Consumer>();
    let limit = 0;
    for (const each of limits.values()) limit = Math.max(limit, each);
    const ring = this.#ring;
    const end = ring.positionOf(limit);
    for (let position = ring.first; position < end; position++) {
      if (!ring.isInFlightAt(position)) continue;
      const consumer = this.#consumers[position & ring.mask] ?? null;
      if (consumer !== null && ring.keyAt(position) < (limits.get(consumer) ?? 0)) holders.add(consumer);
    }
    return holders;
  }

  /** What this consumer has not acknowledged in time goes back to its queue. Returns the tags, the newest first. */
  requeueOf(consumer: Consumer): number[] {
    const tags: number[] = [];
    const ring = this.#ring;
    for (let position = ring.end - 1; position >= ring.first; position--) {
      const slot = position & ring.mask;
      if (!ring.isInFlightAt(position) || this.#consumers[slot] !== consumer) continue;
      tags.push(ring.keyAt(position));
      this.#requeue(slot, 'timeout');
    }
    ring.trim();
    return tags;
  }

  #settleUpTo(tag: number, multiple: boolean, isRejected: boolean): number {
    const ring = this.#ring;
    if (!multiple) {
      const slot = tag >= this.nextTag ? -1 : ring.find(tag);
      if (slot < 0) return -1;
      this.#settle(slot, isRejected);
      ring.trim();
      return 1;
    }
    if (!this.has(tag, true)) return -1;
    const end = tag === 0 ? ring.end : ring.positionOf(tag + 1);
    let settled = 0;
    for (let position = ring.first; position < end; position++) {
      if (!ring.isInFlightAt(position)) continue;
      this.#settle(position & ring.mask, isRejected);
      settled++;
    }
    ring.trim();
    return settled;
  }

  #requeueUpTo(tag: number, multiple: boolean, reason: RequeueReason): number {
    if (!this.has(tag, multiple)) return -1;
    const ring = this.#ring;
    const from = multiple ? ring.first : ring.positionOf(tag);
    const end = tag === 0 ? ring.end : ring.positionOf(tag + 1);
    let count = 0;
    // The newest first, so that a queue that is pumped in between would still see them in order.
    for (let position = end - 1; position >= from; position--) {
      if (!ring.isInFlightAt(position)) continue;
      this.#requeue(position & ring.mask, reason);
      count++;
    }
    ring.trim();
    return count;
  }

  #settle(slot: number, isRejected: boolean): void {
    const source = this.#sources[slot] as DeliverySource;
    const consumer = this.#remove(slot);
    const offset = this.#offsets[slot];
    if (isRejected) source.reject(offset);
    else source.acknowledge(offset, this.#publishedMs[slot]);
    if (consumer !== null) this.#consumerSettled(consumer);
  }

  #requeue(slot: number, reason: RequeueReason): void {
    const source = this.#sources[slot] as DeliverySource;
    const consumer = this.#remove(slot);
    source.requeue(this.#offsets[slot], this.#bodyBytes[slot], reason);
    if (consumer !== null) this.#consumerSettled(consumer);
  }

  /** Returns the consumer that had it. */
  #remove(slot: number): Consumer | null {
    const consumer = this.#consumers[slot];
    // What is not referred to any more can be collected.
    this.#sources[slot] = null;
    this.#consumers[slot] = null;
    this.#ring.remove(slot);
    return consumer;
  }

  #consumerSettled(consumer: Consumer): void {
    this.consumerCount--;
    consumer.deliverySettled();
  }

  /** From the ring. */
  rearrange(slots: Uint32Array, capacity: number): void {
    const sources = new Array<DeliverySource | null>(capacity).fill(null);
    const consumers = new Array<Consumer | null>(capacity).fill(null);
    for (let i = 0; i < slots.length; i++) {
      sources[i] = this.#sources[slots[i]];
      consumers[i] = this.#consumers[slots[i]];
    }
    this.#sources = sources;
    this.#consumers = consumers;
    this.#offsets = rearranged(this.#offsets, new Float64Array(capacity), slots);
    this.#publishedMs = rearranged(this.#publishedMs, new Float64Array(capacity), slots);
    this.#bodyBytes = rearranged(this.#bodyBytes, new Uint32Array(capacity), slots);
    if (!this.#hasRemote) return;
    this.#remoteLogIds = rearranged(this.#remoteLogIds, new Uint32Array(capacity), slots);
    this.#remoteOffsets = rearranged(this.#remoteOffsets, new Float64Array(capacity), slots);
  }
}
