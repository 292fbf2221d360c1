import type { Fields, FieldType } from '../../../src/wire/kafka/declaration.ts';
import { includes } from '../../../src/wire/kafka/declaration.ts';
import { errorName } from '../../../src/wire/kafka/error-codes.ts';

/** The name of everything that is asked for: a topic, a group, a transactional id, a user. */
export const SECRET = 'secret';

/** Where a zero or the name would mean something else than what the request is for. */
const VALUES: { readonly [field: string]: unknown } = {
  acks: -1,
  replicaId: -1,
  resourceType: 2,
  resourcePatternType: 3,
  resourceTypeFilter: 1,
  patternTypeFilter: 1,
  operation: 3,
  permissionType: 3,
  principal: 'User:ada',
  generationIdOrMemberEpoch: -1,
  endpointType: 1,
  mechanism: 1,
  iterations: 4096,
  entityType: 'user',
  timestamp: -1,
  memberEpoch: 0,
  rebalanceTimeoutMs: 1000,
  cursor: null,
};

/** Requests that would make no sense as they are filled in. */
export const OTHERWISE: {
  readonly [request: string]: (id: string) => { readonly [field: string]: unknown };
} = {
  'DeleteTopics v6': (topicId) => ({ topics: [{ name: null, topicId }] }),
  'ShareAcknowledge v1': () => ({ shareSessionEpoch: 1 }),
  'ShareAcknowledge v2': () => ({ shareSessionEpoch: 1 }),
};

/** A request that asks for `secret` wherever it can. */
export function sample(fields: Fields, version: number, topicId: string): { [field: string]: unknown } {
  const made: { [field: string]: unknown } = {};
  for (const [name, field] of Object.entries(fields)) {
    const { type, versions } = field;
    if (!includes(versions, version)) continue;
    made[name] = Object.hasOwn(VALUES, name) ? VALUES[name] : sampleOf(type, version, topicId);
  }
  return made;
}

function sampleOf(type: FieldType, version: number, topicId: string): unknown {
  switch (type.kind) {
    case 'string':
      return SECRET;
    case 'uuid':
      return topicId;
    case 'bool':
      return false;
    case 'bytes':
    case 'records':
      return Buffer.alloc(0);
    case 'array':
      return [sampleOf(type.of, version, topicId)];
    case 'struct':
      return sample(type.fields, version, topicId);
    default:
      return 0;
  }
}

/** All that say what became of something, at any depth. */
export function errorsIn(value: unknown, found: Set<string> = new Set()): Set<string> {
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return found;
  for (const [field, inner] of Object.entries(value)) {
    if (/^(error|partitionError|topicConfigError)Code$/.test(field))
      found.add(errorName(inner as number) ?? String(inner));
    else errorsIn(inner, found);
  }
  found.delete('NONE');
  return found;
}
