import type { Clock } from '../../base/clock.ts';
import type { Rows } from '../../base/counter.ts';
import type { ObjectQuotas } from '../budget/object-quotas.ts';
import type { Events } from '../events/events.ts';
import type { AnyQueue } from '../queues/any-queue.ts';
import type { VirtualHosts } from '../topology/virtual-hosts.ts';
import type { AccessLog } from './operations.ts';

export interface AccessDeps {
  readonly clock: Clock;
  readonly vhosts: VirtualHosts<AnyQueue>;
  readonly log: AccessLog;
  readonly events: Pick<Events, 'actor' | 'as' | 'emitByActor'>;
  /** They may connect from this machine alone. */
  readonly loopbackUsers: readonly string[];
  /** What users have made counts for them. */
  readonly quotas: ObjectQuotas;
  /** In which connections are counted together with other shards. */
  readonly connectionsOfAll: Rows;
  /** What all shards of the process have used of limits of rates. */
  readonly ratesOfAll: Rows;
  /** Of the process. */
  readonly shards: number;
  /** Resolves when all changes so far are as durable as the broker makes them. */
  durable(): Promise<void>;
}
