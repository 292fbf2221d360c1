/** How long a stream keeps what it has. Times and sizes without a limit are Infinity. */
export interface RetentionSettings {
  /** Old segments are deleted. */
  readonly deletes: boolean;
  /** Of records with one key the last one stays. */
  readonly compacts: boolean;
  readonly retentionMs: number;
  readonly retentionBytes: number;
  readonly segmentBytes: number;
  /** A segment is closed at this age. */
  readonly segmentMs: number;
  /** As much, at random, sooner. */
  readonly segmentJitterMs: number;
  readonly compactionLagMsMin: number;
  readonly compactionLagMsMax: number;
  /** How long a record without a value stays in a compacted stream, after it was compacted first. */
  readonly deleteRetentionMs: number;
  /** Of all bytes, those that were not compacted yet: compaction begins when they are more than this part, 0 to 1. */
  readonly dirtyRatioMin: number;
}

/** What looking after streams may cost. */
export interface StreamUpkeep {
  /** How often the age of everything is looked at. */
  readonly retentionCheckMs: number;
  /** For the keys of the stream that is being compacted. */
  readonly compactionMemoryBytes: number;
  readonly compactionBytesPerSecond: number;
}

/** As often as Kafka looks, with half of its memory, and at a speed that leaves most of a disk to others. */
export const STREAM_UPKEEP: StreamUpkeep = {
  retentionCheckMs: 5 * 60 * 1000,
  compactionMemoryBytes: 64 * 1024 * 1024,
  compactionBytesPerSecond: 128 * 1024 * 1024,
};

/** The records of a transaction that was aborted lie in these offsets, its end included. */
export interface AbortedRange {
  readonly producerId: number;
  readonly firstOffset: number;
  readonly lastOffset: number;
}
