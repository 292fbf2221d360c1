import type { ObjectQuotas } from '../budget/object-quotas.ts';
import type { ExchangeTypes } from '../exchanges/registry.ts';
import type { QueueFactory, TopologyQueue } from '../queues/queue-port.ts';
import type { MetadataLog, StreamFactory } from './ports.ts';
import type { TopologyState } from './state.ts';

/** What recovery needs of a virtual host. */
export interface RecoveryTarget<Q extends TopologyQueue> {
  readonly name: string;
  readonly state: TopologyState<Q>;
  readonly types: ExchangeTypes;
  readonly createQueue: QueueFactory<Q>;
  readonly quotas: ObjectQuotas;
}

/** What the commands of a virtual host work on. */
export interface CommandContext<Q extends TopologyQueue> extends RecoveryTarget<Q> {
  readonly log: MetadataLog;
  /** Without it there are no streams. */
  streamFactory: StreamFactory | null;
}
