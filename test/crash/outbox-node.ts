import { ObjectQuotas } from '../../src/broker/budget/object-quotas.ts';
import { Delays } from '../../src/broker/delays/delays.ts';
import { PropertyCodecs } from '../../src/broker/messages/property-codec.ts';
import { DeadLettering } from '../../src/broker/publishing/dead-lettering.ts';
import { Publisher } from '../../src/broker/publishing/publisher.ts';
import { type AnyQueue, asLocal, localOf } from '../../src/broker/queues/any-queue.ts';
import type { Queue } from '../../src/broker/queues/queue.ts';
import { createQueue } from '../../src/broker/queues/queue-factory.ts';
import { isQueueOperation } from '../../src/broker/queues/queue-operations.ts';
import type { QueueSpec } from '../../src/broker/queues/queue-port.ts';
import { QueueRecovery, type QueueState, stateOf } from '../../src/broker/queues/queue-recovery.ts';
import { type QueueHome, RemoteQueue } from '../../src/broker/queues/remote-queue.ts';
import { Shard } from '../../src/broker/shard/shard.ts';
import { SnapshotSections } from '../../src/broker/shard/snapshot-section.ts';
import type { OutboxLimits } from '../../src/broker/shards/outbox/outbox.ts';
import { Outboxes } from '../../src/broker/shards/outbox/outboxes.ts';
import { ownPartitions } from '../../src/broker/streams/any-partition.ts';
import { StreamExchange } from '../../src/broker/streams/bindings/stream-exchange.ts';
import type { Partition } from '../../src/broker/streams/partition.ts';
import type { PartitionReads } from '../../src/broker/streams/partition-homes.ts';
import { Streams } from '../../src/broker/streams/streams.ts';
import { decodeOperation, encodeOperation } from '../../src/broker/topology/metadata.ts';
import type { VirtualHost } from '../../src/broker/topology/virtual-host.ts';
import { VirtualHosts } from '../../src/broker/topology/virtual-hosts.ts';
import type { StateMachine, StoreOptions } from '../../src/log/store.ts';
import { amqp091Codec } from '../../src/servers/amqp091/property-codec.ts';
import type { OutboxNetwork } from './outbox-network.ts';

/** Nobody asks for a queue of another shard. */
const NO_HOME = {} as QueueHome;
/** Nobody reads a partition of another shard. */
const NO_READS = {} as PartitionReads;

/** A stream that the exchange of this name has in all shards: shard 0 has two of its partitions, each other one has one. */
export const STREAM = 'log';

interface Snapshot {
  readonly nextLogId: number;
  readonly metadata: readonly string[];
  readonly parts: readonly string[];
  readonly delivered: readonly (readonly [number, number])[];
  readonly queues: readonly QueueState[];
}

export interface NodeOptions {
  readonly number: number;
  readonly count: number;
  /** How many queues there are in all shards. */
  readonly queues: number;
  readonly storage: StoreOptions;
  readonly network: OutboxNetwork;
  readonly limits: OutboxLimits;
  onProblem(error: Error): void;
}

/** One shard of several, with all that moves messages to others, and without what a broker has besides. */
export class OutboxNode implements StateMachine {
  readonly shard: Shard;
  readonly outboxes: Outboxes;
  readonly vhosts: VirtualHosts<AnyQueue>;
  readonly deadLettering: DeadLettering;
  readonly delays: Delays;
  readonly publisher: Publisher;
  readonly streams: Streams;
  readonly #queues = new Map<number, Queue>();
  readonly #recovery = new QueueRecovery();
  readonly #sections: SnapshotSections;
  readonly #number: number;
  readonly #count: number;
  /** Of the first of its partitions: the first id behind those of the queues, which are the same in all shards. */
  readonly #firstPartitionId: number;

  constructor({ number, count, queues, storage, network, limits, onProblem }: NodeOptions) {
    this.#number = number;
    this.#count = count;
    this.#firstPartitionId = queues + 1;
    const shard = new Shard({
      storage,
      codecs: new PropertyCodecs([amqp091Codec]),
      log: {
        info: () => undefined,
        warn: () => undefined,
        error: (fields, message) => onProblem(new Error(`${message}: ${JSON.stringify(fields)}`)),
      },
      onAlarm: () => undefined,
      onFailure: onProblem,
    });
    this.shard = shard;
    const links = Array.from({ length: count }, (_, peer) =>
      peer === number ? undefined : network.link(number, peer),
    );
    this.outboxes = new Outboxes({
      shard,
      links,
      limits,
      findQueue: (id) => this.#queues.get(id),
      findDelay: () => undefined,
      findPartition: (logId) => this.ownPartitions.find(({ id }) => id === logId),
      findStream: () => undefined,
      metadata: { number: 0, whenKnown: (_number, run) => run() },
    });
    shard.outboxes = this.outboxes;
    const record = (operation: Parameters<typeof encodeOperation>[0]): void => {
      shard.record(encodeOperation(operation));
    };
    this.delays = new Delays({
      shard,
      record,
      onCorruption: (fields, message) => onProblem(new Error(`${message}: ${JSON.stringify(fields)}`)),
    });
    this.vhosts = new VirtualHosts<AnyQueue>(
      {
        createQueue: (spec) => this.#createQueue(spec),
        log: { append: record },
        placement: { place: (_vhost, { arguments: args }) => Number(args['x-shard'] ?? 0) },
      },
      (vhost) => this.delays.create(vhost),
    );
    this.deadLettering = new DeadLettering(shard, this.vhosts);
    this.publisher = new Publisher(shard, this.deadLettering);
    this.streams = new Streams({
      context: {
        store: shard.store,
        turn: shard.turn,
        shards: { own: number, opened: () => undefined, epochOf: () => 0, reads: NO_READS },
        onCorruption: (_partition, path, offset, what) => onProblem(new Error(`${path}: ${offset}: ${what}`)),
      },
      logId: (known) => shard.logId(known),
      record: (operation) => shard.record(operation),
      defaults: () => new Map(),
    });
    this.#sections = new SnapshotSections([this.outboxes, this.streams]);
  }

  get vhost(): VirtualHost<AnyQueue> | undefined {
    return this.vhosts.get('/');
  }

  queue(name: string): Queue {
    const queue = asLocal(this.vhost?.findQueue(name));
    if (queue === undefined) throw new Error(`shard ${this.#number} has no queue '${name}'`);
    return queue;
  }

  async recover(): Promise<void> {
    const clean = await this.shard.recover(this);
    if (this.vhost !== undefined) this.attachStream();
    const recovery = this.#recovery;
    for (const queue of this.localQueues()) {
      queue.recovered(
        ({ log }) => (clean ? recovery.deliveredBelow(log.id) : log.end),
        recovery.readyBefore(queue.id),
      );
    }
    recovery.finish();
    this.delays.recovered();
    this.outboxes.recovered();
    this.shard.turn.schedule();
  }

  /** Of the stream, those of this shard. */
  get ownPartitions(): Partition[] {
    return ownPartitions(this.streams.get('/', STREAM)?.partitions ?? []);
  }

  /** The exchange has the stream from now on, which each shard has made for itself in the same way. */
  attachStream(): void {
    const shards = [0, ...Array.from({ length: this.#count }, (_, number) => number)];
    const spec = {
      vhost: '/',
      name: STREAM,
      partitions: shards.length,
      shards,
      configs: new Map<string, string>(),
    };
    const stream = this.streams.get('/', STREAM) ?? this.streams.create(spec);
    const [{ id }] = stream.partitions;
    if (id !== this.#firstPartitionId)
      throw new Error(`the stream has log ${id}, not ${this.#firstPartitionId}`);
    this.vhost?.attachStream(new StreamExchange(stream, this.shard));
  }

  async close(): Promise<void> {
    this.shard.turn.stop();
    for (const queue of this.localQueues()) queue.stop();
    this.delays.stop();
    this.outboxes.stop();
    await this.shard.close();
  }

  localQueues(): Queue[] {
    return [...this.vhosts].flatMap((vhost) => [...localOf(vhost.queues())]);
  }

  restore(state: unknown): void {
    if (state === null) return;
    const { nextLogId, metadata, parts, delivered, queues } = state as Snapshot;
    this.shard.nextLogId = nextLogId;
    this.#recovery.delivered(delivered);
    for (const operation of [...metadata, ...parts]) this.applyMetadata(Buffer.from(operation, 'utf8'));
    for (const queue of queues) this.#recovery.restore(queue);
  }

  applyMetadata(bytes: Buffer): void {
    if (isQueueOperation(bytes)) {
      const opened = this.#recovery.apply(bytes);
      if (opened !== null) this.shard.store.named(opened);
      return;
    }
    const section = this.#sections.of(bytes);
    if (section === undefined) this.vhosts.apply(decodeOperation(bytes));
    else section.apply(bytes);
  }

  snapshot(): Snapshot {
    const queues = this.localQueues();
    return {
      nextLogId: this.shard.nextLogId,
      metadata: this.vhosts
        .snapshot()
        .map((operation) => Buffer.from(encodeOperation(operation)).toString('utf8')),
      parts: this.#sections.snapshot(),
      delivered: queues.flatMap(({ levels }) =>
        levels.map((level) => [level.log.id, level.deliveredBelow] as const),
      ),
      queues: queues.flatMap((queue) => stateOf(queue, this.shard.nowMs) ?? []),
    };
  }

  #createQueue(spec: QueueSpec): AnyQueue {
    const { shard } = this;
    if (spec.shard !== this.#number) return new RemoteQueue({ ...spec, id: shard.logId(spec.id) }, NO_HOME);
    const queue = createQueue(spec, {
      shard,
      recovery: this.#recovery,
      quotas: new ObjectQuotas(),
      deadLettering: this.deadLettering,
      remove: () => undefined,
    });
    this.#queues.set(queue.id, queue);
    return queue;
  }
}
