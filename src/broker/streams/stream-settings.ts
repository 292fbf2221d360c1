import { STREAM_CONFIGS, type StreamConfig, streamConfig } from './stream-configs.ts';

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

const INT_MAX = 2 ** 31 - 1;
const LONG_LIMIT = 2n ** 63n;

/** `configs` are valid. */
export function resolveSettings(configs: ReadonlyMap<string, string>): StreamSettings {
  const text = (name: string) => configs.get(name) ?? (streamConfig(name) as StreamConfig).default;
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

/** What is wrong with one setting, in Kafka's words; null if nothing is. */
export function validateConfig(name: string, value: string): string | null {
  const config = streamConfig(name);
  if (config === undefined) return `Unknown topic config name: ${name}`;
  const problem = problemWith(config, value);
  return problem === null ? null : `Invalid value ${value} for configuration ${name}: ${problem}`;
}

/** What is wrong with all that is set for one stream; null if nothing is. */
export function validateConfigs(configs: ReadonlyMap<string, string>): string | null {
  for (const [name, value] of configs) {
    const problem = validateConfig(name, value);
    if (problem !== null) return problem;
  }
  const { compactionLagMsMin, compactionLagMsMax } = resolveSettings(configs);
  if (compactionLagMsMin > compactionLagMsMax) {
    return (
      `conflict topic config setting min.compaction.lag.ms (${compactionLagMsMin}) > ` +
      `max.compaction.lag.ms (${compactionLagMsMax})`
    );
  }
  if (configs.get('remote.storage.enable')?.trim().toLowerCase() === 'true') {
    return (
      'Tiered Storage functionality is disabled in the broker. ' +
      'Topic cannot be configured with remote log storage.'
    );
  }
  return null;
}

/** As it is kept and shown: without white space around it, lists without white space in between. */
export function normalizeConfig(name: string, value: string): string {
  return streamConfig(name)?.type === 'list' ? listOf(value).join(',') : value.trim();
}

export function listOf(value: string): string[] {
  return value
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
}

/** The settings that are shown for every stream. */
export const SHOWN_CONFIGS: readonly StreamConfig[] = STREAM_CONFIGS.filter(
  ({ isHidden }) => isHidden !== true,
);

function problemWith(config: StreamConfig, given: string): string | null {
  const value = given.trim();
  return problemOfType(config, value) ?? config.check?.(value) ?? null;
}

function problemOfType({ type, min, max, choices }: StreamConfig, value: string): string | null {
  switch (type) {
    case 'boolean':
      return /^(true|false)$/i.test(value) ? null : 'Expected value to be either true or false';
    case 'int':
      if (!/^[+-]?\d{1,10}$/.test(value) || Math.abs(Number(value)) > INT_MAX)
        return 'Not a number of type INT';
      return outside(Number(value), min, max);
    case 'long':
      if (!/^[+-]?\d{1,19}$/.test(value) || !isLong(value)) return 'Not a number of type LONG';
      return outside(Number(value), min, max);
    case 'double':
      if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value)) return 'Not a number of type DOUBLE';
      return outside(Number(value), min, max);
    case 'string':
      return choices === undefined || choices.includes(value)
        ? null
        : `String must be one of: ${choices.join(', ')}`;
    case 'list':
      return problemOfList(listOf(value), choices);
  }
}

function problemOfList(values: readonly string[], choices: readonly string[] | undefined): string | null {
  if (choices === undefined) return null;
  if (!values.every((each) => choices.includes(each))) return `String must be one of: ${choices.join(', ')}`;
  return new Set(values).size === values.length ? null : 'List values must not be duplicated';
}

function outside(value: number, min: number | undefined, max: number | undefined): string | null {
  if (min !== undefined && value < min) return `Value must be at least ${min}`;
  if (max !== undefined && value > max) return `Value must be no more than ${max}`;
  return null;
}

function isLong(value: string): boolean {
  const number = BigInt(value.replace(/^\+/, ''));
  return number >= -LONG_LIMIT && number < LONG_LIMIT;
}

/** Below zero, and the largest integer: without a limit. */
function unlimited(value: number): number {
  return value < 0 || value >= Number(LONG_LIMIT) ? Number.POSITIVE_INFINITY : value;
}
