import type { CorruptionError } from '../corruption.ts';
import type { ChunkStore } from '../memory/chunks.ts';
import { frameContentBytes } from '../memory/chunks.ts';
import type { SegmentedLog } from '../segments/segmented-log.ts';
import { AcknowledgedOffsets } from './acknowledged-offsets.ts';

/** What the snapshot keeps of a log. */
export interface LogState {
  readonly id: number;
  readonly head: number;
  readonly end: number;
  /** Messages below this offset are in segments, the others in the journal. */
  readonly tailStart: number;
  /** Acknowledged offsets beyond the head: from, to, from, to, ... */
  readonly settled: readonly number[];
}

/** What the log tells the store that it is in. */
export interface QueueLogListener {
  /** It has pending acknowledgements, and had none before. */
  logHasAcknowledgements(log: QueueLog): void;
  /** The tail spans very many offsets, because an old message in it is not acknowledged. */
  logIsLong(log: QueueLog): void;
}

/** Messages of the log that were read back from segments, until they are delivered: see `ReadAhead`. */
export interface ReadBuffer {
  /** The position of the message in a chunk; -1 if it is not in memory. */
  positionOf(offset: number): number;
  /** Reads the message at this offset, and those after it, unless that is going on already. */
  load(offset: number): void;
  /** The message was delivered, or acknowledged: its memory is not needed any more. */
  release(offset: number): void;
  /** Releases all of them. */
  drop(): void;
}

const FIRST_CAPACITY = 16;
/** Of a queue that never had a message: most of many have none. */
const NO_RING = new Float64Array(0);
const LONG_TAIL = 1 << 20;

/**
 * The messages of one queue, or of one of its priority levels, by offset:
 *
 *     0 ............. head .......... tailStart ..................... end
 *     | acknowledged  | in segments    | in memory, and in the journal  |
 *                     | but for ranges of acknowledged offsets beyond the head
 *
 * A message is acknowledged when the queue is done with it: a consumer has acknowledged it, or it was rejected, expired or
 * moved. Offsets are given at append and never change. An offset that was lost with its memory (a transient message,
 * at a restart) counts as acknowledged. The tail is a ring of positions (`chunks.ts`), -1 where the message is acknowledged.
 */
export class QueueLog {
  readonly id: number;
  /** Whether its messages and acknowledgements are journaled. */
  readonly durable: boolean;
  tailStart = 0;
  end = 0;
  /** Content bytes of the tail. */
  tailBytes = 0;
  ring = NO_RING;
  mask = -1;
  readonly acknowledged = new AcknowledgedOffsets();
  /** Acknowledged, and not in the journal yet: from, to, from, to, ... */
  pendingAcknowledgements: number[] = [];
  segments: SegmentedLog | null = null;
  readAhead: ReadBuffer | null = null;
  removed = false;
  /** A segment of it cannot be read. */
  isCorrupt = false;
  onCorruption: (error: CorruptionError) => void = () => undefined;
  readonly #store: ChunkStore;
  readonly #listener: QueueLogListener;

  constructor(id: number, durable: boolean, store: ChunkStore, listener: QueueLogListener) {
    this.id = id;
    this.durable = durable;
    this.#store = store;
    this.#listener = listener;
  }

  /** Everything below is acknowledged. */
  get head(): number {
    return this.acknowledged.head;
  }

  /** Takes a reference to the frame at `position`; the caller has counted it in the chunk. */
  append(position: number, contentBytes: number): number {
    const offset = this.end;
    if (offset - this.tailStart > this.mask) this.#grow(offset + 1 - this.tailStart);
    this.ring[offset & this.mask] = position;
    this.end = offset + 1;
    this.tailBytes += contentBytes;
    return offset;
  }

  /** At recovery, where the offset is known. Offsets between the end and this one are lost. */
  restore(offset: number, position: number, contentBytes: number): void {
    if (offset > this.end) this.skipTo(offset);
    this.append(position, contentBytes);
  }

  /** At recovery: offsets up to `offset` were given out, but their messages are gone. */
  skipTo(offset: number): void {
    const from = this.end;
    if (offset <= from) return;
    if (from === this.tailStart) {
      // The tail is empty: no need for holes in it.
      this.tailStart = offset;
    } else {
      if (offset - this.tailStart > this.ring.length) this.#grow(offset - this.tailStart);
      for (let o = from; o < offset; o++) this.ring[o & this.mask] = -1;
    }
    this.end = offset;
    this.#markAcknowledged(from, offset);
  }

  /** Where the message is in memory; -1 if it has to be read from a segment, or is acknowledged. */
  positionOf(offset: number): number {
    if (offset >= this.tailStart) return this.ring[offset & this.mask];
    return this.readAhead === null ? -1 : this.readAhead.positionOf(offset);
  }

  isAcknowledged(offset: number): boolean {
    return this.acknowledged.has(offset);
  }

  /** The first offset from `from` on that is not acknowledged; `end` if there is none. */
  nextUnacknowledged(from: number): number {
    return this.acknowledged.beyond.isEmpty
      ? Math.max(from, this.head)
      : Math.min(this.acknowledged.next(from), this.end);
  }

  /** It must not be acknowledged yet. */
  acknowledge(offset: number): void {
    let journaled = this.durable;
    if (offset >= this.tailStart) {
      const slot = offset & this.mask;
      const position = this.ring[slot];
      this.ring[slot] = -1;
      const chunk = this.#store.of(position);
      this.tailBytes -= frameContentBytes(chunk, position >>> 0);
      if (chunk.kind !== 'journal') journaled = false;
      this.#store.releaseIn(chunk);
    }
    if (journaled) this.#journal(offset, offset + 1);
    const { acknowledged } = this;
    if (offset === acknowledged.head && acknowledged.beyond.isEmpty) {
      acknowledged.head = offset + 1;
      if (this.tailStart <= offset) this.tailStart = offset + 1;
    } else {
      this.#markAcknowledged(offset, offset + 1);
    }
  }

  /** Acknowledges [from, to), all of which is in segments: it takes no time, however many messages these are. */
  acknowledgeStored(from: number, to: number): void {
    if (from >= to) return;
    if (this.durable) this.#journal(from, to);
    this.#markAcknowledged(from, to);
  }

  /** An acknowledged entry of the journal, at recovery: nothing is journaled again. */
  replayAcknowledged(from: number, to: number): void {
    this.skipTo(to);
    const start = Math.max(from, this.tailStart);
    for (let offset = start; offset < to; offset++) {
      const slot = offset & this.mask;
      const position = this.ring[slot];
      if (position < 0) continue;
      this.ring[slot] = -1;
      this.tailBytes -= this.#store.contentLengthAt(position);
      this.#store.release(position);
    }
    this.#markAcknowledged(Math.max(from, this.head), to);
  }

  /** The tail up to `offset` is in segments now. */
  dropTail(offset: number): void {
    for (let o = this.tailStart; o < offset; o++) {
      const position = this.ring[o & this.mask];
      if (position < 0) continue;
      this.tailBytes -= this.#store.contentLengthAt(position);
      this.#store.release(position);
    }
    if (offset > this.tailStart) this.tailStart = offset;
    this.#shrink();
  }

  /** Releases all memory. The log is not used afterwards. */
  dispose(): void {
    this.removed = true;
    this.dropTail(this.end);
    this.readAhead?.drop();
  }

  /** A segment of it cannot be read: its messages wait for an operator; all other logs go on. */
  corrupted(error: CorruptionError): void {
    if (this.removed || this.isCorrupt) return;
    this.isCorrupt = true;
    this.onCorruption(error);
  }

  state(): LogState {
    const { id, head, end, tailStart } = this;
    return { id, head, end, tailStart, settled: this.acknowledged.state() };
  }

  /** The opposite of `state`, on a new log. */
  load(state: LogState): void {
    this.acknowledged.load(state.head, state.settled);
    this.tailStart = state.tailStart;
    this.end = state.tailStart;
  }

  #markAcknowledged(from: number, to: number): void {
    if (this.acknowledged.add(from, to) && this.tailStart < this.head)
      this.tailStart = Math.min(this.head, this.end);
  }

  #journal(from: number, to: number): void {
    const pending = this.pendingAcknowledgements;
    const last = pending.length - 1;
    if (last > 0 && pending[last] === from) {
      pending[last] = to;
      return;
    }
    if (last < 0) this.#listener.logHasAcknowledgements(this);
    pending.push(from, to);
  }

  #grow(needed: number): void {
    let capacity = Math.max(FIRST_CAPACITY, this.ring.length);
    while (capacity < needed) capacity *= 2;
    if (capacity >= LONG_TAIL) this.#listener.logIsLong(this);
    this.#resize(capacity);
  }

  #shrink(): void {
    const used = this.end - this.tailStart;
    if (this.ring.length <= 1024 || used * 8 > this.ring.length) return;
    let capacity = FIRST_CAPACITY;
    while (capacity < used * 2) capacity *= 2;
    this.#resize(capacity);
  }

  #resize(capacity: number): void {
    const ring = new Float64Array(capacity);
    const mask = capacity - 1;
    for (let offset = this.tailStart; offset < this.end; offset++) {
      ring[offset & mask] = this.ring[offset & this.mask];
    }
    this.ring = ring;
    this.mask = mask;
  }
}
