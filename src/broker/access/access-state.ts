import { ObjectQuotas } from '../budget/object-quotas.ts';
import type { Pattern } from '../policies/pattern.ts';
import { AclTable } from './acl-table.ts';
import type { AccessOperation, VhostLimits } from './operations.ts';
import { entityKey, type Quota } from './quota.ts';
import { topicGrant } from './topic-authorization.ts';
import { grant, User } from './user.ts';

/** All users, access control lists, limits and quotas: what the operations make of nothing. Nothing is checked here. */
export class AccessState {
  readonly users = new Map<string, User>();
  readonly vhostLimits = new Map<string, VhostLimits>();
  /** By virtual host. */
  readonly acls = new Map<string, AclTable>();
  /** By `entityKey`. */
  readonly quotas = new Map<string, Quota>();
  hasBegun = false;
  /** Another one after each change: for those who remember what it came to. */
  version = 0;
  quotaVersion = 0;
  readonly #objects: ObjectQuotas;

  constructor(objects = new ObjectQuotas()) {
    this.#objects = objects;
  }

  /** Patterns that are none match nothing: who makes an operation for a client has checked them. */
  apply(operation: AccessOperation): void {
    this.version++;
    switch (operation.op) {
      case 'access.begin':
        this.hasBegun = true;
        return;
      case 'access.user.set':
        this.#setUser(operation);
        return;
      case 'access.user.delete':
        this.#deleteUser(operation.user);
        return;
      case 'access.permissions.set':
        this.#user(operation.user).grants.set(operation.vhost, grant(operation));
        return;
      case 'access.permissions.clear':
        this.users.get(operation.user)?.grants.delete(operation.vhost);
        return;
      case 'access.topic.set': {
        const { user, vhost, exchange } = operation;
        this.#user(user).topicGrants.set(vhost, exchange, topicGrant(user, vhost, operation));
        return;
      }
      case 'access.topic.clear':
        this.users.get(operation.user)?.topicGrants.delete(operation.vhost, operation.exchange);
        return;
      case 'access.vhost-limits.set':
        if (Object.keys(operation.limits).length === 0) this.vhostLimits.delete(operation.vhost);
        else this.vhostLimits.set(operation.vhost, operation.limits);
        return;
      case 'access.acl.add':
        this.#aclsOf(operation.vhost).add(operation.acl);
        return;
      case 'access.acl.remove':
        this.#aclsOf(operation.vhost).delete(operation.acl);
        return;
      case 'access.acl.clear':
        this.acls.delete(operation.vhost);
        return;
      case 'access.quota.set':
        this.#setQuota(operation);
    }
  }

  /** Patterns of permissions that match nothing because they are none: of an older data directory. */
  *invalidPatterns(): Generator<InvalidPattern> {
    for (const { name: user, grants, topicGrants } of this.users.values()) {
      for (const [vhost, grant] of grants) yield* invalidOf({ user, vhost }, Object.entries(grant));
      for (const { vhost, exchange, verb, pattern } of topicGrants.invalid()) {
        yield* invalidOf({ user, vhost, exchange }, [[verb, pattern]]);
      }
    }
  }

  /** Operations that make the same state of an empty one. */
  snapshot(): AccessOperation[] {
    if (!this.hasBegun) return [];
    const operations: AccessOperation[] = [{ op: 'access.begin' }];
    for (const user of this.users.values()) for (const each of operationsOf(user)) operations.push(each);
    for (const [vhost, limits] of this.vhostLimits) {
      operations.push({ op: 'access.vhost-limits.set', vhost, limits });
    }
    for (const [vhost, table] of this.acls) {
      for (const acl of table) operations.push({ op: 'access.acl.add', vhost, acl });
    }
    for (const quota of this.quotas.values()) operations.push({ op: 'access.quota.set', ...quota });
    return operations;
  }

  #setUser(operation: AccessOperation & { readonly op: 'access.user.set' }): void {
    let user = this.users.get(operation.user);
    if (user === undefined) {
      user = new User(operation.user);
      this.users.set(user.name, user);
    }
    user.password = operation.password;
    user.scram = operation.scram ?? {};
    user.tags = new Set(operation.tags);
    user.limits = operation.limits;
  }

  #deleteUser(name: string): void {
    const user = this.users.get(name);
    if (user === undefined) return;
    this.users.delete(name);
    this.#objects.userDeleted(name);
    user.isDeleted = true;
    user.grants.clear();
    user.topicGrants.clear();
    // Who comes later under the same name is somebody else.
    for (const table of this.acls.values()) {
      for (const acl of table.find({ principal: `User:${name}` })) table.delete(acl);
    }
    for (const [key, { entity }] of this.quotas) {
      if (entity.user !== name) continue;
      this.quotas.delete(key);
      this.quotaVersion++;
    }
  }

  #setQuota({ entity, values }: Quota): void {
    this.quotaVersion++;
    const key = entityKey(entity);
    if (Object.keys(values).length === 0) this.quotas.delete(key);
    else this.quotas.set(key, { entity, values });
  }

  #aclsOf(vhost: string): AclTable {
    let table = this.acls.get(vhost);
    if (table === undefined) this.acls.set(vhost, (table = new AclTable()));
    return table;
  }

  #user(name: string): User {
    const user = this.users.get(name);
    if (user === undefined)
      throw new Error(`the journal gives permissions to user '${name}', who is not there`);
    return user;
  }
}

/** For the log. */
export interface InvalidPattern {
  readonly user: string;
  readonly vhost: string;
  /** Of a permission on topics. */
  readonly exchange?: string;
  readonly permission: string;
  readonly pattern: string;
  readonly problem: string;
}

function* invalidOf(
  whose: Pick<InvalidPattern, 'user' | 'vhost' | 'exchange'>,
  patterns: readonly (readonly [string, Pattern])[],
): Generator<InvalidPattern> {
  for (const [permission, { source, problem }] of patterns) {
    if (problem !== null) yield { ...whose, permission, pattern: source, problem };
  }
}

export function userSet({
  name,
  password,
  scram,
  tags,
  limits,
}: User): AccessOperation & { op: 'access.user.set' } {
  return { op: 'access.user.set', user: name, password, scram, tags: [...tags], limits };
}

function operationsOf(user: User): AccessOperation[] {
  const operations: AccessOperation[] = [userSet(user)];
  for (const [vhost, { configure, write, read }] of user.grants) {
    operations.push({
      op: 'access.permissions.set',
      user: user.name,
      vhost,
      configure: configure.source,
      write: write.source,
      read: read.source,
    });
  }
  for (const permission of user.topicGrants) {
    operations.push({ op: 'access.topic.set', user: user.name, ...permission });
  }
  return operations;
}
