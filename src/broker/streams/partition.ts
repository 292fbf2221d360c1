import type { Memory } from '../../base/memory-pool.ts';
import { CorruptionError } from '../../log/corruption.ts';
import type { Store } from '../../log/store.ts';
import { bytesOf, joinPieces, type Piece, type StreamLog } from '../../log/streams/stream-log.ts';
import { HAS_FOREIGN_ENVELOPE, LOG_APPEND_TIME } from '../../records/batch-layout.ts';
import { baseOffsetOf, leaderEpochOf } from '../../records/batch-view.ts';
import type { MessageView } from '../../records/message-view.ts';
import type { BatchOpener } from '../../records/opening/batch-opener.ts';
import { ObjectCounter } from '../budget/object-counter.ts';
import type { ObjectQuotas } from '../budget/object-quotas.ts';
import type { Turn } from '../shard/turn.ts';
import { LeaderEpochs } from './leader-epochs.ts';
import { PartitionCorruption } from './partition-corruption.ts';
import type { PartitionHomes } from './partition-homes.ts';
import type { PartitionOwner } from './partition-owner.ts';
import type { PartitionPlace } from './partition-place.ts';
import type { AbortedTransaction } from './producers/aborted-transactions.ts';
import { ProducerStates, type ProducerStatesState } from './producers/producer-states.ts';
import type { PartitionSlice, ReadablePartition } from './readable-partition.ts';

/** Of several shards, what partitions need to know. */
export interface PartitionShards extends PartitionHomes {
  /** That of this broker. */
  readonly own: number;
  /** The log of a partition of this shard was made, by a change that is journaled elsewhere. */
  opened(id: number): void;
}

/** What partitions need of the broker. */
export interface PartitionContext {
  readonly store: Store;
  readonly turn: Turn;
  /** Without them nothing is counted. */
  readonly quotas?: ObjectQuotas;
  /** Where there are several shards. */
  readonly shards?: PartitionShards;
  onCorruption(partition: Partition, path: string, offset: number, what: string): void;
}

/** What a snapshot keeps of a partition beside its log. */
export interface PartitionState {
  readonly epochs: readonly number[];
  readonly producers: ProducerStatesState | null;
}

/** One partition of a stream: its log, and what is known of what is in it. */
export class Partition implements ReadablePartition {
  readonly isRemote = false;
  readonly stream: PartitionOwner;
  readonly index: number;
  /** Of its log: never used again, not even after the stream is gone. */
  readonly id: number;
  readonly shard: number;
  readonly log: StreamLog;
  readonly epochs = new LeaderEpochs();
  readonly producers: ProducerStates;
  readonly #context: PartitionContext;
  /** Null until there is one. */
  #listeners: Set<() => void> | null = null;

  constructor(
    stream: PartitionOwner,
    index: number,
    { id, shard }: PartitionPlace,
    context: PartitionContext,
  ) {
    this.stream = stream;
    this.index = index;
    this.id = id;
    this.shard = shard;
    this.#context = context;
    const { quotas } = context;
    this.producers = new ProducerStates(
      quotas === undefined
        ? null
        : new ObjectCounter(quotas, 'producers', stream.account ?? null, stream.vhost),
    );
    this.log = context.store.openStream(id, {
      onAdvanced: () => {
        this.producers.settled(this.log.highWatermark);
        this.advanced();
      },
      onReplayed: (buffer, at) => this.#replayed(buffer, at),
      onCorruption: ({ path, offset, what }) => context.onCorruption(this, path, offset, what),
      retentionSettings: () => this.stream.settings,
      onExpired: (offset) => this.deleteBefore(offset),
      stableOffset: () => this.producers.stableOffset(this.log.highWatermark),
      abortedIn: (from, below) => this.producers.abortedIn(from, below),
    });
    context.shards?.opened(id);
  }

  /** Grows with each start of the broker. */
  get leaderEpoch(): number {
    return this.#context.store.epoch;
  }

  /** For its compressed batches. */
  get opener(): BatchOpener {
    return this.#context.store.state.opener;
  }

  get startOffset(): number {
    return this.log.start;
  }

  /** Everything below is durable, and may be read. */
  get highWatermark(): number {
    return this.log.highWatermark;
  }

  /** Of what is appended next. */
  get endOffset(): number {
    return this.log.end;
  }

  get recoveredEnd(): number {
    return this.epochs.startOf(this.leaderEpoch, this.log.end);
  }

  /** Everything below belongs to no transaction that has not ended. */
  get lastStableOffset(): number {
    return Math.max(this.log.start, this.producers.stableOffset(this.log.highWatermark));
  }

  get isCorrupt(): boolean {
    return this.log.isCorrupt;
  }

  /** In segments and in memory. */
  get bytes(): number {
    return this.log.segments.bytes + this.log.tailBytes;
  }

  /**
   * Appends a copy of the record batch in `bytes[start, end)`, which has been verified. Returns the offset of its first
   * record. It is in the block whose number `journal.blockNumber` is now; readers get it when that is durable.
   */
  append(bytes: Buffer, start: number, end: number): number {
    const { log } = this;
    const baseOffset = log.append(bytes, start, end, this.leaderEpoch);
    if (this.stream.settings.timestampType === 'LogAppendTime')
      log.stampLast(Math.floor(this.#context.turn.nowMs));
    this.epochs.appended(this.leaderEpoch, baseOffset);
    this.producers.appended(bytes, start, baseOffset, Math.floor(this.#context.turn.nowMs));
    this.#context.turn.schedule();
    return baseOffset;
  }

  /**
   * Appends a message; those of one turn become one batch. It is in the block as with `append`. `hasForeignEnvelope`: it is
   * a record of a client's, of the kind.
   */
  gather(messageView: MessageView, timestampMs: number, hasForeignEnvelope = false): void {
    const isStamped = this.stream.settings.timestampType === 'LogAppendTime';
    const attributes = (isStamped ? LOG_APPEND_TIME : 0) | (hasForeignEnvelope ? HAS_FOREIGN_ENVELOPE : 0);
    const { accumulator } = this.#context.store;
    const { log, leaderEpoch } = this;
    this.epochs.appended(leaderEpoch, log.end);
    accumulator.add(log, leaderEpoch, attributes, Math.floor(timestampMs), messageView);
    this.#context.turn.schedule();
  }

  /**
   * Whole batches in memory, from the one that has `from` on, with offsets below `below`: at most `bytesMax`, but one at
   * least. The views are good until something else happens. Null if `from` is not in memory.
   */
  readTail(from: number, below: number, bytesMax: number): Piece[] | null {
    return this.log.readTail(from, below, bytesMax);
  }

  bytesOf(pieces: readonly Piece[]): number {
    return bytesOf(pieces);
  }

  /** Of what `readTail` gave, in this memory. */
  copyOf(pieces: readonly Piece[], memory: Memory): Buffer {
    return joinPieces(pieces, memory);
  }

  /** A copy of what `readTail` gives, from wherever it is. Rejects with PartitionCorruption if it cannot be read. */
  read(from: number, below: number, bytesMax: number, memory?: Memory): Promise<PartitionSlice> {
    return this.#sound(this.log.read(from, below, bytesMax, memory));
  }

  /** It counts nothing: slices are let go by those who read. */
  release(): void {}

  abortedIn(from: number, below: number): readonly AbortedTransaction[] {
    return this.producers.abortedIn(from, below);
  }

  /**
   * The first batch, from the one that has `from` on, whose header says that it has a record of this time or a later one;
   * null if there is none. Rejects as `read`.
   */
  batchAtTime(timestampMs: number, from?: number): Promise<Buffer | null> {
    return this.#sound(this.log.batchAtTime(timestampMs, from));
  }

  /** The first batch of those with the largest timestamp of all; null if there is none at all. */
  batchOfMaxTime(): Promise<Buffer | null> {
    return this.#sound(this.log.batchOfMaxTime());
  }

  /** `listener` is called whenever more may be read. Returns how to stop that. */
  onAdvance(listener: () => void): () => void {
    this.#listeners ??= new Set();
    this.#listeners.add(listener);
    return () => this.#listeners?.delete(listener);
  }

  /** `highWatermark` or `lastStableOffset` has moved. */
  advanced(): void {
    if (this.#listeners === null || this.#listeners.size === 0) return;
    for (const listener of [...this.#listeners]) listener();
  }

  /** Records below this offset are gone. In the journal with the block that is open. */
  deleteBefore(offset: number): void {
    this.log.moveStart(offset);
    this.epochs.trim(offset);
    this.producers.trim(offset);
    this.#context.turn.schedule();
  }

  /** From a snapshot. */
  restore({ epochs, producers }: PartitionState): void {
    this.epochs.load(epochs);
    if (producers !== null) this.producers.restore(producers);
  }

  remove(): void {
    this.#context.store.removeStream(this.log);
    this.producers.dispose();
    this.advanced();
  }

  /** Where it cannot be read, nothing is served any more. */
  async #sound<T>(reading: Promise<T>): Promise<T> {
    try {
      return await reading;
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      if (!this.log.isCorrupt && !this.log.removed) {
        this.log.isCorrupt = true;
        this.log.events.onCorruption(error);
      }
      throw new PartitionCorruption(this.stream.name, this.index, error);
    }
  }

  #replayed(buffer: Buffer, at: number): void {
    const baseOffset = baseOffsetOf(buffer, at);
    this.epochs.appended(leaderEpochOf(buffer, at), baseOffset);
    this.producers.appended(buffer, at, baseOffset, Math.floor(this.#context.turn.nowMs));
  }
}
