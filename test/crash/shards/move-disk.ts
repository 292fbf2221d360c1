import { Broker, type BrokerOptions } from '../../../src/broker/broker.ts';
import { createDoors, Seat } from '../../../src/broker/doors/seat.ts';
import type { AnyQueue } from '../../../src/broker/queues/any-queue.ts';
import { asLocal } from '../../../src/broker/queues/any-queue.ts';
import type { Queue } from '../../../src/broker/queues/queue.ts';
import type { MoveBatch } from '../../../src/broker/shards/move/log-mover.ts';
import { moveToFewerShards } from '../../../src/broker/shards/move/move-shards.ts';
import type { Outboxes } from '../../../src/broker/shards/outbox/outboxes.ts';
import type { VirtualHost } from '../../../src/broker/topology/virtual-host.ts';
import { amqp091Codec } from '../../../src/servers/amqp091/property-codec.ts';
import { SimulatedBells } from '../../support/simulated-bells.ts';
import { SimulatedFileSystem } from '../../support/simulated-filesystem/simulated-filesystem.ts';
import type { SimulatedTime } from '../simulated-time.ts';

const DIRECTORY = '/data';
const RING_BYTES = 64 * 1024;

interface Opened {
  readonly brokers: Broker[];
  readonly seats: readonly Seat[];
}

/** Shards in one data directory, on one simulated disk, that are started with this number and that. */
export class MoveDisk {
  disk: SimulatedFileSystem;
  brokers: Broker[] = [];
  readonly #time: SimulatedTime;
  readonly #options: Partial<BrokerOptions>;
  readonly #note: (line: string) => void;
  readonly #fail: (error: unknown) => void;
  #seats: readonly Seat[] = [];

  constructor(
    time: SimulatedTime,
    options: Partial<BrokerOptions>,
    note: (line: string) => void,
    fail: (error: unknown) => void,
  ) {
    this.#time = time;
    this.#options = options;
    this.#note = note;
    this.#fail = fail;
    this.disk = new SimulatedFileSystem({ schedule: (run) => time.operation(run) });
  }

  async start(count: number): Promise<void> {
    const { brokers, seats } = await this.#open(count, false);
    this.brokers = brokers;
    this.#seats = seats;
  }

  /** As a start with fewer shards begins. */
  move(count: number, batch: MoveBatch): Promise<void> {
    return moveToFewerShards({
      batch,
      fileSystem: this.disk,
      dataDirectory: DIRECTORY,
      count,
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      onStep: (step) => this.#note(step),
      open: async (all) => {
        const { brokers, seats } = await this.#open(all, true);
        const closeDoors = (): void => {
          for (const seat of seats) seat.close();
        };
        return { shards: brokers, closeDoors };
      },
    });
  }

  async #open(count: number, isHeld: boolean): Promise<Opened> {
    const doors = createDoors(count, RING_BYTES);
    const bells = new SimulatedBells();
    const one = this.#time.thread();
    const threads = Array.from({ length: count }, () => (isHeld ? one : this.#time.thread()));
    const seats = threads.map((thread, shard) => new Seat(shard, doors, thread, thread, bells.of(thread)));
    const brokers: Broker[] = [];
    const { disk } = this;
    for (const [shard, seat] of seats.entries()) {
      brokers.push(
        await Broker.open({
          dataDirectory: shard === 0 ? DIRECTORY : `${DIRECTORY}/shards/${shard}`,
          fileSystem: disk,
          propertyCodecs: [amqp091Codec],
          ...this.#options,
          isHeld,
          clock: threads[shard],
          scheduler: threads[shard],
          ...(count > 1 && { seat }),
          onFailure: (error) => {
            if (disk === this.disk) this.#fail(error);
          },
          log: {
            info: () => undefined,
            warn: (fields, message) => this.#warn(shard, fields, message),
            error: (fields, message) => this.#note(`shard ${shard}: ${message}: ${JSON.stringify(fields)}`),
          },
        }),
      );
    }
    return { brokers, seats };
  }

  #warn(shard: number, fields: object, message: string): void {
    this.#note(`shard ${shard}: ${message}: ${JSON.stringify(fields)}`);
    if (message.includes('set aside')) this.#fail(new Error(`shard ${shard}: ${message}`));
  }

  async close(): Promise<void> {
    for (const broker of [...this.brokers].reverse()) await broker.close();
    for (const seat of this.#seats) seat.close();
  }

  async end(how: (disk: SimulatedFileSystem) => SimulatedFileSystem): Promise<void> {
    this.disk = how(this.disk);
    this.brokers = [];
    await this.#time.forget();
  }

  async flush(): Promise<void> {
    for (const { shard } of this.brokers) {
      shard.store.flushAcknowledgements();
      await shard.store.journal.flush();
    }
  }

  /** Nothing is on its way between shards. */
  get isSettled(): boolean {
    return this.brokers.every(({ shard }) => {
      const outboxes = shard.outboxes as Outboxes | null;
      const left = [...(outboxes?.outboxes.values() ?? [])].some(({ count }) => count > 0);
      return !left && !shard.deliveryGate.isClosed && shard.store.journal.isIdle;
    });
  }

  vhost(shard: number): VirtualHost<AnyQueue> {
    return this.brokers[shard].vhosts.get('/') as VirtualHost<AnyQueue>;
  }

  /** The queue, in its shard. */
  queue(name: string): Queue {
    for (const shard of this.brokers.keys()) {
      const queue = asLocal(this.vhost(shard).findQueue(name));
      if (queue !== undefined) return queue;
    }
    throw new Error(`no shard has queue '${name}'`);
  }

  get waitingCount(): number {
    return this.brokers.reduce((sum, { delays }) => sum + (delays.of('/')?.waitingCount ?? 0), 0);
  }

  /** Files of logs that no broker has, and what was set aside. */
  get strays(): readonly string[] {
    return this.disk
      .files()
      .map(({ path }) => path)
      .filter((path) => path.includes('/set-aside/') || path.includes('moved-away'));
  }
}
