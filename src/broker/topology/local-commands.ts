import { atOnce, type Work } from '../../base/turn-time.ts';
import type { TopologyQueue } from '../queues/queue-port.ts';
import type { BindingRequest } from './binding-commands.ts';
import type { DeclarationGuard, QueueDeclaration, QueueDeletion } from './declarations.ts';
import type { ExchangeDeclaration } from './exchange.ts';
import type { StreamPort } from './ports.ts';
import type { TopologyCommands } from './topology-commands.ts';
import type { VirtualHost } from './virtual-host.ts';
import type { VirtualHosts } from './virtual-hosts.ts';

/** Where the metadata is. */
export class LocalCommands<Q extends TopologyQueue & { readonly vhost: string }>
  implements TopologyCommands<Q>
{
  readonly #vhosts: VirtualHosts<Q>;
  readonly #onOwnerGone: ((owner: object) => void) | null;

  /** `onOwnerGone`: told of connections that own nothing any more. */
  constructor(vhosts: VirtualHosts<Q>, onOwnerGone: ((owner: object) => void) | null = null) {
    this.#vhosts = vhosts;
    this.#onOwnerGone = onOwnerGone;
  }

  declareQueue(
    vhost: VirtualHost<Q>,
    declaration: QueueDeclaration,
    owner: object | null,
    guard: DeclarationGuard | null = null,
  ): Work<Q> {
    return atOnce(() => vhost.declareQueue(declaration, owner, guard));
  }

  deleteQueue(
    vhost: VirtualHost<Q>,
    name: string,
    conditions: QueueDeletion,
    owner: object | null,
  ): Work<number> {
    return vhost.deleteQueueInSteps(name, conditions, owner);
  }

  removeQueue(queue: Q): void {
    this.#vhosts.get(queue.vhost)?.removeQueue(queue);
  }

  *removeExclusiveQueues(vhost: VirtualHost<Q>, owner: object): Work<void> {
    yield* vhost.removeExclusiveQueuesInSteps(owner);
    this.#onOwnerGone?.(owner);
  }

  declareStream(
    vhost: VirtualHost<Q>,
    declaration: QueueDeclaration,
    guard: DeclarationGuard | null = null,
  ): Work<StreamPort> {
    return atOnce(() => vhost.declareStream(declaration, guard));
  }

  /** One that somebody else has deleted while it was asked for its counts had nothing any more. */
  *deleteStream(vhost: VirtualHost<Q>, stream: StreamPort, conditions: QueueDeletion): Work<number> {
    const counts = stream.counts ?? (yield* stream.askCounts());
    if (vhost.findStream(stream.name) !== stream) return 0;
    vhost.deleteStream(stream, conditions, counts);
    return counts.ready;
  }

  declareExchange(vhost: VirtualHost<Q>, declaration: ExchangeDeclaration): Work<void> {
    return atOnce(() => void vhost.declareExchange(declaration));
  }

  deleteExchange(vhost: VirtualHost<Q>, name: string, ifUnused: boolean): Work<void> {
    return vhost.deleteExchangeInSteps(name, ifUnused);
  }

  bindQueue(vhost: VirtualHost<Q>, request: BindingRequest, owner: object | null): Work<void> {
    return this.#bind(vhost, request, () => vhost.bindQueue(request, owner));
  }

  unbindQueue(vhost: VirtualHost<Q>, request: BindingRequest, owner: object | null): Work<void> {
    return atOnce(() => vhost.unbindQueue(request, owner));
  }

  bindExchange(vhost: VirtualHost<Q>, request: BindingRequest): Work<void> {
    return this.#bind(vhost, request, () => vhost.bindExchange(request));
  }

  unbindExchange(vhost: VirtualHost<Q>, request: BindingRequest): Work<void> {
    return atOnce(() => vhost.unbindExchange(request));
  }

  /** A binding from a stream begins behind what is in it. */
  *#bind(vhost: VirtualHost<Q>, { source }: BindingRequest, bind: () => void): Work<void> {
    const stream = vhost.findExchange(source)?.stream ?? null;
    if (stream !== null) yield* stream.askOffsets();
    bind();
  }
}
