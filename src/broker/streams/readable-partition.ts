import type { Piece } from '../../log/streams/stream-log.ts';
import type { BatchOpener } from '../../records/opening/batch-opener.ts';
import type { PartitionOwner } from './partition-owner.ts';
import type { AbortedTransaction } from './producers/aborted-transactions.ts';

/** How far a partition goes. */
export interface PartitionOffsets {
  readonly startOffset: number;
  /** Everything below is durable, and may be read. */
  readonly highWatermark: number;
  /** Everything below belongs to no transaction that has not ended. */
  readonly lastStableOffset: number;
  /** Of what is appended next. */
  readonly endOffset: number;
  /** Where the partition ended when its shard started: what is behind that was appended since. */
  readonly recoveredEnd: number;
  /** A segment cannot be read: nothing is served any more. */
  readonly isCorrupt: boolean;
}

/** What a read gave: whole record batches, back to back. */
export interface PartitionSlice {
  readonly bytes: Buffer;
  /** Where to read on. */
  readonly nextOffset: number;
  /** Of the transactions that were aborted, those in the slice. Left out where the partition can be asked. */
  readonly aborted?: readonly AbortedTransaction[];
}

/** A partition, for those who read it without asking in which shard it is. */
export interface ReadablePartition extends PartitionOffsets {
  readonly stream: PartitionOwner;
  readonly index: number;
  /** Of its log. */
  readonly id: number;
  /** For its compressed batches. */
  readonly opener: BatchOpener;
  /** As `Partition.readTail`; null as well if it is not in the memory of this shard. */
  readTail(from: number, below: number, bytesMax: number): readonly Piece[] | null;
  /** Rejects with BrokerError if it cannot be read. Who gets it says `release` when it is done with the slice. */
  read(from: number, below: number, bytesMax: number): Promise<PartitionSlice>;
  /** So many bytes of slices are not needed any more. */
  release(bytes: number): void;
  /** Of the transactions that were aborted, those with something in these offsets. */
  abortedIn(from: number, below: number): readonly AbortedTransaction[];
  /** `listener` is called whenever more may be read. Returns how to stop that. */
  onAdvance(listener: () => void): () => void;
}
