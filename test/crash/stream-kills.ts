import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Inspector } from '../../src/cli/doctor/inspection.ts';
import { nodeFileSystem } from '../../src/log/files/node-filesystem.ts';
import { deleteRecords } from '../../src/wire/kafka/messages/offsets.ts';
import { produce } from '../../src/wire/kafka/messages/produce.ts';
import { createTopics } from '../../src/wire/kafka/messages/topics.ts';
import { producedBatch } from '../log/compaction/produced-batch.ts';
import { KafkaClient } from '../servers/kafka/kafka-client.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { BrokerProcess } from './broker-process.ts';
import { check } from './copies/topic.ts';
import { HistoryError } from './expected-queue.ts';
import { KilledTopic, type TopicKind } from './killed-topic.ts';

export interface StreamKillReport {
  readonly kills: number;
  /** Records that the broker said it has. */
  readonly confirmed: number;
  /** Records that are there in the end. */
  readonly left: number;
}

const KINDS: readonly TopicKind[] = ['plain', 'compact', 'short'];
const PARTITIONS = 2;
const PRODUCERS = 3;
const UNANSWERED_MAX = 5;
const KEYS = 50;
const LIFE_MS_MAX = 4000;
/** The lives after which everything is read. */
const CHECK_EVERY = 5;

const CONFIGS: Readonly<Record<TopicKind, Readonly<Record<string, string>>>> = {
  plain: { 'segment.bytes': '1048576' },
  compact: { 'cleanup.policy': 'compact', 'segment.ms': '200', 'min.cleanable.dirty.ratio': '0.1' },
  short: { 'retention.bytes': '2097152', 'segment.bytes': '1048576' },
};

/**
 * Kills the real process with SIGKILL at random moments while producers with acks=all fill streams that are kept,
 * compacted and cut off; what was answered as done is there after each start, at its offset.
 */
export async function runStreamKills(kills: number, seed: number): Promise<StreamKillReport> {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-stream-kills-'));
  try {
    return await new StreamKillRun(directory, seed).run(kills);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

class StreamKillRun {
  readonly #directory: string;
  readonly #random: () => number;
  readonly #topics = KINDS.flatMap((kind) =>
    Array.from({ length: PARTITIONS }, (_, partition) => new KilledTopic(kind, partition)),
  );
  #sequence = 0;
  #confirmed = 0;
  #isOver = false;
  #error: unknown = null;

  constructor(directory: string, seed: number) {
    this.#directory = directory;
    this.#random = seededRandom(seed);
  }

  async run(kills: number): Promise<StreamKillReport> {
    for (let life = 0; life < kills; life++) await this.#live(life);
    const broker = this.#start();
    const client = await KafkaClient.connect(await broker.port('kafka'));
    let left = 0;
    for (const topic of this.#topics) left += await topic.check(client);
    client[Symbol.dispose]();
    const status = await broker.stop();
    if (status !== 0) throw new HistoryError(`the broker stopped with status ${status}: ${broker.output}`);
    const { findings } = await new Inspector(nodeFileSystem, this.#directory).inspect();
    for (const { path, what } of findings) throw new HistoryError(`the doctor says of ${path}: ${what}`);
    return { kills, confirmed: this.#confirmed, left };
  }

  #start(): BrokerProcess {
    return new BrokerProcess(this.#directory, ['--kafka-port', '0']);
  }

  async #live(life: number): Promise<void> {
    const broker = this.#start();
    try {
      if (this.#random() < 0.1) {
        await delay(this.#random() * 400);
        return;
      }
      const port = await broker.port('kafka');
      const clients = await Promise.all(Array.from({ length: PRODUCERS }, () => KafkaClient.connect(port)));
      const [first] = clients as [KafkaClient];
      if (life === 0 || this.#confirmed === 0) await this.#create(first);
      if (life % CHECK_EVERY === 0) for (const topic of this.#topics) await topic.check(first);
      this.#isOver = false;
      const work = clients.map((client) => this.#produce(client));
      work.push(this.#deleteOld(first));
      await delay(this.#random() ** 2 * LIFE_MS_MAX);
      if (broker.hasEnded) throw new HistoryError(`the broker ended by itself: ${broker.output}`);
      this.#isOver = true;
      await broker.kill();
      await Promise.all(work);
      for (const client of clients) client[Symbol.dispose]();
    } finally {
      this.#isOver = true;
      if (!broker.hasEnded) await broker.kill();
    }
    if (this.#error !== null) throw this.#error;
  }

  async #create(client: KafkaClient): Promise<void> {
    const topics = KINDS.map((name) => ({
      name,
      numPartitions: PARTITIONS,
      replicationFactor: 1,
      assignments: [],
      configs: Object.entries(CONFIGS[name]).map(([name, value]) => ({ name, value })),
    }));
    await client.request(createTopics, 5, { topics, timeoutMs: 10_000, validateOnly: false });
  }

  /** Until the connection is gone, some requests at a time. */
  async #produce(client: KafkaClient): Promise<void> {
    const unanswered = new Set<Promise<void>>();
    while (!this.#isOver && this.#error === null) {
      const request = this.#produceOne(client).catch((error: unknown) => {
        if (!this.#isOver) this.#error ??= error;
      });
      unanswered.add(request);
      request.then(() => unanswered.delete(request));
      if (unanswered.size >= UNANSWERED_MAX) await Promise.race(unanswered);
    }
    await Promise.all(unanswered);
  }

  async #produceOne(client: KafkaClient): Promise<void> {
    const topic = this.#topics[Math.floor(this.#random() * this.#topics.length)];
    const records = Array.from({ length: 1 + Math.floor(this.#random() * 20) }, () => ({
      key: `key-${Math.floor(this.#random() * KEYS)}`,
      value: this.#random() < 0.1 ? null : `${this.#sequence++}:`.padEnd(this.#random() * 800, 'x'),
      timestampMs: Date.now(),
    }));
    const compression = this.#random() < 0.2 ? Math.floor(this.#random() * 5) : 0;
    const batch = producedBatch(records, { compression });
    topic.sent(records);
    const response = await client.request(produce, 9, {
      acks: -1,
      timeoutMs: 10_000,
      topicData: [{ name: topic.kind, partitionData: [{ index: topic.partition, records: batch }] }],
    });
    const { errorCode, baseOffset } = response.responses[0].partitionResponses[0];
    check(errorCode, `producing to ${topic.kind}`);
    topic.confirmed(baseOffset, records);
    this.#confirmed += records.length;
  }

  /** Cuts off a part of a stream, now and then. */
  async #deleteOld(client: KafkaClient): Promise<void> {
    while (!this.#isOver) {
      await delay(this.#random() * 2000);
      const topic = this.#topics[Math.floor(this.#random() * PARTITIONS)];
      const offset = Math.floor(topic.confirmedEnd * this.#random());
      if (offset <= topic.deletedBelow || this.#isOver) continue;
      const topics = [{ name: topic.kind, partitions: [{ partitionIndex: topic.partition, offset }] }];
      topic.deleting(offset);
      const response = await client
        .request(deleteRecords, 2, { topics, timeoutMs: 10_000 })
        .catch(() => null);
      if (response === null) return;
      if (response.topics[0].partitions[0].errorCode === 0) topic.deleted(offset);
    }
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
