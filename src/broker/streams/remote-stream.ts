import { awaited, type Work } from '../../base/turn-time.ts';
import type { Table } from '../../base/value.ts';
import type { MessageView } from '../../records/message-view.ts';
import type { PropertyCodecs } from '../messages/property-codec.ts';
import type { QueueCounts } from '../queues/queue-port.ts';
import type { RemoteStreamPort } from '../topology/ports.ts';
import { type RecordTarget, StreamRecords } from './bindings/stream-records.ts';
import type { StreamConsumerRequest, StreamReader } from './consumers/stream-consumer.ts';

/** What other shards know of a stream. */
export interface StreamFacts {
  readonly vhost: string;
  readonly name: string;
  readonly id: string;
  /** As in `NamedPlaces`. */
  readonly partitions: readonly number[];
  readonly shards?: readonly number[];
  readonly maxMessageBytes: number;
  /** The arguments of the queue that it was declared as; null if it was made in another way. */
  readonly declaredAs: Table | null;
}

/** What the shard of a stream is asked and told by the others. */
export interface StreamHome {
  /** Takes a token that waits for so many answers. @throws BrokerError resource-short */
  takeToken(parts: number): number;
  /** Sends a record to a partition, by the id of its log; `content` is kept. One part of the token is its answer. */
  append(partition: number, content: Buffer, token: number): void;
  readonly mustPause: boolean;
  onResume(listener: () => void): void;
  counts(stream: RemoteStream): Promise<QueueCounts>;
  /** @throws BrokerError as `StreamConsumers.add` */
  consume(stream: RemoteStream, request: StreamConsumerRequest): Promise<StreamReader>;
}

/** A stream whose partitions are in another shard: what is known of it here is enough to make records for them. */
export class RemoteStream implements RemoteStreamPort, RecordTarget {
  facts: StreamFacts;
  readonly counts = null;
  readonly #home: StreamHome;
  readonly #records: StreamRecords;
  /** The record of the message that was checked last, and not appended. */
  #checked: Buffer | null = null;

  constructor(facts: StreamFacts, home: StreamHome, codecs: PropertyCodecs) {
    this.facts = facts;
    this.#home = home;
    this.#records = new StreamRecords(this, codecs);
  }

  get remote(): this {
    return this;
  }

  /** All partitions are in shard 0. */
  get shard(): number {
    return 0;
  }

  get id(): number {
    return this.facts.partitions[0];
  }

  get name(): string {
    return this.facts.name;
  }

  get vhost(): string {
    return this.facts.vhost;
  }

  get declaredAs(): Table | null {
    return this.facts.declaredAs;
  }

  get partitionCount(): number {
    return this.facts.partitions.length;
  }

  get maxMessageBytes(): number {
    return this.facts.maxMessageBytes;
  }

  get mustPause(): boolean {
    return this.#home.mustPause;
  }

  onResume(listener: () => void): void {
    this.#home.onResume(listener);
  }

  askCounts(): Work<QueueCounts> {
    return awaited(this.#home.counts(this));
  }

  consume(request: StreamConsumerRequest): Work<StreamReader> {
    return awaited(this.#home.consume(this, request));
  }

  check(messageView: MessageView): void {
    this.#checked = this.#records.write(messageView, true);
  }

  append(messageView: MessageView, _nowMs: number, isStrict: boolean): number {
    const content = this.#records.write(messageView, isStrict);
    const token = this.#home.takeToken(1);
    this.#send(content, token);
    return token;
  }

  appendChecked(token: number): void {
    if (this.#checked === null) throw new Error('a message is appended that was not checked');
    this.#send(this.#checked, token);
    this.#checked = null;
  }

  #send(content: Buffer, token: number): void {
    this.#home.append(this.facts.partitions[this.#records.partition], content, token);
  }
}
