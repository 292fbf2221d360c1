import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ChannelModel, connect } from 'amqplib';
import { seededRandom } from '../support/seeded-random.ts';
import { BrokerProcess } from './broker-process.ts';
import { HistoryError } from './expected-queue.ts';
import { KillAdministration } from './kill-administration.ts';
import { ChainFeature } from './kill-chain.ts';
import { consumePlainly, drain, FANOUT, type Load, publishConfirmed, QUEUES, work } from './kill-clients.ts';
import { DelayedFeature } from './kill-delayed.ts';
import { type Feature, patiently } from './kill-feature.ts';
import { FedFeature } from './kill-fed.ts';
import { KillHistory } from './kill-history.ts';
import { LimitedFeature } from './kill-limited.ts';
import { OnceFeature } from './kill-once.ts';
import { PriorityFeature } from './kill-priority.ts';
import { KillTopology } from './kill-topology.ts';

export interface KillReport {
  readonly kills: number;
  readonly confirmed: number;
  readonly commits: number;
  readonly deliveries: number;
}

/** Two channels publish with confirms, three queues are read plainly, two channels work in transactions. */
const CONNECTIONS = 5;
/** What the features of queues have for themselves. */
const FEATURE_CONNECTIONS = 3;
const LOAD_MS_MAX = 600;
const CONFIRMED_MAX = 1000;
const PATIENCE_MS = 3000;

/**
 * Kills the real process with SIGKILL at random moments, again and again on one data directory, while real clients
 * work; then drains everything and asks the history. SIGKILL leaves the system's cache intact: what it tests is the
 * broker's code, the order of its answers and its recovery; power cuts are for the simulation.
 */
export async function runKills(kills: number, seed: number, shards = 1): Promise<KillReport> {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-crash-'));
  try {
    return await new KillRun(directory, seed, shards).run(kills);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

class KillRun {
  readonly #directory: string;
  readonly #shards: number;
  readonly #random: () => number;
  readonly #history = new KillHistory();
  readonly #topology = new KillTopology();
  readonly #administration: KillAdministration;
  readonly #features: readonly Feature[] = [
    new ChainFeature(),
    new PriorityFeature(),
    new LimitedFeature(),
    new DelayedFeature(),
    new OnceFeature(),
    new FedFeature(),
  ];
  readonly #sequences = new Map<string, number>();
  #error: unknown = null;

  constructor(directory: string, seed: number, shards: number) {
    this.#directory = directory;
    this.#shards = shards;
    this.#administration = new KillAdministration(directory);
    this.#random = seededRandom(seed);
  }

  async run(kills: number): Promise<KillReport> {
    for (let kill = 0; kill < kills; kill++) await this.#live();
    await this.#end();
    const { confirmed, commits, deliveries } = this.#history;
    return { kills, confirmed, commits, deliveries };
  }

  /** From one start to the next kill. */
  async #live(): Promise<void> {
    const broker = this.#start();
    if (this.#random() < 0.1) {
      await delay(this.#random() * 400);
      await broker.kill();
      return;
    }
    try {
      await this.#loadUntilKilled(broker);
    } finally {
      await broker.kill();
    }
    if (this.#error !== null) throw this.#error;
  }

  async #loadUntilKilled(broker: BrokerProcess): Promise<void> {
    const port = await broker.port();
    const load = this.#load();
    const connections = await this.#connect(port, CONNECTIONS + FEATURE_CONNECTIONS);
    await this.#declareAndCheck(connections[0]);
    const [first, second, third, fourth, fifth] = connections as [
      ChannelModel,
      ChannelModel,
      ChannelModel,
      ChannelModel,
      ChannelModel,
    ];
    const clients = [
      publishConfirmed(load, first, 'p1'),
      publishConfirmed(load, second, 'p2'),
      consumePlainly(load, third, 'q0'),
      consumePlainly(load, first, 'q1'),
      consumePlainly(load, fourth, 'q2'),
      work(load, fourth, 'x1', 'q3'),
      work(load, fifth, 'x2', null),
      this.#topology.churn(load, third),
      this.#administration.churn(load),
      ...this.#features.flatMap((feature) => feature.clients(load, connections.slice(CONNECTIONS))),
    ];
    // They end with their connections.
    for (const client of clients) client.catch(() => undefined);
    await delay(this.#random() ** 2 * LOAD_MS_MAX);
    if (this.#random() < 0.5) await this.#confirmMore();
    if (broker.hasEnded) throw new Error(`the broker ended by itself: ${broker.output}`);
    load.isOver = true;
    await broker.kill();
    this.#history.lifeEnds();
    for (const feature of this.#features) feature.lifeEnds();
    await Promise.allSettled(clients);
  }

  /** On a busy machine little is done in a time: half of the lives do not end before something was. */
  #confirmMore(): Promise<void> {
    const wanted = this.#history.confirmed + this.#random() * CONFIRMED_MAX;
    return patiently(() => this.#history.confirmed >= wanted || this.#error !== null, PATIENCE_MS);
  }

  #start(): BrokerProcess {
    return new BrokerProcess(this.#directory, [], {}, this.#shards);
  }

  /** All that is left is taken; after an orderly stop and a start nothing comes back. */
  async #end(): Promise<void> {
    const broker = this.#start();
    try {
      const [connection] = await this.#connect(await broker.port(), 1);
      await this.#declareAndCheck(connection!);
      for (const queue of QUEUES) await drain(this.#load(), connection!, queue);
      for (const feature of this.#features) await feature.end(this.#load(), connection!);
      if (this.#error !== null) throw this.#error;
      this.#history.checkAll();
      await connection!.close();
      const status = await broker.stop();
      if (status !== 0) throw new HistoryError(`the broker stopped with status ${status}: ${broker.output}`);
    } finally {
      if (!broker.hasEnded) await broker.kill();
    }
    await this.#checkEmpty();
  }

  async #checkEmpty(): Promise<void> {
    const broker = this.#start();
    try {
      const [connection] = await this.#connect(await broker.port(), 1);
      const channel = await connection!.createChannel();
      for (const queue of [...QUEUES, ...this.#features.flatMap(({ queues }) => queues)]) {
        const { messageCount } = await channel.checkQueue(queue);
        if (messageCount > 0)
          throw new HistoryError(`${queue} was drained, but has ${messageCount} messages again`);
      }
    } finally {
      await broker.kill();
    }
  }

  async #declareAndCheck(connection: ChannelModel): Promise<void> {
    await declareAll(connection);
    const channel = await connection.createChannel();
    for (const feature of this.#features) await feature.declare(channel);
    await channel.close();
    await this.#topology.check(connection);
    await this.#administration.check();
  }

  #load(): Load {
    return {
      history: this.#history,
      random: this.#random,
      isOver: false,
      fail: (error) => {
        this.#error ??= error;
      },
      nextSequence: (publisher) => {
        const sequence = this.#sequences.get(publisher) ?? 0;
        this.#sequences.set(publisher, sequence + 1);
        return sequence;
      },
    };
  }

  async #connect(port: number, count: number): Promise<ChannelModel[]> {
    const connections = await Promise.all(
      Array.from({ length: count }, () => connect(`amqp://guest:guest@127.0.0.1:${port}`)),
    );
    for (const connection of connections) connection.on('error', () => undefined);
    return connections;
  }
}

async function declareAll(connection: ChannelModel): Promise<void> {
  const channel = await connection.createChannel();
  await channel.assertExchange(FANOUT, 'fanout', { durable: true });
  for (const queue of QUEUES) {
    await channel.assertQueue(queue, { durable: true });
    await channel.bindQueue(queue, FANOUT, '');
  }
  await channel.close();
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
