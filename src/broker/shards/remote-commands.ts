import { atOnce, awaited, type Work } from '../../base/turn-time.ts';
import type { Json } from '../../base/value-json.ts';
import type { ShardLink } from '../doors/shard-link.ts';
import { BrokerError } from '../errors.ts';
import type { AnyQueue } from '../queues/any-queue.ts';
import type { QueueDeletion } from '../queues/queue-port.ts';
import type { BindingRequest } from '../topology/binding-commands.ts';
import type { DeclarationGuard, QueueDeclaration } from '../topology/declarations.ts';
import type { ExchangeDeclaration } from '../topology/exchange.ts';
import type { StreamPort } from '../topology/ports.ts';
import { serverGeneratedName } from '../topology/queue-commands.ts';
import type { TopologyCommands } from '../topology/topology-commands.ts';
import type { VirtualHost } from '../topology/virtual-host.ts';
import { encodeBinding, encodeExchangeDeclaration, encodeQueueDeclaration } from './command-codec.ts';
import type { Owners } from './owners.ts';

type Vhost = VirtualHost<AnyQueue>;

/**
 * Commands of a shard that follows: shard 0 is asked, and answers when all shards have applied the change. To declare again what
 * is here is answered from the copy.
 */
export class RemoteCommands implements TopologyCommands<AnyQueue> {
  readonly #shard: number;
  readonly #link: ShardLink;
  readonly #owners: Owners;

  constructor(shard: number, link: ShardLink, owners: Owners) {
    this.#shard = shard;
    this.#link = link;
    this.#owners = owners;
  }

  *declareQueue(
    vhost: Vhost,
    declaration: QueueDeclaration,
    owner: object | null,
    guard: DeclarationGuard | null = null,
  ): Work<AnyQueue> {
    if (vhost.findQueue(declaration.name) !== undefined) return vhost.declareQueue(declaration, owner, guard);
    const name = declaration.name === '' ? serverGeneratedName() : declaration.name;
    guard?.declaring(name);
    guard?.creating(name);
    yield* this.#ask('queue.declare', vhost, {
      ...encodeQueueDeclaration(declaration),
      newName: name,
      shard: this.#shard,
      owner: owner === null ? null : this.#owners.nameOf(owner),
    });
    const queue = vhost.findQueue(name);
    if (queue !== undefined) return queue;
    throw new BrokerError(
      'not-found',
      `queue '${name}' in vhost '${vhost.name}' was deleted as soon as it was declared`,
    );
  }

  *deleteQueue(vhost: Vhost, name: string, conditions: QueueDeletion, owner: object | null): Work<number> {
    const count = yield* this.#ask('queue.delete', vhost, {
      name,
      ...conditions,
      owner: owner === null ? null : this.#owners.nameOf(owner),
    });
    return typeof count === 'number' ? count : 0;
  }

  removeQueue({ vhost, name, id }: AnyQueue): void {
    this.#link.tell({ op: 'queue.remove', vhost, name, id });
  }

  *removeExclusiveQueues(vhost: Vhost, owner: object): Work<void> {
    const name = this.#owners.knownName(owner);
    if (name === null) return;
    yield* this.#ask('owner.gone', vhost, { owner: name });
    this.#owners.forget(owner);
  }

  *declareStream(
    vhost: Vhost,
    declaration: QueueDeclaration,
    guard: DeclarationGuard | null = null,
  ): Work<StreamPort> {
    if (vhost.findStream(declaration.name) !== undefined) return vhost.declareStream(declaration, guard);
    guard?.declaring(declaration.name);
    guard?.creating(declaration.name);
    yield* this.#ask('stream.declare', vhost, encodeQueueDeclaration(declaration));
    const stream = vhost.findStream(declaration.name);
    if (stream !== undefined) return stream;
    throw new BrokerError('not-found', `stream '${declaration.name}' was deleted as soon as it was declared`);
  }

  *deleteStream(vhost: Vhost, { name }: StreamPort, conditions: QueueDeletion): Work<number> {
    const count = yield* this.#ask('stream.delete', vhost, { name, ...conditions });
    return typeof count === 'number' ? count : 0;
  }

  *declareExchange(vhost: Vhost, declaration: ExchangeDeclaration): Work<void> {
    if (vhost.findExchange(declaration.name) !== undefined) {
      yield* atOnce(() => void vhost.declareExchange(declaration));
      return;
    }
    yield* this.#ask('exchange.declare', vhost, encodeExchangeDeclaration(declaration));
  }

  *deleteExchange(vhost: Vhost, name: string, ifUnused: boolean): Work<void> {
    yield* this.#ask('exchange.delete', vhost, { name, ifUnused });
  }

  bindQueue(vhost: Vhost, request: BindingRequest, owner: object | null): Work<void> {
    return this.#bind('queue.bind', vhost, request, owner);
  }

  unbindQueue(vhost: Vhost, request: BindingRequest, owner: object | null): Work<void> {
    return this.#bind('queue.unbind', vhost, request, owner);
  }

  bindExchange(vhost: Vhost, request: BindingRequest): Work<void> {
    return this.#bind('exchange.bind', vhost, request, null);
  }

  unbindExchange(vhost: Vhost, request: BindingRequest): Work<void> {
    return this.#bind('exchange.unbind', vhost, request, null);
  }

  *#bind(op: string, vhost: Vhost, request: BindingRequest, owner: object | null): Work<void> {
    yield* this.#ask(op, vhost, {
      ...encodeBinding(request),
      owner: owner === null ? null : this.#owners.nameOf(owner),
    });
  }

  #ask(op: string, vhost: Vhost, fields: { readonly [field: string]: Json }): Work<Json> {
    return awaited(this.#link.ask({ ...fields, op, vhost: vhost.name }));
  }
}
