import { awaited, type Work } from '../../base/turn-time.ts';
import type { Table } from '../../base/value.ts';
import type { ObjectAccount } from '../budget/object-account.ts';
import type { Consumer, ConsumerOwner, ConsumerRequest } from './consumer.ts';
import type { Getter } from './ports.ts';
import type { QueueCounts, QueueDeletion, QueueSpec, TopologyQueue } from './queue-port.ts';
import { type QueueSettings, settingsFromArguments } from './queue-settings.ts';

/** What the shard of a queue is asked and told by the others. */
export interface QueueHome {
  /** Whether the conditions hold; then what takes long is removed. Returns how many messages went. @throws BrokerError */
  prepareDeletion(queue: RemoteQueue, conditions: QueueDeletion): Promise<number>;
  purge(queue: RemoteQueue): Promise<number>;
  /** It was declared again. */
  touch(queue: RemoteQueue): void;
  counts(queue: RemoteQueue): Promise<QueueCounts>;
  /** @throws BrokerError as `Queue.addConsumer` */
  consume(queue: RemoteQueue, request: ConsumerRequest): Promise<Consumer>;
  removeConsumer(queue: RemoteQueue, consumer: Consumer): void;
  /** Resolves when all that was said of consumers there is in effect, also in the metadata of all shards. */
  settled(queue: RemoteQueue): Promise<void>;
  get(queue: RemoteQueue, noAck: boolean, getter: Getter): void;
}

/** A queue whose messages are in another shard: what is known of it here is enough to route to it. */
export class RemoteQueue implements TopologyQueue, ConsumerOwner {
  /** Which consumer is the single active one is known where the queue is. */
  readonly consumers = { active: null };
  readonly isRemote = true;
  /** Whether it takes a message is asked where it is. */
  readonly isGuarded = false;
  readonly id: number;
  /** Changes when the queue is moved. */
  shard: number;
  readonly vhost: string;
  readonly name: string;
  readonly durable: boolean;
  readonly exclusiveOwner: object | null;
  readonly autoDelete: boolean;
  readonly arguments: Table;
  readonly declaredBy: string | null;
  readonly account: ObjectAccount | null;
  readonly counts = null;
  settings: QueueSettings;
  isRemoved = false;
  isPaused = false;
  readonly #home: QueueHome;

  constructor(spec: QueueSpec & { readonly id: number }, home: QueueHome) {
    this.id = spec.id;
    this.shard = spec.shard;
    this.vhost = spec.vhost;
    this.name = spec.name;
    this.durable = spec.durable;
    this.exclusiveOwner = spec.exclusiveOwner;
    this.autoDelete = spec.autoDelete;
    this.arguments = spec.arguments;
    this.declaredBy = spec.declaredBy ?? null;
    this.account = spec.account ?? null;
    this.settings = settingsFromArguments(spec.arguments);
    this.#home = home;
  }

  configure(settings: QueueSettings): void {
    this.settings = settings;
  }

  touch(): void {
    this.#home.touch(this);
  }

  prepareDeletion(conditions: QueueDeletion): Work<number> {
    return awaited(this.#home.prepareDeletion(this, conditions));
  }

  purgeInSteps(): Work<number> {
    return awaited(this.#home.purge(this));
  }

  askCounts(): Work<QueueCounts> {
    return awaited(this.#home.counts(this));
  }

  consume(request: ConsumerRequest): Work<Consumer> {
    return awaited(this.#home.consume(this, request));
  }

  removeConsumer(consumer: Consumer): void {
    consumer.isActive = false;
    this.#home.removeConsumer(this, consumer);
  }

  /** The last one takes an auto-delete queue along. */
  afterCancel(): Work<void> | null {
    return this.autoDelete ? awaited(this.#home.settled(this)) : null;
  }

  /** What its consumers have waiting here is handed on when they are woken themselves. */
  wake(): void {}

  get(noAck: boolean, getter: Getter): void {
    this.#home.get(this, noAck, getter);
  }

  /** Whether it can be read is found out where it is. */
  assertReadable(): void {}

  /** Its messages go where they are, when that shard hears of it. */
  remove(): number {
    this.isRemoved = true;
    return 0;
  }
}
