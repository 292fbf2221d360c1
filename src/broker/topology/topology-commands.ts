import type { Work } from '../../base/turn-time.ts';
import type { TopologyQueue } from '../queues/queue-port.ts';
import type { BindingRequest } from './binding-commands.ts';
import type { DeclarationGuard, QueueDeclaration, QueueDeletion } from './declarations.ts';
import type { ExchangeDeclaration } from './exchange.ts';
import type { StreamPort } from './ports.ts';
import type { VirtualHost } from './virtual-host.ts';

/**
 * Changes of a virtual host on behalf of clients, wherever they are made: in this shard, or in the one that has the metadata. They
 * are in effect here when the work is done, and durable when `whenSafe` says so. The methods are those of `VirtualHost`, and
 * throw what those throw.
 */
export interface TopologyCommands<Q extends TopologyQueue> {
  declareQueue(
    vhost: VirtualHost<Q>,
    declaration: QueueDeclaration,
    owner: object | null,
    guard?: DeclarationGuard | null,
  ): Work<Q>;
  deleteQueue(
    vhost: VirtualHost<Q>,
    name: string,
    conditions: QueueDeletion,
    owner: object | null,
  ): Work<number>;
  /** Without conditions: nobody consumes from it any more, or it was not used for too long. */
  removeQueue(queue: Q): void;
  /** The connection has ended. */
  removeExclusiveQueues(vhost: VirtualHost<Q>, owner: object): Work<void>;
  declareStream(
    vhost: VirtualHost<Q>,
    declaration: QueueDeclaration,
    guard?: DeclarationGuard | null,
  ): Work<StreamPort>;
  deleteStream(vhost: VirtualHost<Q>, stream: StreamPort, conditions: QueueDeletion): Work<number>;
  declareExchange(vhost: VirtualHost<Q>, declaration: ExchangeDeclaration): Work<void>;
  deleteExchange(vhost: VirtualHost<Q>, name: string, ifUnused: boolean): Work<void>;
  bindQueue(vhost: VirtualHost<Q>, request: BindingRequest, owner: object | null): Work<void>;
  unbindQueue(vhost: VirtualHost<Q>, request: BindingRequest, owner: object | null): Work<void>;
  bindExchange(vhost: VirtualHost<Q>, request: BindingRequest): Work<void>;
  unbindExchange(vhost: VirtualHost<Q>, request: BindingRequest): Work<void>;
}
