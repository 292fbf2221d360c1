import type { OwnLimits } from '../budget/object-quotas.ts';
import { BrokerError } from '../errors.ts';
import type { AnyQueue } from '../queues/any-queue.ts';
import type { VirtualHost } from '../topology/virtual-host.ts';
import { AccessChanges } from './access-changes.ts';
import type { AccessDeps } from './access-ports.ts';
import { AccessState, type InvalidPattern } from './access-state.ts';
import { Acls } from './acls.ts';
import { Administration } from './administration.ts';
import { Authorizer } from './authorizer.ts';
import { ClientQuota } from './client-quota.ts';
import { Clients } from './clients.ts';
import { Credentials } from './credentials.ts';
import { mayLogIn, type Verify } from './login-check.ts';
import type { AccessOperation } from './operations.ts';
import { GUEST_PASSWORD } from './password.ts';
import { type Asking, type PasswordCheck, passwords } from './password-verifier.ts';
import { Quotas } from './quotas.ts';
import { GUEST_SCRAM } from './scram.ts';
import type { TopicVerb } from './topic-authorization.ts';
import type { User, Verb } from './user.ts';

/** An authenticated user, as connections hold on to it. */
export type Identity = User;

export type ResourceKind = 'queue' | 'exchange';

/**
 * Who may connect, and what each may do. Nothing of it is per message: what a server keeps of an answer (that a user
 * may publish by a route) it keeps no longer than the version of the virtual host, which changes with permissions too.
 *
 * The texts of the errors are RabbitMQ's.
 */
export class Access {
  /** Those that have opened a virtual host: added and deleted by the servers. */
  readonly clients: Clients;
  /** Users, permissions, limits and virtual hosts: to list and to change. */
  readonly administration: Administration;
  readonly acls: Acls;
  readonly quotas: Quotas;
  readonly credentials: Credentials;
  readonly #state: AccessState;
  readonly #deps: AccessDeps;

  constructor(deps: AccessDeps) {
    this.#deps = deps;
    this.clients = new Clients(deps.connectionsOfAll);
    if (deps.shards > 1) passwords.shareWith(deps.shards);
    this.#state = new AccessState(deps.quotas);
    const changes = new AccessChanges(this.#state, deps);
    this.administration = new Administration(this.#state, changes, this.clients, deps);
    this.acls = new Acls(this.#state, changes, (name) => deps.vhosts.get(name) !== undefined);
    this.quotas = new Quotas(this.#state, changes, deps.clock, deps.ratesOfAll);
    this.credentials = new Credentials(this.#state, changes);
  }

  /**
   * The user, or null if there is none with this password who may connect from there: see `mayLogIn` for how long it takes.
   * `from.address`: where the client is, whose logins are checked in turn with those of other addresses.
   * @throws BrokerError resource-error if too many ask at once
   */
  async authenticate(
    name: string,
    password: string,
    isLoopback: boolean,
    from: Omit<Asking, 'user'> = { address: '' },
  ): Promise<Identity | null> {
    const asking = { ...from, user: name };
    const user = this.#state.users.get(name);
    const expected = user === undefined ? null : checkOf(user);
    const mayCome = user !== undefined && this.#mayComeFrom(user, isLoopback);
    const verify: Verify = (secret, check) => passwords.verify(secret, check, asking);
    if (!(await mayLogIn(verify, name, password, expected, mayCome)) || user === undefined) return null;
    // What was true when it was asked may not be so any more.
    if (user.isDeleted || checkOf(user) !== expected) return null;
    return user;
  }

  hasUser(name: string): boolean {
    return this.#state.users.has(name);
  }

  userNamed(name: string): Identity | undefined {
    return this.#state.users.get(name);
  }

  isAdministrator(name: string): boolean {
    return this.#state.users.get(name)?.tags.has('administrator') ?? false;
  }

  /** Whether the user has the password that a new data directory gives it, which everybody knows. */
  hasDefaultPassword(name: string): boolean {
    return this.#state.users.get(name)?.password?.hash === GUEST_PASSWORD.hash;
  }

  /** Undefined for a user that is not there. */
  objectLimitsOfUser(name: string): OwnLimits | undefined {
    const user = this.#state.users.get(name);
    return user === undefined ? undefined : { isAdministrator: user.isAdministrator, limits: user.limits };
  }

  objectLimitsOfVhost(name: string): OwnLimits['limits'] | undefined {
    return this.#state.vhostLimits.get(name);
  }

  /** For a user whose name was proved in another way: by a client certificate. */
  authenticateExternal(name: string, isLoopback: boolean): Identity | null {
    const user = this.#state.users.get(name);
    return user !== undefined && this.#mayComeFrom(user, isLoopback) ? user : null;
  }

  /**
   * What this user may do there. `anonymousAs`: the name under which access control lists know a client that has not logged
   * in, for which the user stands; null for the user itself.
   */
  authorizer(user: Identity, vhost: string, host: string, anonymousAs: string | null = null): Authorizer {
    const names = anonymousAs === null ? [user.name] : [user.name, anonymousAs];
    const principals = names.map((name) => `User:${name}`);
    return new Authorizer(this.#state, user, vhost, { principals, host }, anonymousAs !== null);
  }

  /** Patterns of permissions that deny everything because they are none, for the log. */
  invalidPatterns(): Iterable<InvalidPattern> {
    return this.#state.invalidPatterns();
  }

  clientQuota(user: string, clientId: string): ClientQuota {
    return new ClientQuota(this.quotas, user, clientId);
  }

  /** @throws BrokerError not-allowed if it is not there, is full, or is not for this user */
  openVhost(user: Identity, name: string): VirtualHost<AnyQueue> {
    const vhost = this.#deps.vhosts.get(name);
    if (vhost === undefined) throw new BrokerError('not-allowed', `vhost ${name} not found`);
    const refused = `access to vhost '${name}' refused for user '${user.name}'`;
    const inVhost = this.#state.vhostLimits.get(name)?.['max-connections'];
    if (inVhost !== undefined && this.clients.countInVhost(name) >= inVhost) {
      throw new BrokerError('not-allowed', `${refused}: connection limit (${inVhost}) is reached`);
    }
    const ofUser = user.limits['max-connections'];
    if (ofUser !== undefined && this.clients.countOfUser(user) >= ofUser) {
      throw new BrokerError(
        'not-allowed',
        `connection refused for user '${user.name}': user connection limit (${ofUser}) is reached`,
      );
    }
    if (!this.#mayOpen(user, name)) throw new BrokerError('not-allowed', refused);
    return vhost;
  }

  /** @throws BrokerError access-refused */
  check(user: Identity, vhost: string, verb: Verb, kind: ResourceKind, name: string): void {
    const resource = kind === 'exchange' && name === '' ? 'amq.default' : name;
    if (user.may(verb, vhost, resource)) return;
    throw new BrokerError(
      'access-refused',
      `access to ${kind} '${resource}' in vhost '${vhost}' refused for user '${user.name}'`,
    );
  }

  /**
   * Whether a user may still write to an exchange that something leads to because this user declared it so: a dead-letter or
   * alternate exchange. When the user is deleted, what was allowed when it was declared goes on: nobody's rights were taken.
   */
  mayStillWrite(
    name: string,
    vhost: string,
    exchange: string,
    routingKeys: readonly string[] | null,
  ): boolean {
    const user = this.#state.users.get(name);
    if (user === undefined) return true;
    if (!user.may('write', vhost, exchange === '' ? 'amq.default' : exchange)) return false;
    return routingKeys?.every((key) => user.topicGrants.allow('write', vhost, exchange, key)) ?? true;
  }

  /** For exchanges of type topic alone: to publish with a routing key is to write, to bind with it to read. */
  checkTopic(user: Identity, vhost: string, verb: TopicVerb, exchange: string, routingKey: string): void {
    if (user.topicGrants.allow(verb, vhost, exchange, routingKey)) return;
    throw new BrokerError(
      'access-refused',
      `access to topic '${routingKey}' in exchange '${exchange}' in vhost '${vhost}' ` +
        `refused for user '${user.name}'`,
    );
  }

  /** A stream is read whatever its routing keys are: not by one who is held to some. @throws BrokerError access-refused */
  checkWholeStream(user: Identity, vhost: string, stream: string): void {
    const pattern = user.topicGrants.pattern('read', vhost, stream);
    if (pattern === null) return;
    throw new BrokerError(
      'access-refused',
      `access to stream '${stream}' in vhost '${vhost}' refused for user '${user.name}': topic permissions allow ` +
        `the routing keys '${pattern.source}' alone, and a stream is read with all of them`,
    );
  }

  /** Before a channel is opened. @throws BrokerError not-allowed */
  checkChannelLimit(user: Identity, vhost: string): void {
    const { quotas } = this.#deps;
    const refusal = quotas.refusal('channels', quotas.account(user.name), vhost);
    if (refusal === null) return;
    const limit = user.limits['max-channels'];
    const count = quotas.count('channels', { user: user.name });
    if (limit === undefined || count < limit) throw new BrokerError('not-allowed', refusal.text);
    throw new BrokerError(
      'not-allowed',
      `number of channels opened for user '${user.name}' has reached the maximum allowed user limit of (${limit})`,
    );
  }

  /** Before a queue is made on behalf of a client. @throws BrokerError precondition-failed */
  checkQueueLimit(vhost: string, queue: string): void {
    const limit = this.#state.vhostLimits.get(vhost)?.['max-queues'];
    if (limit === undefined || (this.#deps.vhosts.get(vhost)?.queueCount ?? 0) < limit) return;
    throw new BrokerError(
      'precondition-failed',
      `cannot declare queue '${queue}': queue limit in vhost '${vhost}' (${limit}) is reached`,
    );
  }

  /** Recovery: repeats a journaled change, and journals nothing. */
  apply(operation: AccessOperation): void {
    this.#state.apply(operation);
  }

  snapshot(): AccessOperation[] {
    return this.#state.snapshot();
  }

  /** After recovery: on a new data directory makes what there has to be for somebody to begin. */
  begin(): void {
    if (this.#state.hasBegun) return;
    const { vhosts, log } = this.#deps;
    vhosts.create('/');
    const user = 'guest';
    const operations: AccessOperation[] = [
      { op: 'access.begin' },
      {
        op: 'access.user.set',
        user,
        password: GUEST_PASSWORD,
        scram: GUEST_SCRAM,
        tags: ['administrator'],
        limits: {},
      },
      { op: 'access.permissions.set', user, vhost: '/', configure: '.*', write: '.*', read: '.*' },
    ];
    for (const operation of operations) {
      this.#state.apply(operation);
      log.append(operation);
    }
  }

  /** By permissions, be they empty, or by an access control list that allows something. */
  #mayOpen(user: User, vhost: string): boolean {
    if (user.isDeleted) return false;
    return user.mayOpen(vhost) || (this.#state.acls.get(vhost)?.names([`User:${user.name}`]) ?? false);
  }

  #mayComeFrom(user: User, isLoopback: boolean): boolean {
    return isLoopback || !this.#deps.loopbackUsers.includes(user.name);
  }
}

/** Who has no hash has set the password by SCRAM alone: it is the one that was set last. */
function checkOf({ password, scram }: User): PasswordCheck | null {
  return password ?? Object.values(scram).at(-1) ?? null;
}
