import type { ObjectQuotas } from '../budget/object-quotas.ts';
import type { ExchangeTypes } from '../exchanges/registry.ts';
import type { QueueFactory, TopologyQueue } from '../queues/queue-port.ts';
import type { QueueDeclaration } from './declarations.ts';
import type { MetadataOperation } from './metadata.ts';
import type { MetadataLog, OwnerNames, StreamFactory } from './ports.ts';
import type { TopologyState } from './state.ts';

/** What recovery needs of a virtual host. */
export interface RecoveryTarget<Q extends TopologyQueue> {
  readonly name: string;
  readonly state: TopologyState<Q>;
  readonly types: ExchangeTypes;
  readonly createQueue: QueueFactory<Q>;
  readonly quotas: ObjectQuotas;
  /** Null with one shard, where nothing is told of a queue that has an owner. */
  readonly owners: OwnerNames | null;
}

/** In which shard the messages of a new queue will be. */
export interface Placement {
  place(vhost: string, declaration: QueueDeclaration): number;
}

/** What the commands of a virtual host work on. */
export interface CommandContext<Q extends TopologyQueue> extends RecoveryTarget<Q> {
  readonly log: MetadataLog;
  readonly placement: Placement;
  /** Without it there are no streams. */
  streamFactory: StreamFactory | null;
}

/** Journals a change of what is durable, and tells other shards of any other. */
export function logChange<Q extends TopologyQueue>(
  { log }: CommandContext<Q>,
  isDurable: boolean,
  operation: () => MetadataOperation,
): void {
  if (isDurable) log.append(operation());
  else log.tell?.(operation());
}
