import { Broker } from '../../src/broker/broker.ts';
import type { Queue } from '../../src/broker/queues/queue.ts';
import { SimulatedFileSystem } from '../support/simulated-filesystem/simulated-filesystem.ts';
import { HistoryError } from './expected-queue.ts';
import { PowerCutRun } from './power-cut-run.ts';
import { Replica, SimulatedPartition } from './simulated-partition.ts';
import type { ChannelHost } from './test-channel.ts';

/** A process that follows, or leads. */
interface Seat {
  readonly fs: SimulatedFileSystem;
  readonly replica: Replica;
  /** Resolves when it has taken over. */
  readonly opened: Promise<Broker>;
  lastBlock: number;
}

/**
 * A broker whose journal is a partition of a replicated log, and another one that follows it on a disk of its own, and is ended and
 * started as it goes. When the first one ends, the other takes over, and has to have what the history says.
 */
export class ReplicaRun extends PowerCutRun {
  override readonly keepsAll = true;
  readonly #partition = new SimulatedPartition(this.time);
  #processes = 0;
  #follower: Seat;
  #hasEnded = false;
  /** What a leader that ended has left. */
  #left: SimulatedFileSystem | null = null;
  /** How many began with a snapshot of their own. */
  resumed = 0;

  constructor(seed: number) {
    super(seed, { durability: { mode: 'sync' } });
    this.#follower = this.#seat(this.#disk());
  }

  override async run(): Promise<void> {
    for (let life = this.between(2, 5); life > 0; life--) {
      await this.#takeOver();
      await this.work(this.between(5, 120));
      if (life > 1) await this.#endLeader();
    }
    await this.drain();
    await this.closeCleanly();
  }

  /** The follower may lose its power at any time, and comes back. */
  protected override beside(): void {
    if (this.random() > 0.03) return;
    this.note('the follower loses its power, and starts again');
    this.#follower.replica.isGone = true;
    this.#follower = this.#seat(this.#follower.fs.crash(this.random));
  }

  /** What channels of a broker that has ended tell is nobody's concern. */
  protected override get host(): ChannelHost {
    const { broker } = this;
    const isLeader = (): boolean => this.broker === broker && !this.#hasEnded;
    return {
      broker,
      expectedOf: (queue) => this.expectedOf(queue as Queue),
      note: (line) => this.note(line),
      fail: (error) => {
        if (isLeader()) this.fail(error);
      },
      confirmed: (block) => {
        if (isLeader()) this.confirmed(block);
      },
    };
  }

  /** It leads from here on, and another one follows it. */
  async #takeOver(): Promise<void> {
    const seat = this.#follower;
    seat.replica.takeOver();
    const broker = await this.until(seat.opened, 'to take over');
    this.fs = seat.fs;
    this.#hasEnded = false;
    await this.hasStarted(broker, seat.lastBlock);
    const left = this.random() < 0.7 ? this.#left : null;
    this.#follower = this.#seat(left ?? this.#disk());
  }

  async #endLeader(): Promise<void> {
    this.note('the leader ends');
    const { shard } = this.broker;
    shard.turn.stop();
    shard.store.abandon();
    this.#partition.leader = null;
    this.#hasEnded = true;
    this.#left = this.fs.crash(this.random);
    this.channels = [];
  }

  #disk(): SimulatedFileSystem {
    return new SimulatedFileSystem({ schedule: (run) => this.time.operation(run) });
  }

  #seat(fs: SimulatedFileSystem): Seat {
    const replica = new Replica(this.#partition);
    const number = ++this.#processes;
    if (fs.files().some(({ path, size }) => path.endsWith('/snapshot') && size > 0)) this.resumed++;
    const seat: Seat = {
      fs,
      replica,
      lastBlock: 0,
      opened: Broker.open({
        ...this.options,
        fileSystem: fs,
        journal: replica,
        onFailure: (error) => {
          if (!replica.isGone && this.#partition.leader !== null) this.fail(error);
        },
        log: {
          info: (fields) => {
            if ('lastBlock' in fields) seat.lastBlock = fields.lastBlock as number;
          },
          warn: () => undefined,
          error: (fields, message) => this.note(`process ${number}: ${message}: ${JSON.stringify(fields)}`),
        },
      }),
    };
    seat.opened.catch((error: Error) => {
      if (!replica.isGone) this.fail(new HistoryError(`process ${number} could not follow: ${error.stack}`));
    });
    return seat;
  }
}
