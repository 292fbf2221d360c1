import { listOf } from './config-value.ts';
import { type TopicConfig, topicConfig } from './topic-configs.ts';

export type StreamCompression = 'producer' | 'uncompressed' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

/** What holds for a stream. Times and sizes without a limit are Infinity. */
export interface StreamSettings {
  /** Old segments are deleted. */
  readonly deletes: boolean;
  /** Of records with one key the last one stays. */
  readonly compacts: boolean;
  readonly retentionMs: number;
  /** Of each partition. */
  readonly retentionBytes: number;
  readonly segmentBytes: number;
  readonly segmentMs: number;
  readonly segmentJitterMs: number;
  readonly maxMessageBytes: number;
  readonly timestampType: 'CreateTime' | 'LogAppendTime';
  readonly timestampBeforeMsMax: number;
  readonly timestampAfterMsMax: number;
  readonly compactionLagMsMin: number;
  readonly compactionLagMsMax: number;
  readonly deleteRetentionMs: number;
  /** 0 to 1. */
  readonly dirtyRatioMin: number;
  readonly compression: StreamCompression;
  /** -1 for the usual one. */
  readonly gzipLevel: number;
  readonly zstdLevel: number;
}

const LONG_LIMIT = 2 ** 63;

const NONE: ReadonlyMap<string, string> = new Map();

/** `configs` are those of the stream, `defaults` those that hold for the broker; both are valid, by names of topic configs. */
export function resolveSettings(
  configs: ReadonlyMap<string, string>,
  defaults: ReadonlyMap<string, string> = NONE,
): StreamSettings {
  const text = (name: string) =>
    configs.get(name) ?? defaults.get(name) ?? (topicConfig(name) as TopicConfig).default;
  const number = (name: string) => Number(text(name).trim());
  const duration = (name: string) => unlimited(number(name));
  const policies = listOf(text('cleanup.policy'));
  return {
    deletes: policies.includes('delete'),
    compacts: policies.includes('compact'),
    retentionMs: duration('retention.ms'),
    retentionBytes: duration('retention.bytes'),
    segmentBytes: number(configs.has('internal.segment.bytes') ? 'internal.segment.bytes' : 'segment.bytes'),
    segmentMs: duration('segment.ms'),
    segmentJitterMs: number('segment.jitter.ms'),
    maxMessageBytes: number('max.message.bytes'),
    timestampType: text('message.timestamp.type') as StreamSettings['timestampType'],
    timestampBeforeMsMax: duration('message.timestamp.before.max.ms'),
    timestampAfterMsMax: duration('message.timestamp.after.max.ms'),
    compactionLagMsMin: number('min.compaction.lag.ms'),
    compactionLagMsMax: duration('max.compaction.lag.ms'),
    deleteRetentionMs: duration('delete.retention.ms'),
    dirtyRatioMin: number('min.cleanable.dirty.ratio'),
    compression: text('compression.type') as StreamCompression,
    gzipLevel: number('compression.gzip.level'),
    zstdLevel: number('compression.zstd.level'),
  };
}

/** Below zero, and the largest integer: without a limit. */
function unlimited(value: number): number {
  return value < 0 || value >= LONG_LIMIT ? Number.POSITIVE_INFINITY : value;
}
