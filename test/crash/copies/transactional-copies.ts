import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeTransactions } from '../../../src/wire/kafka/messages/transaction-admin.ts';
import { KafkaClient } from '../../servers/kafka/kafka-client.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { BrokerProcess } from '../broker-process.ts';
import type { Copier, CopyJob } from './copier.ts';
import { createTopic, fillTopic, readCommitted, stableEnd } from './topic.ts';

export interface CopySettings {
  readonly kills: number;
  readonly records: number;
  readonly seed: number;
  /** Makes the client that copies a partition. */
  copier(job: CopyJob, port: number): Copier;
}

export interface CopyReport {
  readonly kills: number;
  readonly records: number;
  /** In the target, with what was aborted and what ends transactions. */
  readonly offsets: number;
}

const PARTITIONS = 2;
const SOURCE = 'source';
const TARGET = 'target';
const PATIENCE_MS = 120_000;
/** A life that makes no progress for so long ends all the same. */
const LIFE_MS_MAX = 20_000;

/**
 * Records are copied from topic to topic in transactions, each with the offsets up to which it has read, while the
 * broker is killed with SIGKILL again and again. In the end every record is there once, in its order, for those who
 * read what is committed.
 */
export async function runTransactionalCopies(settings: CopySettings): Promise<CopyReport> {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-copies-'));
  try {
    return await new CopyRun(directory, settings, await freePort()).run();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

class CopyRun {
  readonly #directory: string;
  readonly #settings: CopySettings;
  /** Always the same: clients come back to it. */
  readonly #port: number;
  readonly #random: () => number;
  #broker!: BrokerProcess;
  #copiers: readonly Copier[] = [];

  constructor(directory: string, settings: CopySettings, port: number) {
    this.#directory = directory;
    this.#settings = settings;
    this.#port = port;
    this.#random = seededRandom(settings.seed);
  }

  async run(): Promise<CopyReport> {
    const { kills, records } = this.#settings;
    await this.#start();
    try {
      await this.#withClient(async (client) => {
        for (const topic of [SOURCE, TARGET]) await createTopic(client, topic, PARTITIONS);
        await fillTopic(client, SOURCE, PARTITIONS, records);
      });
      this.#copiers = Array.from({ length: PARTITIONS }, (_, partition) =>
        this.#settings.copier(
          {
            source: SOURCE,
            target: TARGET,
            partition,
            group: `copier-${partition}`,
            transactionalId: `copier-${partition}`,
            random: this.#random,
          },
          this.#port,
        ),
      );
      for (let kill = 0; kill < kills; kill++) await this.#liveAndDie(kill);
      for (const copier of this.#copiers) copier.brokerStarted(this.#port);
      const offsets = await this.#finish();
      return { kills, records, offsets };
    } finally {
      for (const copier of this.#copiers) await copier.stop();
      await this.#broker.kill();
    }
  }

  /** From one kill to the next: so long that all of them find something to do. */
  async #liveAndDie(kill: number): Promise<void> {
    const { kills, records } = this.#settings;
    for (const copier of this.#copiers) copier.brokerStarted(this.#port);
    const goal = (records * (kill + this.#random())) / (kills + 1);
    const deadline = performance.now() + LIFE_MS_MAX;
    await this.#withClient(async (client) => {
      while ((await this.#progress(client)) < goal && performance.now() < deadline) {
        this.#check();
        await pause(2 + this.#random() * 10);
      }
    });
    await pause(this.#random() * 60);
    this.#check();
    await this.#broker.kill();
    await this.#start();
  }

  async #start(): Promise<void> {
    this.#broker = new BrokerProcess(this.#directory, ['--kafka-port', String(this.#port)]);
    await this.#broker.port('kafka');
  }

  /** Waits until all is copied, and looks at each record. The offset behind the last of them, of all partitions. */
  async #finish(): Promise<number> {
    let offsets = 0;
    for (let partition = 0; partition < PARTITIONS; partition++) offsets += await this.#compare(partition);
    return offsets;
  }

  async #compare(partition: number): Promise<number> {
    const count = Math.ceil((this.#settings.records - partition) / PARTITIONS);
    const deadline = performance.now() + PATIENCE_MS;
    return await this.#withClient(async (client) => {
      let offset = 0;
      let next = 0;
      while (next < count) {
        this.#check();
        const { values, nextOffset } = await readCommitted(client, TARGET, partition, offset);
        for (const value of values) {
          if (value !== String(next))
            throw new Error(`record ${value} of ${partition} comes where ${next} should`);
          next++;
        }
        offset = nextOffset;
        if (performance.now() < deadline) continue;
        throw new Error(
          `of the ${count} records of ${partition} there are ${next}; ${await this.#situation(client, partition)}`,
        );
      }
      await this.#copiers[partition].stop();
      const rest = await readCommitted(client, TARGET, partition, offset);
      if (rest.values.length > 0) throw new Error(`record ${rest.values[0]} comes where there is none`);
      return Math.max(offset, rest.nextOffset);
    });
  }

  /** About how many records were copied: less what was aborted, it is so many or fewer. */
  async #progress(client: KafkaClient): Promise<number> {
    let offsets = 0;
    for (let partition = 0; partition < PARTITIONS; partition++) {
      offsets += await stableEnd(client, TARGET, partition);
    }
    return offsets;
  }

  /** For whoever wants to know why it does not go on. */
  async #situation(client: KafkaClient, partition: number): Promise<string> {
    const transactionalIds = [`copier-${partition}`];
    const { transactionStates } = await client.request(describeTransactions, 0, { transactionalIds });
    const stable = await stableEnd(client, TARGET, partition);
    const copier = this.#copiers[partition].describe();
    return `stable up to ${stable}; ${JSON.stringify(transactionStates)}; the copier is ${copier}`;
  }

  #check(): void {
    for (const { error } of this.#copiers) if (error !== null) throw error;
    if (this.#broker.hasEnded) throw new Error(`the broker has ended: ${this.#broker.output}`);
  }

  async #withClient<T>(use: (client: KafkaClient) => Promise<T>): Promise<T> {
    using client = await KafkaClient.connect(this.#port);
    return await use(client);
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { readonly port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
