import type { BrokerOptions } from '../../../src/broker/broker.ts';
import type { ProducerIdentity } from '../../../src/broker/transactions/transactional-producer.ts';
import type { KafkaServer } from '../../../src/servers/kafka/server.ts';
import { errorName } from '../../../src/wire/kafka/error-codes.ts';
import { fetch } from '../../../src/wire/kafka/messages/fetch.ts';
import { produce } from '../../../src/wire/kafka/messages/produce.ts';
import { addPartitionsToTxn, endTxn, initProducerId } from '../../../src/wire/kafka/messages/transactions.ts';
import { TestShards } from '../../broker/shards/test-shards.ts';
import { producedBatch } from '../../broker/streams/producers/produced-batch.ts';
import { KafkaClient } from './kafka-client.ts';
import { KafkaShards, logIn } from './kafka-shards.ts';

/** Several shards, each of them a Kafka broker, and a client of each. */
export class ShardKafka {
  readonly shards: TestShards;
  /** By shard. */
  clients: KafkaClient[] = [];
  #servers: KafkaServer[] = [];

  private constructor(shards: TestShards) {
    this.shards = shards;
  }

  static async start(count = 3, options: Partial<BrokerOptions> = {}): Promise<ShardKafka> {
    const kafka = new ShardKafka(await TestShards.start(count, options));
    await kafka.#listen();
    return kafka;
  }

  async #listen(): Promise<void> {
    this.#servers = await KafkaShards.serve(this.shards, {});
    for (const shard of this.#servers.keys()) this.clients.push(await this.connect(shard));
  }

  /** Logged in as guest: who has not logged in administers nothing. */
  async connect(shard: number): Promise<KafkaClient> {
    return logIn(await KafkaClient.connect(this.#servers[shard].port), 'guest');
  }

  /** A topic with one partition in each shard. */
  async create(name: string): Promise<void> {
    const [first] = this.shards.brokers;
    const { length: partitions } = this.shards.brokers;
    first.streams.create({ vhost: '/', name, partitions, configs: new Map(), shards: 'spread' });
    await first.metadataIsSafe();
  }

  async restart(): Promise<void> {
    await this.#hangUp();
    await this.shards.restart();
    await this.#listen();
  }

  async #hangUp(): Promise<void> {
    for (const client of this.clients) client[Symbol.dispose]();
    this.clients = [];
    for (const server of this.#servers) await server.close();
    this.#servers = [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#hangUp();
    await this.shards[Symbol.asyncDispose]();
  }
}

/** Asks the coordinator in shard 0, and writes to the leaders of partitions, as clients do. Answers are names of errors. */
export class ShardKafkaProducer {
  readonly id: string;
  identity: ProducerIdentity = { producerId: -1, epoch: -1 };
  readonly #kafka: ShardKafka;
  readonly #topic: string;

  constructor(kafka: ShardKafka, topic: string, id = 'orders') {
    this.#kafka = kafka;
    this.#topic = topic;
    this.id = id;
  }

  get #coordinator(): KafkaClient {
    return this.#kafka.clients[0];
  }

  async initialize(transactionTimeoutMs = 60_000): Promise<string> {
    const request = { transactionalId: this.id, transactionTimeoutMs, producerId: -1, producerEpoch: -1 };
    const response = await this.#coordinator.request(initProducerId, 5, request);
    if (response.errorCode === 0)
      this.identity = { producerId: response.producerId, epoch: response.producerEpoch };
    return name(response.errorCode);
  }

  async addPartitions(indexes: readonly number[]): Promise<string[]> {
    const response = await this.#coordinator.request(addPartitionsToTxn, 3, {
      v3AndBelowTransactionalId: this.id,
      v3AndBelowProducerId: this.identity.producerId,
      v3AndBelowProducerEpoch: this.identity.epoch,
      v3AndBelowTopics: [{ name: this.#topic, partitions: [...indexes] }],
    });
    const results = response.resultsByTopicV3AndBelow[0].resultsByPartition;
    return results.map(({ partitionErrorCode }) => name(partitionErrorCode));
  }

  /** To the partition in this shard. */
  async produce(
    shard: number,
    sequence: number,
    {
      version = 12,
      identity = this.identity,
      values = ['x'] as readonly string[],
      client = this.#kafka.clients[shard],
    } = {},
  ): Promise<string> {
    const records = producedBatch(values, { ...identity, sequence, isTransactional: true });
    const response = await client.request(produce, version, {
      transactionalId: this.id,
      acks: -1,
      timeoutMs: 1000,
      topicData: [{ name: this.#topic, partitionData: [{ index: shard, records }] }],
    });
    const { errorCode, baseOffset } = response.responses[0].partitionResponses[0];
    return errorCode === 0 ? `at ${baseOffset}` : name(errorCode);
  }

  async end(committed: boolean, version = 5): Promise<string> {
    const { producerId, epoch: producerEpoch } = this.identity;
    const request = { transactionalId: this.id, producerId, producerEpoch, committed };
    const response = await this.#coordinator.request(endTxn, version, request);
    if (response.errorCode === 0 && version >= 5)
      this.identity = { producerId: response.producerId, epoch: response.producerEpoch };
    return name(response.errorCode);
  }

  /** What a reader of what is committed gets of the partition in this shard: its end, and where aborted transactions begin. */
  async stable(shard: number): Promise<{ readonly end: number; readonly aborted: readonly number[] }> {
    const partitions = [{ partition: shard, fetchOffset: 0, partitionMaxBytes: 1_000_000 }];
    const response = await this.#kafka.clients[shard].request(fetch, 12, {
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: 1_000_000,
      isolationLevel: 1,
      topics: [{ topic: this.#topic, partitions }],
    });
    const { lastStableOffset, abortedTransactions } = response.responses[0].partitions[0];
    return {
      end: lastStableOffset,
      aborted: (abortedTransactions ?? []).map(({ firstOffset }) => firstOffset),
    };
  }
}

export function name(code: number): string {
  return errorName(code) ?? String(code);
}
