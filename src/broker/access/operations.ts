import type { ObjectLimit } from '../budget/object-limits.ts';
import type { Acl } from './acl.ts';
import type { PasswordHash } from './password.ts';
import type { QuotaEntity, QuotaValues } from './quota.ts';
import { isScramMechanism, type ScramCredentials } from './scram.ts';
import type { UserLimits } from './user.ts';

/** RabbitMQ has those of connections and queues. */
export type VhostLimit = 'max-connections' | `max-${ObjectLimit}`;
export type VhostLimits = { readonly [name in VhostLimit]?: number };

/**
 * The changes of users and what they may do, as they stand in the journal beside those of the topology. To set
 * replaces what was there, as a whole. Deleting a user implies its permissions.
 */
export type AccessOperation =
  /** Once in the life of a data directory: what is made on a new one was made, and stays deleted if it was deleted. */
  | { readonly op: 'access.begin' }
  | {
      readonly op: 'access.user.set';
      readonly user: string;
      readonly password: PasswordHash | null;
      /** Not in journals that are older than SCRAM. */
      readonly scram?: ScramCredentials;
      readonly tags: readonly string[];
      readonly limits: UserLimits;
    }
  | { readonly op: 'access.user.delete'; readonly user: string }
  | {
      readonly op: 'access.permissions.set';
      readonly user: string;
      readonly vhost: string;
      readonly configure: string;
      readonly write: string;
      readonly read: string;
    }
  | { readonly op: 'access.permissions.clear'; readonly user: string; readonly vhost: string }
  | {
      readonly op: 'access.topic.set';
      readonly user: string;
      readonly vhost: string;
      readonly exchange: string;
      readonly write: string;
      readonly read: string;
    }
  | {
      readonly op: 'access.topic.clear';
      readonly user: string;
      readonly vhost: string;
      readonly exchange: string;
    }
  | { readonly op: 'access.vhost-limits.set'; readonly vhost: string; readonly limits: VhostLimits }
  /** They go with the virtual host, and those of a user with the user. */
  | { readonly op: 'access.acl.add'; readonly vhost: string; readonly acl: Acl }
  | { readonly op: 'access.acl.remove'; readonly vhost: string; readonly acl: Acl }
  | { readonly op: 'access.acl.clear'; readonly vhost: string }
  /** Without values it is taken away. */
  | { readonly op: 'access.quota.set'; readonly entity: QuotaEntity; readonly values: QuotaValues };

export type AccessLog = { append(operation: AccessOperation): void };

type FieldType = 'string' | 'strings' | 'limits' | 'password' | 'scram' | 'acl' | 'entity' | 'numbers';

const permissions = { user: 'string', vhost: 'string' } as const;
const fieldsOf: { readonly [op in AccessOperation['op']]: { readonly [field: string]: FieldType } } = {
  'access.begin': {},
  'access.user.set': {
    user: 'string',
    password: 'password',
    scram: 'scram',
    tags: 'strings',
    limits: 'limits',
  },
  'access.user.delete': { user: 'string' },
  'access.permissions.set': { ...permissions, configure: 'string', write: 'string', read: 'string' },
  'access.permissions.clear': permissions,
  'access.topic.set': { ...permissions, exchange: 'string', write: 'string', read: 'string' },
  'access.topic.clear': { ...permissions, exchange: 'string' },
  'access.vhost-limits.set': { vhost: 'string', limits: 'limits' },
  'access.acl.add': { vhost: 'string', acl: 'acl' },
  'access.acl.remove': { vhost: 'string', acl: 'acl' },
  'access.acl.clear': { vhost: 'string' },
  'access.quota.set': { entity: 'entity', values: 'numbers' },
};

/** How the bytes of each of these operations begin, and of no other operation of metadata. */
const BEGINNING = Buffer.from('{"op":"access.', 'latin1');

export function isAccessOperation(bytes: Buffer): boolean {
  return bytes.subarray(0, BEGINNING.length).equals(BEGINNING);
}

/** One JSON object in UTF-8, `{"op":"access.user.delete","user":"u"}`. */
export function encodeAccessOperation(operation: AccessOperation): Buffer {
  const { op, ...fields } = operation;
  return Buffer.from(JSON.stringify({ op, ...fields }), 'utf8');
}

/** @throws Error if the bytes are not an operation that this version of Sluice knows */
export function decodeAccessOperation(bytes: Buffer): AccessOperation {
  const json = JSON.parse(bytes.toString('utf8')) as { readonly [field: string]: unknown };
  const op = String(json.op);
  if (!Object.hasOwn(fieldsOf, op)) throw new Error(`unknown metadata operation '${op}'`);
  for (const [field, type] of Object.entries(fieldsOf[op as AccessOperation['op']])) {
    if (!isOfType(type, json[field])) throw new Error(`metadata operation '${op}' has no valid '${field}'`);
  }
  return json as unknown as AccessOperation;
}

function isOfType(type: FieldType, value: unknown): boolean {
  switch (type) {
    case 'string':
      return typeof value === 'string';
    case 'strings':
      return Array.isArray(value) && value.every((each) => typeof each === 'string');
    case 'limits':
      return isObject(value) && Object.values(value).every((each) => Number.isSafeInteger(each));
    case 'password':
      return value === null || (isObject(value) && isHash(value));
    case 'scram':
      return value === undefined || (isObject(value) && Object.entries(value).every(isScram));
    case 'acl':
      return isObject(value) && ACL_FIELDS.every((field) => typeof value[field] === 'string');
    case 'entity':
      return (
        isObject(value) && Object.values(value).every((each) => each === null || typeof each === 'string')
      );
    case 'numbers':
      return isObject(value) && Object.values(value).every((each) => typeof each === 'number');
  }
}

function isHash({ algorithm, n, r, p, salt, hash }: { readonly [key: string]: unknown }): boolean {
  return (
    algorithm === 'scrypt' &&
    [n, r, p].every(Number.isSafeInteger) &&
    typeof salt === 'string' &&
    typeof hash === 'string'
  );
}

const ACL_FIELDS: readonly (keyof Acl)[] = [
  'resource',
  'name',
  'pattern',
  'principal',
  'host',
  'operation',
  'permission',
];

function isScram([mechanism, value]: readonly [string, unknown]): boolean {
  if (!isScramMechanism(mechanism) || !isObject(value) || value.algorithm !== mechanism) return false;
  const { iterations, salt, storedKey, serverKey } = value;
  return (
    Number.isSafeInteger(iterations) && [salt, storedKey, serverKey].every((each) => typeof each === 'string')
  );
}

function isObject(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
