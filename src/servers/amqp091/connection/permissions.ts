import type { Access, Identity, ResourceKind } from '../../../broker/access/access.ts';
import type { AnyQueue } from '../../../broker/queues/any-queue.ts';
import type { Exchange } from '../../../broker/topology/exchange.ts';

/** What the user of a connection may do in its virtual host. Every method throws BrokerError access-refused. */
export class Permissions {
  readonly user: Identity;
  readonly #access: Access;
  readonly #vhost: string;

  constructor(access: Access, user: Identity, vhost: string) {
    this.user = user;
    this.#access = access;
    this.#vhost = vhost;
  }

  configure(kind: ResourceKind, name: string): void {
    this.#access.check(this.user, this.#vhost, 'configure', kind, name);
  }

  write(kind: ResourceKind, name: string): void {
    this.#access.check(this.user, this.#vhost, 'write', kind, name);
  }

  read(kind: ResourceKind, name: string): void {
    this.#access.check(this.user, this.#vhost, 'read', kind, name);
  }

  /** RabbitMQ's topic permissions: of topic exchanges, beside `write` or `read` of the exchange. */
  topic(verb: 'write' | 'read', exchange: Exchange<AnyQueue>, routingKey: string): void {
    const { type, arguments: args } = exchange;
    // A delayed exchange is of the type that its argument names.
    if (type.name !== 'topic' && !(type.delays === true && args['x-delayed-type'] === 'topic')) return;
    this.#access.checkTopic(this.user, this.#vhost, verb, exchange.name, routingKey);
  }

  /** Whether `topic` can refuse anything at all. */
  get hasTopicPermissions(): boolean {
    return this.user.topicGrants.has(this.#vhost);
  }

  /** For all routing keys at once, beside `read` of the stream as a queue. */
  wholeStream(name: string): void {
    this.#access.checkWholeStream(this.user, this.#vhost, name);
  }

  /** @throws BrokerError not-allowed if the user has too many */
  openChannel(): void {
    this.#access.checkChannelLimit(this.user, this.#vhost);
  }

  /** @throws BrokerError precondition-failed if the virtual host has too many */
  createQueue(name: string): void {
    this.#access.checkQueueLimit(this.#vhost, name);
  }

  /** RabbitMQ's user tag `impersonator`: may set the property user-id to other names than its own. */
  get mayImpersonate(): boolean {
    return this.user.tags.has('impersonator');
  }
}
