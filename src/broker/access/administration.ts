import { finished, type Work } from '../../base/turn-time.ts';
import { ALL_OBJECT_LIMITS } from '../budget/object-limits.ts';
import { BrokerError } from '../errors.ts';
import type { AccessChanges } from './access-changes.ts';
import type { AccessDeps } from './access-ports.ts';
import { type AccessState, userSet } from './access-state.ts';
import type { Clients } from './clients.ts';
import { keptPassword } from './credentials.ts';
import type { AccessOperation, VhostLimit, VhostLimits } from './operations.ts';
import { PASSWORD_BYTES_MAX } from './password.ts';
import type { TopicPatterns, TopicPermission } from './topic-authorization.ts';
import type { PermissionPatterns, User, UserLimit, UserLimits } from './user.ts';

export interface UserInfo {
  readonly name: string;
  readonly tags: readonly string[];
  readonly hasPassword: boolean;
  /** By which of its mechanisms the user can log in; none for a password that is older than SCRAM. */
  readonly scram: readonly string[];
  readonly limits: UserLimits;
}

export interface PermissionInfo extends PermissionPatterns {
  readonly user: string;
  readonly vhost: string;
}

export interface TopicPermissionInfo extends TopicPermission {
  readonly user: string;
}

export interface VhostInfo {
  readonly name: string;
  readonly limits: VhostLimits;
  readonly queueCount: number;
  readonly connectionCount: number;
}

export interface PermissionFilter {
  readonly user?: string;
  readonly vhost?: string;
}

const NAME_BYTES_MAX = 255;
const OBJECT_LIMITS = ALL_OBJECT_LIMITS.map((limit) => `max-${limit}` as const);
const USER_LIMITS: readonly UserLimit[] = ['max-connections', ...OBJECT_LIMITS];
const VHOST_LIMITS: readonly VhostLimit[] = ['max-connections', ...OBJECT_LIMITS];

/**
 * What administrators list and change. A change is in effect when the call returns, for those that are connected too;
 * the promise resolves when it is durable. What cannot be done rejects with a BrokerError and has changed nothing.
 */
export class Administration {
  readonly #state: AccessState;
  readonly #changes: AccessChanges;
  readonly #clients: Clients;
  readonly #deps: AccessDeps;

  constructor(state: AccessState, changes: AccessChanges, clients: Clients, deps: AccessDeps) {
    this.#state = state;
    this.#changes = changes;
    this.#clients = clients;
    this.#deps = deps;
  }

  listUsers(): UserInfo[] {
    return Array.from(this.#state.users.values(), ({ name, tags, password, scram, limits }) => ({
      name,
      tags: [...tags],
      hasPassword: password !== null || Object.keys(scram).length > 0,
      scram: Object.keys(scram).sort(),
      limits,
    }));
  }

  /** Without a password, the user can only be let in by a certificate. */
  async addUser(name: string, password: string | null, tags: readonly string[] = []): Promise<void> {
    checkName('user', name);
    checkTags(tags);
    this.#refuseExisting(name);
    const { events } = this.#deps;
    const { actor } = events;
    const kept = await keptPassword(checkedPassword(password));
    // It took its time; somebody may have been quicker.
    this.#refuseExisting(name);
    await events.as(actor, () =>
      this.#change({ op: 'access.user.set', user: name, ...kept, tags, limits: {} }),
    );
  }

  /** Who is connected stays so. Null: no password is right any more. */
  async changePassword(name: string, password: string | null): Promise<void> {
    this.#user(name);
    const { events } = this.#deps;
    const { actor } = events;
    const kept = await keptPassword(checkedPassword(password));
    await events.as(actor, () => this.#change({ ...userSet(this.#user(name)), ...kept }));
  }

  async setTags(name: string, tags: readonly string[]): Promise<void> {
    checkTags(tags);
    await this.#change({ ...userSet(this.#user(name)), tags });
  }

  /** The user's connections are closed. */
  async deleteUser(name: string): Promise<void> {
    let done: unknown;
    for (const step of this.deleteUserInSteps(name)) done = step;
    await done;
  }

  /** The user is gone at once, and may log in no more; its connections are closed one by one. */
  *deleteUserInSteps(name: string): Work<void> {
    const user = this.#user(name);
    const vhosts = [...user.grants.keys()];
    const done = this.#change({ op: 'access.user.delete', user: name });
    for (const vhost of vhosts) this.#invalidate(vhost);
    yield* this.closeUserInSteps(user);
    yield done;
  }

  /** The user is deleted. */
  *closeUserInSteps(user: User): Work<void> {
    for (const client of [...this.#clients.ofUser(user)]) {
      client.close(`user '${user.name}' is deleted`);
      yield;
    }
  }

  /** Only those that are given change. A negative number takes a limit away. */
  async setUserLimits(name: string, limits: UserLimits): Promise<void> {
    const user = this.#user(name);
    const merged = mergeLimits(USER_LIMITS, user.limits, limits);
    await this.#change({ ...userSet(user), limits: merged });
  }

  async clearUserLimits(name: string, limit: UserLimit | 'all' = 'all'): Promise<void> {
    const user = this.#user(name);
    const limits = limit === 'all' ? {} : mergeLimits(USER_LIMITS, user.limits, { [limit]: -1 });
    await this.#change({ ...userSet(user), limits });
  }

  async setPermissions(name: string, vhost: string, patterns: PermissionPatterns): Promise<void> {
    this.#user(name);
    this.#checkVhost(vhost);
    const { configure, write, read } = patterns;
    await this.#changeIn(vhost, {
      op: 'access.permissions.set',
      user: name,
      vhost,
      configure,
      write,
      read,
    });
  }

  /** The user may not open the virtual host any more; who is connected stays so, and may do nothing. */
  async clearPermissions(name: string, vhost: string): Promise<void> {
    this.#user(name);
    this.#checkVhost(vhost);
    await this.#changeIn(vhost, { op: 'access.permissions.clear', user: name, vhost });
  }

  listPermissions(filter: PermissionFilter = {}): PermissionInfo[] {
    return this.#users(filter).flatMap((user) =>
      Array.from(user.grants, ([vhost, { configure, write, read }]) => ({
        user: user.name,
        vhost,
        configure: configure.source,
        write: write.source,
        read: read.source,
      })).filter(({ vhost }) => filter.vhost === undefined || vhost === filter.vhost),
    );
  }

  async setTopicPermissions(
    name: string,
    vhost: string,
    exchange: string,
    { write, read }: TopicPatterns,
  ): Promise<void> {
    this.#user(name);
    this.#checkVhost(vhost);
    await this.#changeIn(vhost, { op: 'access.topic.set', user: name, vhost, exchange, write, read });
  }

  /** Of one exchange, or of all in the virtual host. */
  async clearTopicPermissions(name: string, vhost: string, exchange: string | null = null): Promise<void> {
    const user = this.#user(name);
    this.#checkVhost(vhost);
    const exchanges = exchange === null ? user.topicGrants.exchangesIn(vhost) : [exchange];
    const done = this.#changes.makeAll(
      exchanges.map((each) => ({ op: 'access.topic.clear', user: name, vhost, exchange: each }) as const),
    );
    this.#invalidate(vhost);
    await done;
  }

  listTopicPermissions(filter: PermissionFilter = {}): TopicPermissionInfo[] {
    return this.#users(filter).flatMap((user) =>
      [...user.topicGrants]
        .filter(({ vhost }) => filter.vhost === undefined || vhost === filter.vhost)
        .map((permission) => ({ user: user.name, ...permission })),
    );
  }

  listVhosts(): VhostInfo[] {
    return Array.from(this.#deps.vhosts, ({ name, queueCount }) => ({
      name,
      limits: this.#state.vhostLimits.get(name) ?? {},
      queueCount,
      connectionCount: this.#clients.countInVhost(name),
    }));
  }

  /** Of this shard. */
  connectionCountIn(vhost: string): number {
    return this.#clients.inVhost(vhost).size;
  }

  /** One that is there already is left as it is. Nobody may use a new one until permissions are set. */
  async createVhost(name: string): Promise<void> {
    checkName('vhost', name);
    if (this.#deps.vhosts.get(name) === undefined) {
      this.#deps.vhosts.create(name);
      this.#deps.events.emitByActor('vhost.created', { name });
    }
    await this.#deps.durable();
  }

  /** Before the virtual host is deleted. */
  *closeClientsInSteps(vhost: string): Work<void> {
    for (const client of [...this.#clients.inVhost(vhost)]) {
      client.close(`vhost '${vhost}' is deleted`);
      yield;
    }
  }

  /** With all that is in it, and the permissions for it. Its connections are closed. */
  async deleteVhost(name: string): Promise<void> {
    this.#checkVhost(name);
    finished(this.closeClientsInSteps(name));
    const operations: AccessOperation[] = [];
    for (const { user, vhost } of this.listPermissions({ vhost: name })) {
      operations.push({ op: 'access.permissions.clear', user, vhost });
    }
    for (const { user, vhost, exchange } of this.listTopicPermissions({ vhost: name })) {
      operations.push({ op: 'access.topic.clear', user, vhost, exchange });
    }
    operations.push({ op: 'access.vhost-limits.set', vhost: name, limits: {} });
    operations.push({ op: 'access.acl.clear', vhost: name });
    this.#changes.apply(operations);
    this.#deps.vhosts.delete(name);
    this.#deps.events.emitByActor('vhost.deleted', { name });
    await this.#deps.durable();
  }

  /** Only those that are given change. A negative number takes a limit away. */
  async setVhostLimits(name: string, limits: VhostLimits): Promise<void> {
    this.#checkVhost(name);
    const merged = mergeLimits(VHOST_LIMITS, this.#state.vhostLimits.get(name) ?? {}, limits);
    await this.#change({ op: 'access.vhost-limits.set', vhost: name, limits: merged });
  }

  async clearVhostLimits(name: string, limit: VhostLimit | 'all' = 'all'): Promise<void> {
    const none = limit === 'all' ? VHOST_LIMITS : [limit];
    await this.setVhostLimits(name, Object.fromEntries(none.map((each) => [each, -1])));
  }

  /** In effect, and in the journal, at once; the promise is for the disk. */
  #change(...operations: readonly AccessOperation[]): Promise<void> {
    return this.#changes.make(...operations);
  }

  #changeIn(vhost: string, ...operations: readonly AccessOperation[]): Promise<void> {
    const done = this.#change(...operations);
    this.#invalidate(vhost);
    return done;
  }

  /** Servers remember by which routes a user may publish. */
  #invalidate(vhost: string): void {
    this.#deps.vhosts.get(vhost)?.invalidateRoutes();
  }

  #users(filter: PermissionFilter): User[] {
    return filter.user === undefined ? [...this.#state.users.values()] : [this.#user(filter.user)];
  }

  #user(name: string): User {
    const user = this.#state.users.get(name);
    if (user === undefined) throw new BrokerError('not-found', `no user '${name}'`);
    return user;
  }

  #checkVhost(name: string): void {
    if (this.#deps.vhosts.get(name) === undefined) throw new BrokerError('not-found', `no vhost '${name}'`);
  }

  #refuseExisting(name: string): void {
    if (!this.#state.users.has(name)) return;
    throw new BrokerError('precondition-failed', `user '${name}' already exists`);
  }
}

function checkName(kind: 'user' | 'vhost', name: string): void {
  const bytes = Buffer.byteLength(name);
  if (bytes > 0 && bytes <= NAME_BYTES_MAX) return;
  throw new BrokerError(
    'precondition-failed',
    `the name of a ${kind} has 1 to ${NAME_BYTES_MAX} bytes, not ${bytes}`,
  );
}

/** As in RabbitMQ, any word is a tag; only some mean something. */
function checkTags(tags: readonly string[]): void {
  for (const tag of tags) {
    if (/^[\w-]{1,64}$/.test(tag)) continue;
    throw new BrokerError(
      'precondition-failed',
      `'${tag.slice(0, 64)}' is no tag: letters, digits, '_' and '-', at most 64 of them`,
    );
  }
}

function checkedPassword(password: string | null): string | null {
  if (password === null) return null;
  const bytes = Buffer.byteLength(password);
  if (bytes > 0 && bytes <= PASSWORD_BYTES_MAX) return password;
  throw new BrokerError(
    'precondition-failed',
    `a password has 1 to ${PASSWORD_BYTES_MAX} bytes, not ${bytes}`,
  );
}

function mergeLimits<Name extends string>(
  known: readonly Name[],
  before: { readonly [name in Name]?: number },
  changes: { readonly [name in Name]?: number },
): { readonly [name in Name]?: number } {
  for (const [name, value] of Object.entries(changes)) {
    if (!known.includes(name as Name)) {
      throw new BrokerError(
        'precondition-failed',
        `there is no limit '${name}'; there are ${known.join(', ')}`,
      );
    }
    if (!Number.isSafeInteger(value)) {
      throw new BrokerError('precondition-failed', `limit '${name}' is a whole number, not '${value}'`);
    }
  }
  const merged = Object.entries<number | undefined>({ ...before, ...changes });
  return Object.fromEntries(merged.filter(([, value]) => value !== undefined && value >= 0)) as {
    readonly [name in Name]?: number;
  };
}
