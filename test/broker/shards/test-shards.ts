import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../src/base/clock.ts';
import { systemScheduler } from '../../../src/base/scheduler.ts';
import type { Work } from '../../../src/base/turn-time.ts';
import { Broker, type BrokerOptions } from '../../../src/broker/broker.ts';
import { Budget } from '../../../src/broker/budget/budget.ts';
import { SharedBudget } from '../../../src/broker/budget/shared-budget.ts';
import { allocateSharedBudget } from '../../../src/broker/budget/shared-memory.ts';
import { createDoors, Seat } from '../../../src/broker/doors/seat.ts';
import type { AnyQueue } from '../../../src/broker/queues/any-queue.ts';
import type { HeldShards } from '../../../src/broker/shards/move/held-shard.ts';
import type { MoveBatch } from '../../../src/broker/shards/move/log-mover.ts';
import { moveToFewerShards } from '../../../src/broker/shards/move/move-shards.ts';
import type { RemotePartitionReads } from '../../../src/broker/shards/streams/remote-partition-reads.ts';
import type { QueueDeclaration } from '../../../src/broker/topology/declarations.ts';
import type { VirtualHost } from '../../../src/broker/topology/virtual-host.ts';
import { nodeFileSystem } from '../../../src/log/files/node-filesystem.ts';
import { amqp091Codec } from '../../../src/servers/amqp091/property-codec.ts';

/** Several shards in one thread, with the doors and the counters that they have in several. */
export class TestShards {
  readonly directory: string;
  #count: number;
  readonly #options: Partial<BrokerOptions>;
  readonly #ringBytes: number | undefined;
  #seats: Seat[] = [];
  brokers: Broker[] = [];

  private constructor(directory: string, count: number, options: Partial<BrokerOptions>, ringBytes?: number) {
    this.directory = directory;
    this.#count = count;
    this.#options = options;
    this.#ringBytes = ringBytes;
  }

  static async start(
    count = 3,
    options: Partial<BrokerOptions> = {},
    ringBytes?: number,
  ): Promise<TestShards> {
    const directory = await mkdtemp(join(tmpdir(), 'sluice-shards-'));
    const test = new TestShards(directory, count, options, ringBytes);
    await test.open();
    return test;
  }

  /** On the shards below a directory that is there. */
  static async on(
    directory: string,
    count: number,
    options: Partial<BrokerOptions> = {},
  ): Promise<TestShards> {
    const test = new TestShards(directory, count, options);
    await test.open();
    return test;
  }

  /** `count`: with another number of shards than before. */
  async open(count = this.#count): Promise<void> {
    this.#count = count;
    const doors = createDoors(this.#count, this.#ringBytes);
    const counters = allocateSharedBudget(count);
    this.#seats = [];
    this.brokers = [];
    for (let number = 0; number < this.#count; number++) {
      const seat = new Seat(number, doors, systemClock, systemScheduler);
      this.#seats.push(seat);
      this.brokers.push(
        await Broker.open({
          dataDirectory: this.directoryOf(number),
          propertyCodecs: [amqp091Codec],
          seat,
          budget: new Budget({ together: new SharedBudget({ number, count }, counters) }),
          ...this.#options,
        }),
      );
    }
  }

  /**
   * As a start with fewer shards begins: what is in the others is moved, queue by queue. They have to be closed. `stopAt`: the
   * step at which it fails.
   */
  async move(
    count: number,
    options: Partial<BrokerOptions> = {},
    stopAt: string | null = null,
    batch: MoveBatch = { queues: 1, bytes: 64 * 1024 },
  ): Promise<readonly string[]> {
    const steps: string[] = [];
    await moveToFewerShards({
      fileSystem: this.#options.fileSystem ?? nodeFileSystem,
      dataDirectory: this.directoryOf(0),
      count,
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      batch,
      onStep: (step) => {
        if (step === stopAt) throw new Error('stopped here');
        steps.push(step);
      },
      open: (all) => this.#openHeld(all, options),
    });
    this.#count = count;
    return steps;
  }

  async #openHeld(count: number, options: Partial<BrokerOptions>): Promise<HeldShards> {
    const doors = createDoors(count);
    const seats: Seat[] = [];
    const shards: Broker[] = [];
    for (let number = 0; number < count; number++) {
      const seat = new Seat(number, doors, systemClock, systemScheduler);
      seats.push(seat);
      const dataDirectory = this.directoryOf(number);
      shards.push(
        await Broker.open({
          dataDirectory,
          propertyCodecs: [amqp091Codec],
          seat,
          isHeld: true,
          ...this.#options,
          ...options,
        }),
      );
    }
    return {
      shards,
      closeDoors: () => {
        for (const seat of seats) seat.close();
      },
    };
  }

  /** Frames that shard `from` has sent to `to`. */
  sentFrames(from: number, to: number): number {
    return this.#seats[from].rooms[to]?.door.sent.frames ?? 0;
  }

  /** What a shard reads of partitions of others. */
  readsOf(shard: number): { readonly reads: RemotePartitionReads } {
    const reads = this.brokers[shard].partitionReads;
    if (reads === null) throw new Error('there is one shard');
    return { reads };
  }

  directoryOf(shard: number): string {
    return join(this.directory, shard === 0 ? 'data' : `data/shards/${shard}`);
  }

  async close(): Promise<void> {
    for (const broker of [...this.brokers].reverse()) await broker.close();
    for (const seat of this.#seats) seat.close();
  }

  async restart(): Promise<void> {
    await this.close();
    await this.open();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    await rm(this.directory, { recursive: true, force: true });
  }

  vhost(shard: number, name = '/'): VirtualHost<AnyQueue> {
    const vhost = this.brokers[shard].vhosts.get(name);
    if (vhost === undefined) throw new Error(`shard ${shard} has no vhost '${name}'`);
    return vhost;
  }

  /** Runs a command of a shard. */
  async run<T>(shard: number, work: (broker: Broker) => Work<T>): Promise<T> {
    const broker = this.brokers[shard];
    const result = await broker.shard.turnTime.run(work(broker));
    await broker.metadataIsSafe();
    return result;
  }

  /** As a client of this shard. */
  declare(
    shard: number,
    name: string,
    { owner = null, ...settings }: Partial<QueueDeclaration> & { owner?: object | null } = {},
  ): Promise<AnyQueue> {
    const declaration = {
      name,
      durable: true,
      exclusive: false,
      autoDelete: false,
      arguments: {},
      shard,
      ...settings,
    };
    return this.run(shard, (broker) => broker.commands.declareQueue(this.vhost(shard), declaration, owner));
  }
}
