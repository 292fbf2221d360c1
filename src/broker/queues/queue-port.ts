import type { Work } from '../../base/turn-time.ts';
import type { Table } from '../../base/value.ts';
import type { ObjectAccount } from '../budget/object-account.ts';
import type { QueueSettings } from './queue-settings.ts';

/** What the topology needs to know of a queue. */
export interface TopologyQueue {
  /** Never used again, not even after the queue is gone. */
  readonly id: number;
  readonly name: string;
  readonly durable: boolean;
  /** The connection that alone may use the queue, and with which it goes; null if anybody may. */
  readonly exclusiveOwner: object | null;
  readonly autoDelete: boolean;
  readonly arguments: Table;
  /** The user whose rights the dead-letter exchange of the arguments needs; null if that is nobody's but an operator's. */
  readonly declaredBy?: string | null;
  /** Of the user who declared it; null if that is not known. */
  readonly account?: ObjectAccount | null;
  /** The number of the shard that its messages are in. */
  readonly shard: number;
  /** Whether that is another one than this. */
  readonly isRemote: boolean;
  /** Null where only its own shard knows. */
  readonly counts: QueueCounts | null;
  /** What the arguments and the policies that match come to, whenever that may have changed. */
  configure(settings: QueueSettings): void;
  /** It was declared again: x-expires counts from now. */
  touch(): void;
  /** Removes what is ready; returns how many messages that were. */
  purgeInSteps(): Work<number>;
  /**
   * Before it is deleted: whether that may be, and then the part of it that may take long. Returns how many messages went.
   * @throws BrokerError precondition-failed
   */
  prepareDeletion(conditions: QueueDeletion): Work<number>;
  /** Called once, when the queue is no longer to be found. Returns the number of messages that were ready. */
  remove(): number;
}

export interface QueueCounts {
  /** Messages that wait, without those that are delivered and not yet acknowledged. */
  readonly ready: number;
  readonly consumers: number;
}

export interface QueueDeletion {
  readonly ifUnused: boolean;
  readonly ifEmpty: boolean;
}

export interface QueueSpec {
  /** The id of a queue that is recovered; null asks for one that was never used. */
  readonly id: number | null;
  readonly vhost: string;
  readonly name: string;
  /** Where its messages are to be. */
  readonly shard: number;
  readonly durable: boolean;
  readonly exclusiveOwner: object | null;
  readonly autoDelete: boolean;
  readonly arguments: Table;
  readonly declaredBy?: string | null;
  readonly account?: ObjectAccount | null;
}

export type QueueFactory<Q extends TopologyQueue> = (spec: QueueSpec) => Q;
