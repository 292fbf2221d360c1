import { Broker, type BrokerOptions } from '../../../src/broker/broker.ts';
import { createDoors, Seat } from '../../../src/broker/doors/seat.ts';
import type { AnyQueue } from '../../../src/broker/queues/any-queue.ts';
import type { VirtualHost } from '../../../src/broker/topology/virtual-host.ts';
import { amqp091Codec } from '../../../src/servers/amqp091/property-codec.ts';
import { SimulatedBells } from '../../support/simulated-bells.ts';
import { SimulatedFileSystem } from '../../support/simulated-filesystem/simulated-filesystem.ts';
import type { SimulatedTime } from '../simulated-time.ts';

const DIRECTORY = '/data';

export interface SimulatedShardsOptions {
  readonly count: number;
  readonly ringBytes: number;
  readonly options: Partial<BrokerOptions>;
  onFailure(shard: number, error: Error): void;
  note(line: string): void;
}

/** The shards of a process in simulated time, each with a disk and an event loop of its own. */
export class SimulatedShards {
  readonly count: number;
  disks: SimulatedFileSystem[];
  /** In the order of their numbers; as many as have started. */
  brokers: Broker[] = [];
  readonly #time: SimulatedTime;
  readonly #given: SimulatedShardsOptions;
  #seats: Seat[] = [];
  /** The end of each journal that the first of several starts found, the others of which did not come to their end. */
  #found: (number | null)[] = [];

  constructor(time: SimulatedTime, given: SimulatedShardsOptions) {
    this.#time = time;
    this.#given = given;
    this.count = given.count;
    this.disks = Array.from(
      { length: given.count },
      () => new SimulatedFileSystem({ schedule: (run) => time.operation(run) }),
    );
    this.#forgetFound();
  }

  async open(): Promise<void> {
    const doors = createDoors(this.count, this.#given.ringBytes);
    const bells = new SimulatedBells();
    const brokers: Broker[] = [];
    const threads = this.disks.map(() => this.#time.thread());
    this.brokers = brokers;
    const seats = threads.map((thread, shard) => new Seat(shard, doors, thread, thread, bells.of(thread)));
    this.#seats = seats;
    const open = (shard: number): Promise<Broker> =>
      Broker.open({
        ...this.#optionsOf(shard),
        clock: threads[shard],
        scheduler: threads[shard],
        seat: seats[shard],
      });
    brokers.push(await open(0));
    const others = seats.slice(1).map(({ number }) => open(number));
    brokers.push(...(await Promise.all(others)));
  }

  /** The last block that each journal had, as the first start since this was asked has found it. */
  takeFound(): number[] {
    const found = this.#found.map((block) => block as number);
    this.#forgetFound();
    return found;
  }

  /** In an orderly way. Resolves with the last block of each journal; what comes to a shard after its end is in none. */
  async close(): Promise<number[]> {
    const lasts: number[] = [];
    for (const broker of [...this.brokers].reverse()) {
      await broker.close();
      lasts.unshift(broker.shard.journalPosition.durableBlock);
    }
    for (const seat of this.#seats) seat.close();
    return lasts;
  }

  /** All of them end at the same instant: each disk has what `how` makes of it. */
  async end(how: (disk: SimulatedFileSystem) => SimulatedFileSystem): Promise<void> {
    this.disks = this.disks.map(how);
    await this.#time.forget();
  }

  vhost(shard: number): VirtualHost<AnyQueue> {
    return this.brokers[shard].vhosts.get('/')!;
  }

  /** Whether nothing waits for a disk. */
  get isIdle(): boolean {
    return this.brokers.every(({ shard }) => shard.store.journal.isIdle);
  }

  #forgetFound(): void {
    this.#found = new Array(this.count).fill(null);
  }

  #optionsOf(shard: number): BrokerOptions {
    const disk = this.disks[shard];
    const { onFailure, note } = this.#given;
    return {
      dataDirectory: DIRECTORY,
      fileSystem: disk,
      propertyCodecs: [amqp091Codec],
      ...this.#given.options,
      onFailure: (error) => {
        // Of a process that is gone: some of its promises ended only now.
        if (disk === this.disks[shard]) onFailure(shard, error);
      },
      log: {
        info: (fields) => {
          if (!('lastBlock' in fields)) return;
          note(`shard ${shard}: its journal ends at block ${fields.lastBlock}`);
          this.#found[shard] ??= fields.lastBlock as number;
        },
        warn: (fields, message) => note(`shard ${shard}: ${message}: ${JSON.stringify(fields)}`),
        error: (fields, message) => note(`shard ${shard}: ${message}: ${JSON.stringify(fields)}`),
      },
    };
  }
}
