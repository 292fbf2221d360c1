import { Publisher } from '../../../src/broker/publishing/publisher.ts';
import type { AnyQueue } from '../../../src/broker/queues/any-queue.ts';
import type { Consumer, ConsumerRequest, DeliverySink, Gate } from '../../../src/broker/queues/consumer.ts';
import type { DeliveryLevel } from '../../../src/broker/queues/delivery-source.ts';
import type { Queue } from '../../../src/broker/queues/queue.ts';
import { Unacknowledged } from '../../../src/broker/queues/unacknowledged.ts';
import { bareMessage } from '../../../src/broker/topology/routing.ts';
import type { MessageMemory } from '../../../src/log/memory/chunks.ts';
import type { ContentView } from '../../../src/records/record-content.ts';
import { fillView } from '../test-broker.ts';
import type { TestShards } from './test-shards.ts';

export interface Delivered {
  readonly body: string;
  readonly redelivered: boolean;
  readonly acquisitions: number;
  readonly failures: number;
  readonly tag: number;
}

export interface ShardConsumerSettings extends Partial<ConsumerRequest> {
  readonly isGateOpen?: boolean;
  /** Of the gate. */
  readonly room?: number;
  /** Before it can get anything. */
  onOpened?(opened: ShardConsumer): void;
}

/** A consumer with a channel of its own, in any shard. */
export class ShardConsumer implements DeliverySink {
  readonly messages: Delivered[] = [];
  readonly unacknowledged = new Unacknowledged();
  readonly gate: Gate;
  wasCancelled = false;
  consumer!: Consumer;
  /** Whether it takes what it is given. */
  takes = true;
  /** Called with each message that it was given. */
  onMessage: ((message: Delivered) => void) | null = null;

  /** As of a channel with so many messages for all of its consumers, of which this is the only one. */
  readonly #room: number;

  private constructor(isGateOpen: boolean, room: number) {
    this.#room = room;
    this.gate = { open: isGateOpen, room: () => Math.max(0, room - this.unacknowledged.consumerCount) };
  }

  static async open(
    test: TestShards,
    shard: number,
    name: string,
    { isGateOpen = true, room = Number.POSITIVE_INFINITY, onOpened, ...settings }: ShardConsumerSettings = {},
  ): Promise<ShardConsumer> {
    const opened = new ShardConsumer(isGateOpen, room);
    onOpened?.(opened);
    const queue = queueIn(test, shard, name);
    opened.consumer = await test.brokers[shard].shard.turnTime.run(
      queue.consume({
        tag: 'test',
        sink: opened,
        gate: opened.gate,
        credit: Number.POSITIVE_INFINITY,
        noAck: false,
        exclusive: false,
        arguments: {},
        ...settings,
      }),
    );
    opened.consumer.wake();
    return opened;
  }

  get bodies(): string[] {
    return this.messages.map(({ body }) => body);
  }

  deliver(
    consumer: Consumer,
    level: DeliveryLevel,
    offset: number,
    memory: MessageMemory,
    at: number,
    redelivered: boolean,
    content: ContentView,
  ): boolean {
    if (!this.takes) return false;
    const body = memory.buffer.toString('latin1', content.bodyStart, content.bodyEnd);
    const tag = consumer.noAck
      ? this.unacknowledged.addSettled()
      : this.unacknowledged.add(level, consumer, offset, memory, at, content);
    const [acquisitions, failures] = level.countsFailures
      ? [level.acquisitionsOf(offset), level.failuresOf(offset)]
      : [0, 0];
    const message = { body, redelivered, acquisitions, failures, tag };
    if (this.unacknowledged.consumerCount >= this.#room) this.gate.open = false;
    this.messages.push(message);
    this.onMessage?.(message);
    return true;
  }

  cancelled(): void {
    this.wasCancelled = true;
  }

  setGate(open: boolean): void {
    this.gate.open = open && this.unacknowledged.consumerCount < this.#room;
    if (this.gate.open) this.consumer.wake();
  }

  /** The channel ends: what it had goes back. */
  close(): void {
    this.gate.open = false;
    this.consumer.cancel();
    this.unacknowledged.requeueAll('lost');
  }
}

export function queueIn(test: TestShards, shard: number, name: string): AnyQueue {
  const queue = test.vhost(shard).findQueue(name);
  if (queue === undefined) throw new Error(`shard ${shard} has no queue '${name}'`);
  return queue;
}

/** The queue, in its own shard. */
export function queueAt(test: TestShards, name: string): Queue {
  const found = queueIn(test, 0, name);
  const queue = queueIn(test, found.shard, name);
  if (queue.isRemote) throw new Error(`queue '${name}' is not in shard ${queue.shard}`);
  return queue;
}

const publishers = new WeakMap<object, Publisher>();

/** In the queue's own shard. */
export function publishTo(test: TestShards, name: string, body: string | Buffer): void {
  const queue = queueAt(test, name);
  const broker = test.brokers[queue.shard];
  let publisher = publishers.get(broker);
  if (publisher === undefined) {
    publisher = new Publisher(broker.shard, broker.deadLettering);
    publishers.set(broker, publisher);
  }
  const vhost = test.vhost(queue.shard);
  broker.shard.turn.touch();
  fillView(publisher.messageView, name, body);
  publisher.publish(vhost.route(vhost.defaultExchange, name, bareMessage), true);
}

/** Whether nothing of consumers in other shards is left, in any of them. */
export function isNothingLeft({ brokers }: TestShards): boolean {
  return brokers.every(({ consumersElsewhere }) => {
    if (consumersElsewhere === null) throw new Error('a broker is no shard');
    return Object.values(consumersElsewhere).every((count) => count === 0);
  });
}
