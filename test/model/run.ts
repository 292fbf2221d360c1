import type { Work } from '../../src/base/turn-time.ts';
import type { Broker } from '../../src/broker/broker.ts';
import { type AnyQueue, asLocal } from '../../src/broker/queues/any-queue.ts';
import { amqp091Codec } from '../../src/servers/amqp091/property-codec.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { Brokers } from './brokers.ts';
import { Channel, type ChannelHost } from './channel.ts';
import { compare } from './compare.ts';
import type { QueueSpec } from './entry.ts';
import { type Message, readContent, readFrame } from './message.ts';
import { Model } from './model.ts';
import { CHANNELS, type Operation, type Plan } from './operations.ts';
import { contentsOf } from './recovered.ts';
import { StillTime } from './still-time.ts';

const KIB = 1024;
const ROOMY = {
  chunkBytes: 64 * KIB,
  memoryLimitBytes: 1024 * KIB,
  journalFileBytes: 256 * KIB,
  journalLimitBytes: 1024 * KIB,
  segmentBytes: 64 * KIB,
};
/** Messages go to segments and come back all the time. */
const SHORT = {
  chunkBytes: 8 * KIB,
  memoryLimitBytes: 24 * KIB,
  journalFileBytes: 16 * KIB,
  journalLimitBytes: 64 * KIB,
  segmentBytes: 16 * KIB,
};

/**
 * Carries out one plan, on a broker and on the model at once; throws where they differ. With several shards all queues are in one of
 * them, and consumed from there; publishers, and those who declare and delete, are in any.
 */
export class Run implements ChannelHost {
  readonly plan: Plan;
  readonly model = new Model((name) => asLocal(this.#vhost.findQueue(name)) !== undefined);
  readonly history: string[] = [];
  /** That of the queues. */
  broker!: Broker;
  /** Operations that were carried out, the one that failed included. */
  done = 0;
  readonly #random: () => number;
  readonly #time: StillTime;
  readonly #brokers: Brokers;
  #channels: Channel[] = [];
  /** Stands for the connection that exclusive queues belong to. */
  #owner = {};
  #error: unknown = null;
  #nextMessage = 1;

  constructor(plan: Plan, shards = 1) {
    // Whether a queue of another shard is used no more is decided by shard 0, and so not at this very moment.
    this.plan =
      shards === 1 ? plan : { ...plan, queues: plan.queues.map((each) => ({ ...each, autoDelete: false })) };
    this.#random = seededRandom(plan.seed * 7919 + 1);
    this.#time = new StillTime(this.#random);
    this.#brokers = new Brokers(this.#time, shards, plan.seed % shards, {
      propertyCodecs: [amqp091Codec],
      durability: { mode: 'sync' },
      diskFreeLimitBytes: 0,
      reclaimMs: 100,
      ...(plan.isShortOfMemory ? SHORT : ROOMY),
      onFailure: (error) => {
        this.#error ??= error;
      },
    });
  }

  async run(): Promise<void> {
    await this.#start();
    for (const operation of this.plan.operations) {
      this.done++;
      this.note(`${this.#time.nowMs} ${JSON.stringify(operation)}`);
      this.model.moved(this.#time.nowMs);
      for (const { shard } of this.#brokers.all) shard.turn.touch();
      await this.#do(operation);
      await this.#rest();
    }
    for (const { shard } of this.#brokers.all) shard.store.abandon();
  }

  note(line: string): void {
    this.history.push(line);
  }

  check<T>(what: () => T): T | undefined {
    if (this.#error !== null) return undefined;
    try {
      return what();
    } catch (error) {
      this.#error = error;
      return undefined;
    }
  }

  get #vhost() {
    return this.#brokers.vhost();
  }

  /** Where a client is. */
  #anyShard(): number {
    const { count } = this.#brokers;
    return count === 1 ? 0 : Math.floor(this.#random() * count);
  }

  /** A client of this shard asks for it: answered before anything else is done. */
  #command<T>(shard: number, work: (broker: Broker) => Work<T>, answered: (answer: T) => void): void {
    const broker = this.#brokers.all[shard];
    const answer = broker.shard.turnTime.run(work(broker));
    if (!(answer instanceof Promise)) {
      answered(answer);
      return;
    }
    let isAnswered = false;
    answer.then(
      (value) => {
        isAnswered = true;
        this.check(() => answered(value));
      },
      (error) => {
        this.#error ??= error;
      },
    );
    this.#afterRest.push(() => {
      if (!isAnswered) throw new Error(`a command of shard ${shard} is not answered`);
    });
  }

  readonly #afterRest: (() => void)[] = [];

  async #do(operation: Operation): Promise<void> {
    switch (operation.op) {
      case 'pass':
        await this.#time.pass(
          operation.ms,
          () => this.model.moved(this.#time.nowMs),
          () => this.#rested(),
        );
        break;
      case 'restart':
        await this.#restart(operation.closesChannels);
        break;
      case 'crash':
        await this.#crash();
        break;
      case 'disconnect':
        this.#command(
          this.#brokers.home,
          ({ commands }) => commands.removeExclusiveQueues(this.#vhost, this.#owner),
          () => undefined,
        );
        for (const queue of [...this.model.queues.values()]) {
          if (queue.spec.exclusive) this.model.remove(queue);
        }
        break;
      case 'declare':
      case 'delete':
      case 'purge':
      case 'bind':
        this.#administer(operation.op, this.plan.queues[operation.queue]);
        break;
      case 'policy':
        this.#setPolicy(operation);
        break;
      case 'publish':
        await this.#publish(operation);
        break;
      default:
        this.#useChannel(operation);
    }
  }

  async #publish(operation: Extract<Operation, { readonly op: 'publish' }>): Promise<void> {
    const channel = this.#channels[operation.channel];
    const shard = channel.isTransactional ? this.#brokers.home : this.#anyShard();
    for (let i = 0; i < operation.count; i++) {
      const message = this.#messageOf(operation, channel);
      channel.publish(message, this.#brokers.all[shard]);
      // Before a full queue refuses a message, it gives others to consumers: the model has to see that before it judges.
      const mayRefuse = this.model
        .route(message.exchange, message.key)
        .some(({ settings }) => settings.overflow !== 'drop-head');
      if (shard !== this.#brokers.home && mayRefuse) await this.#rest();
    }
  }

  #useChannel(
    operation: Exclude<Extract<Operation, { readonly channel: number }>, { readonly op: 'publish' }>,
  ): void {
    const channel = this.#channels[operation.channel];
    const queue =
      'queue' in operation && operation.queue >= 0
        ? asLocal(this.#vhost.findQueue(`q${operation.queue}`))
        : undefined;
    switch (operation.op) {
      case 'consume':
        if (queue !== undefined && queue.consumerCount < 4) {
          channel.consume(queue, { ...operation, prefetch: operation.prefetch ?? Infinity });
        }
        break;
      case 'get':
        if (queue !== undefined) channel.get(queue, operation.noAck);
        break;
      case 'settle': {
        const { tags } = channel;
        const tag = tags[Math.floor(operation.which * tags.length)];
        if (tag !== undefined) channel.settle(tag, operation.multiple, operation.outcome);
        break;
      }
      case 'cancel':
        channel.cancel(0);
        break;
      case 'gate':
        channel.setGate(!channel.gate.open);
        break;
      case 'recover':
        channel.recover();
        break;
      case 'close':
        channel.close();
        this.#channels[operation.channel] = new Channel(this);
        break;
      case 'select':
        if (!channel.isTransactional) channel.select();
        break;
      case 'commit':
        if (channel.isTransactional) channel.commit();
        break;
      case 'rollback':
        channel.rollback();
    }
  }

  #messageOf(operation: Extract<Operation, { readonly op: 'publish' }>, channel: Channel): Message {
    const { queue, size, priority, ttlMs, isPersistent, name } = operation;
    return {
      id: this.#nextMessage++,
      exchange: queue < 0 ? 'amq.fanout' : '',
      key: queue < 0 ? 'all' : `q${queue}`,
      size,
      priority,
      // Until its transaction is durable it cannot expire, but counts for the length of the queue.
      ttlMs: ttlMs === 0 && channel.isTransactional ? 10 : (ttlMs ?? Infinity),
      isPersistent,
      name,
    };
  }

  #administer(op: 'declare' | 'delete' | 'purge' | 'bind', spec: QueueSpec): void {
    const { name, args, exclusive, ...rest } = spec;
    const queue = this.model.queues.get(name);
    // What belongs to a connection is where that is.
    const shard = exclusive ? this.#brokers.home : this.#anyShard();
    const vhost = this.#brokers.vhost(shard);
    if (op === 'declare') {
      const placed = this.#brokers.count === 1 ? args : { ...args, 'x-shard': this.#brokers.home };
      const declaration = { name, arguments: placed, exclusive, ...rest };
      this.#command(
        shard,
        ({ commands }) => commands.declareQueue(vhost, declaration, this.#ownerIn(shard)),
        () => undefined,
      );
      if (queue === undefined) this.model.declare(spec);
      else queue.touch();
    }
    if (queue === undefined) return;
    if (op === 'delete') {
      const conditions = { ifUnused: false, ifEmpty: false };
      this.#command(
        shard,
        ({ commands }) => commands.deleteQueue(vhost, name, conditions, this.#ownerIn(shard)),
        () => undefined,
      );
      this.model.remove(queue);
    } else if (op === 'purge') {
      const expected = queue.purge();
      const real = vhost.findQueue(name) as AnyQueue;
      this.#command(
        shard,
        () => real.purgeInSteps(),
        (count) => {
          if (count !== expected) throw new Error(`${count} messages were purged, not ${expected}`);
        },
      );
    } else if (op === 'bind') {
      const request = { source: 'amq.fanout', destination: name, routingKey: '', arguments: {} };
      this.#command(
        shard,
        ({ commands }) => commands.bindQueue(vhost, request, this.#ownerIn(shard)),
        () => undefined,
      );
      this.model.fanout.add(name);
    }
  }

  /** Exclusive queues belong to a connection in the shard of the queues. */
  #ownerIn(shard: number): object {
    return shard === this.#brokers.home ? this.#owner : this.#ownersElsewhere;
  }

  readonly #ownersElsewhere = {};

  #setPolicy({ queue, definition }: Extract<Operation, { readonly op: 'policy' }>): void {
    const name = `q${queue}`;
    if (definition !== null) {
      this.#brokers.vhost(0).setPolicy({ name, pattern: `^${name}$`, applyTo: 'queues', definition });
    } else if (this.model.policies.has(name)) {
      this.#brokers.vhost(0).clearPolicy(name);
    }
    this.model.setPolicy(name, definition);
  }

  async #restart(closesChannels: boolean): Promise<void> {
    if (closesChannels) {
      for (const channel of this.#channels) channel.close();
      await this.#rest();
    }
    await this.#time.until(this.#brokers.close());
    await this.#time.forget();
    await this.#start(true);
  }

  async #crash(): Promise<void> {
    this.#brokers.crash(this.#random);
    await this.#time.forget();
    await this.#start(false);
  }

  async #start(isClean: boolean | null = null): Promise<void> {
    this.#afterRest.length = 0;
    await this.#brokers.open(async (broker) => {
      this.broker = broker;
      this.#watchDeadLetters();
      this.#owner = {};
      this.#channels = Array.from({ length: CHANNELS }, () => new Channel(this));
      if (isClean === null) return;
      this.model.moved(this.#time.nowMs);
      const found = await contentsOf(this.broker, (promise) => this.#time.disk(promise));
      this.model.restarted(found, isClean);
      for (const [name, entries] of found) {
        this.note(`  ${name} has ${entries.map((each) => each.found.copy).join(' ')}`);
      }
    });
  }

  /** The broker does not say elsewhere when it sends which message away, and for what reason. */
  #watchDeadLetters(): void {
    const { deadLettering, shard } = this.broker;
    const send = deadLettering.send.bind(deadLettering);
    deadLettering.send = (queue, batch) => {
      const messages = batch.map(({ level, offset }) => {
        const position = level.log.positionOf(offset);
        return readFrame(shard.store.chunks.of(position), position >>> 0);
      });
      const sent = send(queue, batch);
      for (const [index, found] of messages.slice(0, sent).entries()) {
        const { reason } = batch[index];
        this.note(`  ${queue.name} sends ${found.copy} away, ${reason}`);
        this.check(() => this.model.departed(this.model.queueOf(queue.name), found, reason));
      }
      return sent;
    };
    const sendRefused = deadLettering.sendRefused.bind(deadLettering);
    deadLettering.sendRefused = (queue, parts) => {
      const content = Buffer.alloc(parts.contentBytes());
      parts.write(content, 0);
      const { copy } = readContent(content, 0, content.length);
      this.note(`  ${queue.name} sends ${copy} on`);
      this.check(() => this.model.sendsOn(this.model.queueOf(queue.name), copy));
      sendRefused(queue, parts);
    };
  }

  async #rest(): Promise<void> {
    const { shard } = this.#brokers.all[0];
    const block = shard.metadataBlock;
    if (this.#topologyChanged() && !shard.isDurable(block)) {
      shard.whenDurable(block, { onDurable: () => undefined });
    }
    await this.#time.rest();
    this.#rested();
  }

  #names = '';

  /** Whoever changes what there is waits until that is on the disk. */
  #topologyChanged(): boolean {
    const names = JSON.stringify([
      [...this.model.queues.keys()],
      [...this.model.fanout],
      [...this.model.policies],
    ]);
    const isNew = names !== this.#names;
    this.#names = names;
    return isNew;
  }

  #rested(): void {
    if (this.#error !== null) throw this.#error;
    // What has to be written first is written in a few milliseconds.
    const { backPressure, store } = this.broker.shard;
    this.model.rested(this.plan.isShortOfMemory && (backPressure.isOverwhelmed || !store.journal.isIdle));
    compare(this.#vhost, this.model, { bytes: !this.plan.isShortOfMemory });
    for (const each of this.#afterRest.splice(0)) each();
    for (const channel of this.#channels) for (const each of channel.afterRest.splice(0)) each();
    const { journal, logs } = this.broker.shard.store;
    if (journal.isIdle && [...logs.values()].every((log) => log.pendingAcknowledgements.length === 0)) {
      this.model.synced();
    }
  }
}
