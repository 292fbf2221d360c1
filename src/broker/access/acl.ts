/** What something can be done to. The whole broker, as far as a virtual host is concerned, is the cluster. */
export type AclResource = 'topic' | 'group' | 'cluster' | 'transactional-id' | 'user';

export type AclOperation =
  | 'all'
  | 'read'
  | 'write'
  | 'create'
  | 'delete'
  | 'alter'
  | 'describe'
  | 'cluster-action'
  | 'describe-configs'
  | 'alter-configs'
  | 'idempotent-write'
  | 'create-tokens'
  | 'describe-tokens'
  | 'two-phase-commit';

/** One line of an access control list. */
export interface Acl {
  readonly resource: AclResource;
  /** A literal `*` stands for every name. */
  readonly name: string;
  /** Whether `name` is the whole of the name, or how names begin. */
  readonly pattern: 'literal' | 'prefixed';
  /** `User:ada`, or `User:*` for everybody. */
  readonly principal: string;
  /** An address, or `*` for every one. */
  readonly host: string;
  readonly operation: AclOperation;
  readonly permission: 'allow' | 'deny';
}

/** Undefined or null where anything will do. `match`: patterns of all kinds that are about the resource `name`. */
export type AclFilter = { readonly [field in Exclude<keyof Acl, 'pattern'>]?: Acl[field] | null } & {
  readonly pattern?: Acl['pattern'] | 'match' | null;
};

/** What can be done to each kind of resource. */
export const ACL_OPERATIONS: { readonly [resource in AclResource]: readonly AclOperation[] } = {
  topic: ['read', 'write', 'create', 'describe', 'delete', 'alter', 'describe-configs', 'alter-configs'],
  group: ['read', 'describe', 'delete', 'describe-configs', 'alter-configs'],
  cluster: [
    'create',
    'cluster-action',
    'describe-configs',
    'alter-configs',
    'idempotent-write',
    'alter',
    'describe',
  ],
  'transactional-id': ['describe', 'write', 'two-phase-commit'],
  user: ['create-tokens', 'describe-tokens'],
};

export const ANY_USER = 'User:*';
export const ANY_HOST = '*';
export const ANY_NAME = '*';
/** The name that the one resource of the kind `cluster` has. */
export const CLUSTER_NAME = 'kafka-cluster';

/** Which operations, if they are allowed, allow this one too. What is denied is denied by itself or by `all`. */
const IMPLIED_BY: { readonly [operation in AclOperation]?: readonly AclOperation[] } = {
  describe: ['read', 'write', 'delete', 'alter'],
  'describe-configs': ['alter-configs'],
};

export function isAbout(acl: Acl, operation: AclOperation): boolean {
  if (acl.operation === operation || acl.operation === 'all') return true;
  return acl.permission === 'allow' && (IMPLIED_BY[operation]?.includes(acl.operation) ?? false);
}

export function coversName(acl: Pick<Acl, 'name' | 'pattern'>, name: string): boolean {
  if (acl.pattern === 'prefixed') return name.startsWith(acl.name);
  return acl.name === name || acl.name === ANY_NAME;
}

export function fitsFilter(acl: Acl, filter: AclFilter): boolean {
  // Some millions of pairs are compared for one request.
  const { resource, principal, host, operation, permission, name = null, pattern = null } = filter;
  if (pattern !== 'match' && name !== null && name !== acl.name) return false;
  if (isOther(resource, acl.resource) || isOther(principal, acl.principal)) return false;
  if (isOther(host, acl.host) || isOther(operation, acl.operation)) return false;
  if (isOther(permission, acl.permission)) return false;
  if (pattern === 'match') return name === null || coversName(acl, name);
  return pattern === null || pattern === acl.pattern;
}

function isOther(wanted: string | null | undefined, is: string): boolean {
  return wanted !== undefined && wanted !== null && wanted !== is;
}

/** The same for two that say the same. */
export function aclKey({ resource, name, pattern, principal, host, operation, permission }: Acl): string {
  return JSON.stringify([resource, name, pattern, principal, host, operation, permission]);
}

/** Why it makes no sense; null if it does. */
export function problemOf({ resource, name, principal, host }: Acl): string | null {
  if (name === '') return 'the name of the resource is empty';
  if (resource === 'cluster' && name !== CLUSTER_NAME) {
    return `the only name of a cluster is ${CLUSTER_NAME}`;
  }
  if (!/^User:./su.test(principal))
    return `'${principal}' is no principal: that is User:<name>, or ${ANY_USER}`;
  if (host === '') return `the host is empty: give an address, or ${ANY_HOST} for every one`;
  const longest = Math.max(name.length, principal.length, host.length);
  return longest > TEXT_LENGTH_MAX ? `a name is longer than ${TEXT_LENGTH_MAX} characters` : null;
}

const TEXT_LENGTH_MAX = 1024;
