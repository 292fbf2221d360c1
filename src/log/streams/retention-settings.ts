/** Retention and compaction of one stream, as Kafka's topic settings have them. Times and sizes without a limit are Infinity. */
export interface RetentionSettings {
  /** `cleanup.policy` has `delete`: old segments go. */
  readonly deletes: boolean;
  /** `cleanup.policy` has `compact`: of records with one key the last one stays. */
  readonly compacts: boolean;
  readonly retentionMs: number;
  readonly retentionBytes: number;
  readonly segmentBytes: number;
  /** A segment is closed at this age. */
  readonly segmentMs: number;
  /** At most so much of `segmentMs` is taken off, so that not all streams close theirs at once. */
  readonly segmentJitterMs: number;
  readonly compactionLagMsMin: number;
  readonly compactionLagMsMax: number;
  /** How long a record without a value (a tombstone) stays after it was compacted first. */
  readonly deleteRetentionMs: number;
  /** Compaction begins when more than this part of the bytes, 0 to 1, was never compacted. */
  readonly dirtyRatioMin: number;
}

/** What retention and compaction may cost. */
export interface StreamUpkeep {
  /** Interval of retention by time. */
  readonly retentionCheckMs: number;
  /** For the hashes of the keys of the stream that is being compacted. */
  readonly compactionMemoryBytes: number;
  readonly compactionBytesPerSecond: number;
}

/** As often as Kafka looks, with half of its memory, and at a speed that leaves most of a disk to others. */
export const STREAM_UPKEEP: StreamUpkeep = {
  retentionCheckMs: 5 * 60 * 1000,
  compactionMemoryBytes: 64 * 1024 * 1024,
  compactionBytesPerSecond: 128 * 1024 * 1024,
};

/** An aborted transaction: its records and its marker lie in these offsets. */
export interface AbortedRange {
  readonly producerId: number;
  readonly firstOffset: number;
  readonly lastOffset: number;
}
