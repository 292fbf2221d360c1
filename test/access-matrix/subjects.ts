import type { Rights } from '../access/access-server.ts';

/** Who asks. The names of everything that is asked for begin with `secret`. */
export interface Subject {
  readonly name: string;
  readonly rights: Rights;
  /** How Kafka clients come in, if not with their password. */
  readonly isAnonymous?: true;
  /** Whether it can come in at all. */
  readonly isRefused?: true;
}

const SECRET = '^secret';
const ALL = { configure: SECRET, write: SECRET, read: SECRET };

function lists(permission: 'allow' | 'deny') {
  const resources = ['topic', 'group', 'transactional-id'] as const;
  return resources.map(
    (resource) => ({ resource, permission, name: 'secret', pattern: 'prefixed' }) as const,
  );
}

export const SUBJECTS: readonly Subject[] = [
  { name: 'nothing', rights: {} },
  { name: 'configure', rights: { configure: SECRET } },
  { name: 'write', rights: { write: SECRET } },
  { name: 'read', rights: { read: SECRET } },
  { name: 'all three', rights: ALL },
  { name: 'all three, keys a.*', rights: { ...ALL, topics: { secret: { write: '^a\\.', read: '^a\\.' } } } },
  { name: 'ACLs allow', rights: { acls: lists('allow') } },
  { name: 'all three, ACLs deny', rights: { ...ALL, acls: lists('deny') } },
  { name: 'administrator', rights: { tags: ['administrator'] } },
  { name: 'monitoring', rights: { tags: ['monitoring'] } },
  { name: 'policymaker', rights: { tags: ['policymaker'] } },
  { name: 'management', rights: { tags: ['management'] } },
  { name: 'write, impersonator', rights: { write: SECRET, tags: ['impersonator'] } },
  { name: 'all three in another vhost', rights: { ...ALL, vhost: 'other' }, isRefused: true },
  { name: 'not logged in', rights: { ...ALL, tags: ['administrator'] }, isAnonymous: true },
];

export type Verb = 'configure' | 'write' | 'read';

/** Whether it has the permission: RabbitMQ's page "Access Control", of the virtual host it is in. */
export function hasPermission({ rights, isRefused }: Subject, verb: Verb): boolean {
  return isRefused !== true && rights[verb] !== undefined;
}

/** Null: no list says anything. */
export function listSays({ rights }: Subject): 'allow' | 'deny' | null {
  return (rights.acls?.[0]?.permission as 'allow' | 'deny' | undefined) ?? null;
}

/** Tags are those of users who have logged in. */
export function hasTag({ rights, isAnonymous }: Subject, tag: string): boolean {
  return isAnonymous !== true && (rights.tags?.includes(tag) ?? false);
}
