import type { Work } from '../../base/turn-time.ts';
import type { Table } from '../../base/value.ts';
import type { MessageView } from '../../records/message-view.ts';
import type { QueueCounts } from '../queues/queue-port.ts';
import type { RemoteRecord } from '../shard/outbox-port.ts';
import type { MetadataOperation } from './metadata.ts';

/** Where messages wait that are not to be routed yet. */
export interface DelayPort<Q> {
  /** What a message that has to wait so long is published to, as if it were a queue. */
  targetFor(delayMs: number): Q;
}

/** A record of a stream on its way to the shard of its partition. */
export interface StreamRecord extends RemoteRecord {
  readonly shard: number;
}

/** A stream, for those who publish to it. Its partitions may be in any shard. */
export interface StreamPort {
  readonly name: string;
  /** The other shards that have partitions of it; none with one shard. */
  readonly otherShards: readonly number[];
  /** `ready` is how many messages can be read. Null where other shards have to be asked. */
  readonly counts: QueueCounts | null;
  askCounts(): Work<QueueCounts>;
  /** Where its partitions are now is known when this is done, so that bindings can begin there. */
  askOffsets(): Work<void>;
  /** The arguments of the queue that it was declared as; null if it was made in another way. */
  readonly declaredAs: Table | null;
  /**
   * Whether a strict `write` of the message would be refused, for those who append it together with others.
   * @throws BrokerError precondition-failed, if so
   */
  check(messageView: MessageView): void;
  /**
   * Makes the record of the message that `messageView` describes, and chooses its partition; one of the methods below takes it from
   * there. Returns the shard of the partition if that is another one, else -1. `isStrict`: somebody is there to be told what is
   * wrong with it; otherwise it is taken all the same.
   * @throws BrokerError precondition-failed, if it names a partition that is not there, or is too large
   */
  write(messageView: MessageView, isStrict: boolean): number;
  /** Appends what was written, to a partition of this shard; it is in the block that is open. */
  append(nowMs: number): void;
  /** Sends what was written to the shard of its partition, which answers one part of the token; with 0, nobody waits. */
  send(token: number): void;
  /** What was written, for an outbox to the shard of its partition. */
  take(): StreamRecord;
}

/** What a user may do by now, for what leads somewhere because this user declared it so. */
export interface RightsPort {
  /** `routingKeys`: those with which it goes to a topic exchange; null for an exchange of another type. */
  mayStillWrite(
    user: string,
    vhost: string,
    exchange: string,
    routingKeys: readonly string[] | null,
  ): boolean;
}

/** Makes and removes the streams of a virtual host; each is in its exchange, or out of it, when the method returns. */
export interface StreamFactory {
  /** With the arguments of the exchange, or the queue, that this user declares. @throws BrokerError */
  create(name: string, args: Table, asQueue: boolean, user: string | undefined): void;
  /** @throws BrokerError */
  delete(name: string): void;
}

/** Where the changes of durable things go. What is appended in one turn is applied as one. */
export interface MetadataLog {
  append(operation: MetadataOperation): void;
  /** A change of what ends with the broker: for other shards, and not journaled. Missing where there is no other. */
  tell?(operation: MetadataOperation): void;
}

/** Connections that own queues, by names that all shards know. */
export interface OwnerNames {
  nameOf(owner: object): string;
  ownerNamed(name: string): object;
}
