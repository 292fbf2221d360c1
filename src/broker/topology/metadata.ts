import type { Table } from '../../base/value.ts';
import { type Json, tableFromJson, tableToJson } from '../../base/value-json.ts';
import { type ApplyTo, isApplyTo } from '../policies/apply-to.ts';
import type { PolicyKind } from '../policies/operator-policy.ts';

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/**
 * The changes of durable things, as they stand in the journal, and of all others, as shards tell them to each other: those are
 * `transient`. Deleting a queue or an exchange implies its bindings.
 * Everything else that a command brings about (an auto-delete exchange that goes with its last binding) is an
 * operation of its own: replaying decides nothing.
 */
export type MetadataOperation =
  | { readonly op: 'vhost.create'; readonly vhost: string }
  | { readonly op: 'vhost.delete'; readonly vhost: string }
  | ExchangeDeclared
  | { readonly op: 'exchange.delete'; readonly vhost: string; readonly name: string }
  | QueueDeclared
  | QueueDeleted
  | BindingChanged
  | DelayBucketChanged
  | PolicySet
  | PolicyCleared;

export interface ExchangeDeclared {
  readonly op: 'exchange.declare';
  readonly vhost: string;
  readonly name: string;
  readonly type: string;
  readonly transient?: boolean;
  readonly autoDelete: boolean;
  readonly internal: boolean;
  readonly arguments: Table;
  readonly declaredBy?: string;
  readonly user?: string | null;
}

export interface QueueDeclared {
  readonly op: 'queue.declare';
  readonly vhost: string;
  readonly name: string;
  readonly id: number;
  /** Where its messages are; left out for shard 0. */
  readonly shard?: number;
  readonly transient?: boolean;
  /** The connection that it is exclusive to: see `OwnerNames`. */
  readonly owner?: string;
  readonly autoDelete: boolean;
  readonly arguments: Table;
  readonly declaredBy?: string;
  /** Who has made it; left out if that is not known, as in what older versions wrote. */
  readonly user?: string | null;
}

export interface QueueDeleted {
  readonly op: 'queue.delete';
  readonly vhost: string;
  readonly name: string;
  readonly id: number;
}

export interface BindingChanged {
  readonly op: 'binding.add' | 'binding.remove';
  readonly vhost: string;
  readonly source: string;
  readonly destinationKind: 'queue' | 'exchange';
  readonly destination: string;
  readonly routingKey: string;
  readonly arguments: Table;
  readonly user?: string | null;
}

/** A log in which messages wait that are routed in this interval of time; it goes when all of them were. */
export interface DelayBucketChanged {
  readonly op: 'delay.bucket-add' | 'delay.bucket-remove';
  readonly vhost: string;
  readonly id: number;
  /** Milliseconds since the epoch. */
  readonly startMs: number;
  readonly widthMs: number;
}

export interface PolicySet {
  readonly op: `${PolicyKind}.set`;
  readonly vhost: string;
  readonly name: string;
  readonly pattern: string;
  readonly applyTo: ApplyTo;
  readonly priority: number;
  readonly definition: Table;
}

export interface PolicyCleared {
  readonly op: `${PolicyKind}.clear`;
  readonly vhost: string;
  readonly name: string;
}

type FieldType =
  | 'string'
  | 'optionalString'
  | 'boolean'
  | 'optionalBoolean'
  | 'optionalInteger'
  | 'id'
  | 'integer'
  | 'table'
  | 'destinationKind'
  | 'applyTo';

const binding = {
  vhost: 'string',
  source: 'string',
  destinationKind: 'destinationKind',
  destination: 'string',
  routingKey: 'string',
  arguments: 'table',
  user: 'optionalString',
} as const;

const delayBucket = { vhost: 'string', id: 'id', startMs: 'integer', widthMs: 'integer' } as const;

const policy = {
  vhost: 'string',
  name: 'string',
  pattern: 'string',
  applyTo: 'applyTo',
  priority: 'integer',
  definition: 'table',
} as const;

/** The fields of each operation, in the order in which they are written. */
const fieldsOf: { readonly [op in MetadataOperation['op']]: { readonly [field: string]: FieldType } } = {
  'vhost.create': { vhost: 'string' },
  'vhost.delete': { vhost: 'string' },
  'exchange.declare': {
    vhost: 'string',
    name: 'string',
    type: 'string',
    transient: 'optionalBoolean',
    autoDelete: 'boolean',
    internal: 'boolean',
    arguments: 'table',
    declaredBy: 'optionalString',
    user: 'optionalString',
  },
  'exchange.delete': { vhost: 'string', name: 'string' },
  'queue.declare': {
    vhost: 'string',
    name: 'string',
    id: 'id',
    shard: 'optionalInteger',
    transient: 'optionalBoolean',
    owner: 'optionalString',
    autoDelete: 'boolean',
    arguments: 'table',
    declaredBy: 'optionalString',
    user: 'optionalString',
  },
  'queue.delete': { vhost: 'string', name: 'string', id: 'id' },
  'binding.add': binding,
  'binding.remove': binding,
  'delay.bucket-add': delayBucket,
  'delay.bucket-remove': delayBucket,
  'policy.set': policy,
  'policy.clear': { vhost: 'string', name: 'string' },
  'operator-policy.set': policy,
  'operator-policy.clear': { vhost: 'string', name: 'string' },
};

/** One JSON object in UTF-8, `{"op":"queue.declare","vhost":"/",…}`; values of tables as in value-json.ts. */
export function encodeOperation(operation: MetadataOperation): Uint8Array {
  const json: { [field: string]: Json } = { op: operation.op };
  for (const [field, value] of Object.entries(operation)) {
    const fields = fieldsOf[operation.op];
    if (!Object.hasOwn(fields, field) || value === null || value === undefined) continue;
    json[field] =
      fields[field] === 'table' ? tableToJson(value as Table) : (value as string | number | boolean);
  }
  return Buffer.from(JSON.stringify(json), 'utf8');
}

/** @throws Error if the bytes are not an operation that this version of Sluice knows. */
export function decodeOperation(bytes: Uint8Array): MetadataOperation {
  const text = UTF8.decode(bytes);
  const json: unknown = JSON.parse(text);
  if (!isObject(json) || typeof json.op !== 'string' || !Object.hasOwn(fieldsOf, json.op)) {
    throw new Error(`unknown metadata operation: ${text.slice(0, 200)}`);
  }
  const op = json.op as MetadataOperation['op'];
  const operation: { [field: string]: unknown } = { op };
  for (const [field, type] of Object.entries(fieldsOf[op])) {
    if (type.startsWith('optional') && !Object.hasOwn(json, field)) continue;
    operation[field] = decodeField(op, field, type, Object.hasOwn(json, field) ? json[field] : null);
  }
  return operation as unknown as MetadataOperation;
}

function decodeField(op: string, field: string, type: FieldType, json: Json): unknown {
  if (type === 'table' && isObject(json)) return tableFromJson(json);
  if ((type === 'string' || type === 'optionalString') && typeof json === 'string') return json;
  if ((type === 'boolean' || type === 'optionalBoolean') && typeof json === 'boolean') return json;
  if ((type === 'id' || type === 'integer' || type === 'optionalInteger') && Number.isSafeInteger(json))
    return json;
  if (type === 'destinationKind' && (json === 'queue' || json === 'exchange')) return json;
  if (type === 'applyTo' && typeof json === 'string' && isApplyTo(json)) return json;
  throw new Error(`metadata operation '${op}' has no valid '${field}'`);
}

function isObject(json: unknown): json is { readonly [key: string]: Json } {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}
