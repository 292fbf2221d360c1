import type { Work } from '../../base/turn-time.ts';
import type { Table } from '../../base/value.ts';
import type { MessageView } from '../../records/message-view.ts';
import type { QueueCounts } from '../queues/queue-port.ts';
import type { MetadataOperation } from './metadata.ts';

/** Where messages wait that are not to be routed yet. */
export interface DelayPort<Q> {
  /** What a message that has to wait so long is published to, as if it were a queue. */
  targetFor(delayMs: number): Q;
}

/** A stream, for those who publish to it. */
export interface StreamPort {
  readonly name: string;
  /** Of a stream in another shard; null for one of this shard. */
  readonly remote: RemoteStreamPort | null;
  /** `ready` is how many messages can be read. Null where only its own shard knows. */
  readonly counts: QueueCounts | null;
  askCounts(): Work<QueueCounts>;
  /** The arguments of the queue that it was declared as; null if it was made in another way. */
  readonly declaredAs: Table | null;
  /**
   * Whether a strict `append` of the message would be refused, for those who append it together with others.
   * @throws BrokerError precondition-failed, if so
   */
  check(messageView: MessageView): void;
  /**
   * Appends the message that `messageView` describes. Returns the wait until it is safe (see `Waits`): the block that it will be
   * in, or a token. `isStrict`: somebody is there to be told what is wrong with it; otherwise it is appended all the same.
   * @throws BrokerError precondition-failed, if it names a partition that is not there, or is too large; resource-short, if
   * too many tokens wait
   */
  append(messageView: MessageView, nowMs: number, isStrict: boolean): number;
}

/** A stream in another shard, for those who publish to several at once. */
export interface RemoteStreamPort extends StreamPort {
  /** The number of the shard. */
  readonly shard: number;
  /** The id of the log of its first partition, by which that shard knows it. */
  readonly id: number;
  /** Appends the message that was checked last. It answers one part of this token; with 0, nobody waits. */
  appendChecked(token: number): void;
  /** Whether so much is on its way to the shard that publishers had better wait. */
  readonly mustPause: boolean;
  /** `listener` is called once, as soon as they may go on. */
  onResume(listener: () => void): void;
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
