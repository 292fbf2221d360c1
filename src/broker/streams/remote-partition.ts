import type { BatchOpener } from '../../records/opening/batch-opener.ts';
import type { PartitionHomes, ToldPartition } from './partition-homes.ts';
import type { PartitionOwner } from './partition-owner.ts';
import type { PartitionPlace } from './partition-place.ts';
import type { AbortedTransaction } from './producers/aborted-transactions.ts';
import type { PartitionOffsets, PartitionSlice, ReadablePartition } from './readable-partition.ts';

const NOTHING: readonly AbortedTransaction[] = [];

/**
 * A partition whose log is in another shard. Its offsets are those that its shard has told last: it tells them when it is asked,
 * and while somebody listens here. Until then there is nothing to read.
 */
export class RemotePartition implements ReadablePartition, ToldPartition {
  readonly isRemote = true;
  readonly stream: PartitionOwner;
  readonly index: number;
  readonly id: number;
  /** Another one if it is moved. */
  shard: number;
  readonly opener: BatchOpener;
  startOffset = 0;
  highWatermark = 0;
  endOffset = 0;
  /** Negative until its shard has told it. */
  recoveredEnd = -1;
  isCorrupt = false;
  readonly #homes: PartitionHomes;
  #stableOffset = 0;
  #isGone = false;
  readonly #listeners = new Set<() => void>();

  constructor(
    stream: PartitionOwner,
    index: number,
    { id, shard }: PartitionPlace,
    homes: PartitionHomes,
    opener: BatchOpener,
  ) {
    this.stream = stream;
    this.index = index;
    this.id = id;
    this.shard = shard;
    this.opener = opener;
    this.#homes = homes;
  }

  get leaderEpoch(): number | null {
    return this.#homes.epochOf(this.shard);
  }

  /** Of one that is gone, nothing may be read. */
  get lastStableOffset(): number {
    return this.#isGone ? 0 : this.#stableOffset;
  }

  /** Its shard says how far it goes; null if it is gone there. What it has said later may come earlier: offsets only grow. */
  told(offsets: PartitionOffsets | null): void {
    if (offsets === null) {
      this.#isGone = true;
    } else {
      this.startOffset = Math.max(this.startOffset, offsets.startOffset);
      this.highWatermark = Math.max(this.highWatermark, offsets.highWatermark);
      this.endOffset = Math.max(this.endOffset, offsets.endOffset);
      if (this.recoveredEnd < 0) this.recoveredEnd = offsets.recoveredEnd;
      this.#stableOffset = Math.max(this.#stableOffset, offsets.lastStableOffset);
      if (offsets.isCorrupt) this.isCorrupt = true;
    }
    this.#advanced();
  }

  readTail(): null {
    return null;
  }

  async read(from: number, _below: number, bytesMax: number): Promise<PartitionSlice> {
    return await this.#homes.reads.read(this, from, bytesMax);
  }

  release(bytes: number): void {
    this.#homes.reads.release(bytes);
  }

  /** They come with what is read. */
  abortedIn(): readonly AbortedTransaction[] {
    return NOTHING;
  }

  offsetAtTime(timeMs: number): Promise<number> {
    return this.#homes.reads.offsetAtTime(this, timeMs);
  }

  onAdvance(listener: () => void): () => void {
    const { reads } = this.#homes;
    // One of its own, as the same may listen twice.
    const hear = (): void => listener();
    this.#listeners.add(hear);
    if (this.#listeners.size === 1) reads.listen(this, true);
    return () => {
      if (this.#listeners.delete(hear) && this.#listeners.size === 0) reads.listen(this, false);
    };
  }

  /** Its shard removes the log. */
  remove(): void {
    this.told(null);
  }

  #advanced(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
