import type { AccessOperation, VhostLimits } from './operations.ts';
import { grant, type TopicGrant, topicGrant, User } from './user.ts';

/** All users, and the limits of the virtual hosts: what the operations make of nothing. Nothing is checked here. */
export class AccessState {
  readonly users = new Map<string, User>();
  readonly vhostLimits = new Map<string, VhostLimits>();
  hasBegun = false;

  /** @throws BrokerError precondition-failed if a pattern is not valid; then nothing has changed */
  apply(operation: AccessOperation): void {
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
        const { topicGrants } = this.#user(user);
        const made = topicGrant(user, vhost, operation);
        const inVhost = topicGrants.get(vhost) ?? new Map<string, TopicGrant>();
        topicGrants.set(vhost, inVhost.set(exchange, made));
        return;
      }
      case 'access.topic.clear':
        this.#clearTopic(operation.user, operation.vhost, operation.exchange);
        return;
      case 'access.vhost-limits.set':
        if (Object.keys(operation.limits).length === 0) this.vhostLimits.delete(operation.vhost);
        else this.vhostLimits.set(operation.vhost, operation.limits);
    }
  }

  /** Operations that make the same state of an empty one. */
  snapshot(): AccessOperation[] {
    if (!this.hasBegun) return [];
    const operations: AccessOperation[] = [{ op: 'access.begin' }];
    for (const user of this.users.values()) operations.push(...operationsOf(user));
    for (const [vhost, limits] of this.vhostLimits) {
      operations.push({ op: 'access.vhost-limits.set', vhost, limits });
    }
    return operations;
  }

  #setUser(operation: AccessOperation & { readonly op: 'access.user.set' }): void {
    let user = this.users.get(operation.user);
    if (user === undefined) {
      user = new User(operation.user);
      this.users.set(user.name, user);
    }
    user.password = operation.password;
    user.tags = new Set(operation.tags);
    user.limits = operation.limits;
  }

  #deleteUser(name: string): void {
    const user = this.users.get(name);
    if (user === undefined) return;
    this.users.delete(name);
    user.isDeleted = true;
    user.grants.clear();
    user.topicGrants.clear();
  }

  #clearTopic(name: string, vhost: string, exchange: string): void {
    const topicGrants = this.users.get(name)?.topicGrants;
    const inVhost = topicGrants?.get(vhost);
    inVhost?.delete(exchange);
    if (inVhost?.size === 0) topicGrants?.delete(vhost);
  }

  #user(name: string): User {
    const user = this.users.get(name);
    if (user === undefined)
      throw new Error(`the journal gives permissions to user '${name}', who is not there`);
    return user;
  }
}

export function userSet({ name, password, tags, limits }: User): AccessOperation & { op: 'access.user.set' } {
  return { op: 'access.user.set', user: name, password, tags: [...tags], limits };
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
  for (const [vhost, exchanges] of user.topicGrants) {
    for (const [exchange, { write, read }] of exchanges) {
      operations.push({
        op: 'access.topic.set',
        user: user.name,
        vhost,
        exchange,
        write: write.source,
        read: read.source,
      });
    }
  }
  return operations;
}
