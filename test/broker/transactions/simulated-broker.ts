import { Broker } from '../../../src/broker/broker.ts';
import { SimulatedTime } from '../../crash/simulated-time.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { SimulatedFileSystem } from '../../support/simulated-filesystem/simulated-filesystem.ts';

const KIB = 1024;
const PATIENCE_MS = 600_000;

/** A broker over a simulated disk and clock, with as little room as possible, which can lose its power. */
export class SimulatedBroker {
  readonly random: () => number;
  readonly time: SimulatedTime;
  broker!: Broker;
  /** The end of the journal that the last start found. */
  lastBlock = 0;
  #fs: SimulatedFileSystem;
  #error: Error | null = null;
  readonly #limits;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.time = new SimulatedTime(this.random);
    this.#fs = new SimulatedFileSystem({ schedule: (run) => this.time.operation(run) });
    this.#limits = {
      chunkBytes: this.between(1, 4) * 4 * KIB,
      journalFileBytes: this.between(1, 4) * 8 * KIB,
      journalLimitBytes: this.between(4, 8) * 8 * KIB,
      memoryLimitBytes: this.between(2, 8) * 8 * KIB,
      segmentBytes: this.between(1, 2) * 8 * KIB,
      reclaimMs: this.pick([1, 10, 100, 2000]),
    };
  }

  between(low: number, high: number): number {
    return low + Math.floor(this.random() * (high - low + 1));
  }

  pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.random() * values.length)];
  }

  async start(): Promise<void> {
    this.broker = await this.until(
      Broker.open({
        dataDirectory: '/data',
        fileSystem: this.#fs,
        clock: this.time,
        scheduler: this.time,
        durability: { mode: 'sync' },
        diskFreeLimitBytes: 0,
        onFailure: (error) => {
          this.#error ??= error;
        },
        log: {
          info: (fields) => {
            if ('lastBlock' in fields) this.lastBlock = fields.lastBlock as number;
          },
          warn: () => undefined,
          error: (fields, message) => {
            this.#error ??= new Error(`${message}: ${JSON.stringify(fields)}`);
          },
        },
        ...this.#limits,
      }),
    );
  }

  async stop(): Promise<void> {
    await this.until(this.broker.close());
    await this.time.forget();
  }

  async kill(): Promise<void> {
    this.#fs = this.#fs.kill(this.random);
    await this.time.forget();
  }

  async cutPower(): Promise<void> {
    this.#fs = this.#fs.crash(this.random);
    await this.time.forget();
  }

  async step(): Promise<void> {
    await this.time.step();
    if (this.#error !== null) throw this.#error;
  }

  until<T>(promise: Promise<T>): Promise<T> {
    return this.time.outcomeOf(promise, 'what is awaited', PATIENCE_MS, () => this.#error);
  }
}
