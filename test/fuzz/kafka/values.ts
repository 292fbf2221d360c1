import {
  type Field,
  type Fields,
  type FieldType,
  includes,
  ZERO_UUID,
} from '../../../src/wire/kafka/declaration.ts';
import { defaultOf } from '../../../src/wire/kafka/decoder.ts';
import { batchOf } from '../../broker/streams/bindings/records.ts';
import type { Random } from '../random.ts';

/** What the fields of a request may hold: of the right type, likely to mean something, and often wrong. */

type AnyField = Field<unknown, unknown, boolean>;

export const TOPICS = ['ft0', 'ft1', 'ft2', 'ft3'];
export const GROUPS = ['fg0', 'fg1', 'fg2'];
const ODD_NAMES = ['', '.', 'n'.repeat(300), 'é\n\0', 'no good', '__consumer_offsets', 'amq.topic'];
const CONFIGS = [
  'cleanup.policy',
  'retention.ms',
  'retention.bytes',
  'max.message.bytes',
  'message.timestamp.type',
  'segment.ms',
  'compression.type',
  'share.auto.offset.reset',
  'no.such',
];
const CONFIG_VALUES = [
  'delete',
  'compact',
  'delete,compact',
  '-1',
  '0',
  '1000',
  'LogAppendTime',
  'gzip',
  'earliest',
  '',
];
const NUMBERS = [0, 1, 2, 3, -1, -2, 100, 32767];
const LARGE = [2 ** 31 - 1, -(2 ** 31)];

/** By the name of a field. Whoever would lock us out, slow us down or fill the disk with this is kept from it. */
const TEXTS: { readonly [field: string]: readonly string[] } = {
  groupId: GROUPS,
  groupIds: GROUPS,
  groups: GROUPS,
  groupsNames: GROUPS,
  coordinatorKeys: [...GROUPS, 'fx0'],
  key: [...GROUPS, 'fx0'],
  transactionalId: ['fx0', 'fx1'],
  transactionalIds: ['fx0', 'fx1'],
  memberId: ['', 'm', ZERO_UUID],
  groupInstanceId: ['i0', 'i1'],
  protocolType: ['consumer', ''],
  protocolName: ['range', 'roundrobin'],
  serverAssignor: ['range', 'uniform', 'no'],
  subscribedTopicRegex: ['ft.*', '[', 'ft(0|1)+'],
  principal: ['User:nobody'],
  principalFilter: ['User:nobody'],
  host: ['*', '127.0.0.9'],
  entityType: ['user', 'client-id', 'ip'],
  entityName: ['nobody'],
  user: ['nobody'],
  mechanism: ['PLAIN', 'SCRAM-SHA-256', 'no'],
  clientSoftwareName: ['fuzz', '-'],
  clientSoftwareVersion: ['1.0', ''],
  value: CONFIG_VALUES,
};
const NUMBERS_OF: { readonly [field: string]: readonly number[] } = {
  numPartitions: [1, 2, 3, -1, 0],
  count: [1, 2, 3, 4],
  replicationFactor: [1, -1, 2],
  partitionIndex: [0, 1, 2, 7],
  partition: [0, 1, 2, 7],
  index: [0, 1, 2, 7],
  maxWaitMs: [0, 1, 20],
  minBytes: [0, 1, 100],
  maxBytes: [0, 1, 1000, 1_000_000],
  partitionMaxBytes: [0, 1, 1000, 1_000_000],
  acks: [-1, 0, 1, 2],
  timeoutMs: [0, 100],
  sessionTimeoutMs: [6000, 1],
  rebalanceTimeoutMs: [1, 100],
  fetchOffset: [0, 1, 5, 1000, -1],
  sessionEpoch: [0, -1, 1],
  sessionId: [0, 0, 1],
  memberEpoch: [0, 1, -1, -2],
  producerId: [-1, 0, 1, 2],
  producerEpoch: [-1, 0, 1],
  // What it costs to make a password's proof.
  iterations: [4096],
  resourceType: [2, 4, 32, 3, 1, 8],
  configOperation: [0, 1, 2, 3, 9],
  replicaId: [-1],
};

export function anyValue(name: string, field: AnyField, version: number, random: Random): unknown {
  if (!includes(field.versions, version)) return defaultOf(field);
  if (name === 'validateOnly') return random.chance(0.3);
  const mayBeNull = includes(field.nullableVersions, version) && name !== 'entityName' && name !== 'match';
  if (mayBeNull && random.chance(0.25)) return null;
  if (field.tag >= 0 && random.chance(0.7)) return defaultOf(field);
  return ofType(name, field.type, version, random);
}

export function structOf(fields: Fields, version: number, random: Random): Record<string, unknown> {
  const entries = Object.entries(fields).map(([name, field]) => [
    name,
    anyValue(name, field, version, random),
  ]);
  return Object.fromEntries(entries);
}

function ofType(name: string, type: FieldType, version: number, random: Random): unknown {
  switch (type.kind) {
    case 'array': {
      const length = random.pick([0, 1, 1, 1, 2, 3]);
      return Array.from({ length }, () => ofType(name, type.of, version, random));
    }
    case 'struct':
      return structOf(type.fields, version, random);
    case 'string':
      return text(name, random);
    case 'bool':
      return random.chance(0.5);
    case 'uuid':
      return random.chance(0.5) ? ZERO_UUID : random.bytes(16).toString('base64url');
    case 'bytes':
      return random.bytes(random.below(60));
    case 'records':
      return records(random);
    case 'float64':
      return random.pick([0, 1, -1, 1e9]);
    default:
      return number(name, type.kind, random);
  }
}

function text(name: string, random: Random): string {
  if (random.chance(0.04)) return random.pick(ODD_NAMES);
  const known = TEXTS[name];
  if (known !== undefined) return random.pick(known);
  if (/config|key/i.test(name)) return random.pick(CONFIGS);
  if (name === 'name') return random.pick([...TOPICS, ...TOPICS, ...CONFIGS, ...GROUPS]);
  return random.pick([...TOPICS, ...TOPICS, '1', ...GROUPS]);
}

/** How long the answer may take is nothing to play with. */
const WAITING = new Set(['maxWaitMs', 'timeoutMs', 'rebalanceTimeoutMs', 'sessionTimeoutMs', 'iterations']);

const BITS = { int8: 8, int16: 16, uint16: 16, int32: 32, int64: 53 } as const;

function number(name: string, kind: keyof typeof BITS | string, random: Random): number {
  const known = NUMBERS_OF[name];
  const isKept = known !== undefined && (random.chance(0.95) || WAITING.has(name));
  const value = random.pick(isKept ? known : NUMBERS);
  if (known === undefined && kind === 'int32' && random.chance(0.05)) return random.pick(LARGE);
  if (known === undefined && kind === 'int64' && random.chance(0.05)) return random.pick([2 ** 52, TIME_MS]);
  if (kind === 'uint16') return Math.abs(value);
  return kind === 'int8' ? Math.max(-128, Math.min(127, value)) : value;
}

/** The same in every run. */
const TIME_MS = 1_780_000_000_000;

const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;

function records(random: Random): Buffer {
  const count = 1 + random.below(4);
  const made = Array.from({ length: count }, () => ({
    timestampMs: TIME_MS + random.below(1000),
    key: random.chance(0.5) ? Buffer.from(random.pick(['a', 'b'])) : null,
    value: random.chance(0.1) ? null : random.bytes(random.below(100)),
  }));
  const batch = batchOf(made, random.pick(CODECS));
  if (random.chance(0.9)) return batch;
  if (random.chance(0.5)) return batch.subarray(0, random.below(batch.length));
  const broken = Buffer.from(batch);
  broken[random.below(broken.length)] ^= 1 << random.below(8);
  return broken;
}
