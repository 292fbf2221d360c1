import { Broker, type BrokerOptions } from '../../src/broker/broker.ts';
import { createDoors, Seat } from '../../src/broker/doors/seat.ts';
import type { AnyQueue } from '../../src/broker/queues/any-queue.ts';
import type { VirtualHost } from '../../src/broker/topology/virtual-host.ts';
import { SimulatedBells } from '../support/simulated-bells.ts';
import { SimulatedFileSystem } from '../support/simulated-filesystem/simulated-filesystem.ts';
import type { StillThread, StillTime } from './still-time.ts';

const RING_BYTES = 64 * 1024;

/** The broker that a plan is carried out on: one, or several shards, one of which has all queues. */
export class Brokers {
  /** In the order of their numbers. */
  all: Broker[] = [];
  /** The shard with the queues. */
  readonly home: number;
  readonly count: number;
  readonly #time: StillTime;
  readonly #options: Omit<BrokerOptions, 'dataDirectory'>;
  #disks: SimulatedFileSystem[];
  #seats: Seat[] = [];

  constructor(time: StillTime, count: number, home: number, options: Omit<BrokerOptions, 'dataDirectory'>) {
    this.#time = time;
    this.count = count;
    this.home = home;
    this.#options = options;
    this.#disks = Array.from(
      { length: count },
      () => new SimulatedFileSystem({ schedule: (run) => time.operation(run) }),
    );
  }

  /** `onHome` is given the broker with the queues before it has done anything. */
  async open(onHome: (broker: Broker) => Promise<void>): Promise<void> {
    this.all = [];
    if (this.count === 1) {
      // Only the disk: what the broker does first is to be seen.
      this.all = [await this.#time.disk(Broker.open(this.#optionsOf(0, this.#time)))];
      await onHome(this.all[0]);
      return;
    }
    const doors = createDoors(this.count, RING_BYTES);
    const bells = new SimulatedBells();
    const threads = this.#disks.map(() => this.#time.thread());
    this.#seats = threads.map((thread, shard) => new Seat(shard, doors, thread, thread, bells.of(thread)));
    for (const [shard, thread] of threads.entries()) {
      this.all.push(await this.#openOne(shard, thread));
      if (shard === this.home) await onHome(this.all[shard]);
    }
  }

  async #openOne(shard: number, thread: StillThread): Promise<Broker> {
    let isRead = false;
    const info = (fields: object): void => {
      if ('lastBlock' in fields) isRead = true;
    };
    const log = { info, warn: () => undefined, error: () => undefined };
    const opening = Broker.open({ ...this.#optionsOf(shard, thread), seat: this.#seats[shard], log });
    return this.#time.besides(opening, thread, () => !isRead || shard !== this.home);
  }

  async close(): Promise<void> {
    for (const broker of [...this.all].reverse()) await broker.close();
    for (const seat of this.#seats) seat.close();
  }

  /** The power is cut, for all shards at once. */
  crash(random: () => number): void {
    this.#disks = this.#disks.map((disk) => disk.crash(random));
  }

  vhost(shard = this.home): VirtualHost<AnyQueue> {
    return this.all[shard].vhosts.get('/')!;
  }

  #optionsOf(shard: number, time: StillTime | StillThread): BrokerOptions {
    return {
      ...this.#options,
      dataDirectory: '/data',
      fileSystem: this.#disks[shard],
      clock: time,
      scheduler: time,
    };
  }
}
