import type { Table } from '../../base/value.ts';
import type { MessageView } from '../../records/message-view.ts';
import type { MetadataOperation } from './metadata.ts';

/** Where messages wait that are not to be routed yet. */
export interface DelayPort<Q> {
  /** What a message that has to wait so long is published to, as if it were a queue. */
  targetFor(delayMs: number): Q;
}

/** A stream, for those who publish to it. */
export interface StreamPort {
  readonly name: string;
  /** How many messages can be read. */
  readonly messageCount: number;
  readonly consumerCount: number;
  /** The arguments of the queue that it was declared as; null if it was made in another way. */
  readonly declaredAs: Table | null;
  /**
   * Whether a strict `append` of the message would be refused, for those who append it together with others.
   * @throws BrokerError precondition-failed, if so
   */
  check(messageView: MessageView): void;
  /**
   * Appends the message that `messageView` describes. Returns the block that it will be in. `isStrict`: somebody is there to
   * be told what is wrong with it; otherwise it is appended all the same.
   * @throws BrokerError precondition-failed, if it names a partition that is not there, or is too large
   */
  append(messageView: MessageView, nowMs: number, isStrict: boolean): number;
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
