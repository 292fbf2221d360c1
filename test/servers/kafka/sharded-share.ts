import assert from 'node:assert/strict';
import type { Broker, BrokerOptions } from '../../../src/broker/broker.ts';
import type { Partition } from '../../../src/broker/streams/partition.ts';
import type { Stream } from '../../../src/broker/streams/stream.ts';
import type { WantedShards } from '../../../src/broker/streams/streams.ts';
import type { KafkaServer } from '../../../src/servers/kafka/server.ts';
import type { RequestInput } from '../../../src/wire/kafka/declaration.ts';
import { errorName } from '../../../src/wire/kafka/error-codes.ts';
import { shareFetch } from '../../../src/wire/kafka/messages/share-fetch.ts';
import { shareGroupHeartbeat } from '../../../src/wire/kafka/messages/share-groups.ts';
import { TestShards } from '../../broker/shards/test-shards.ts';
import { batchOf } from '../../broker/streams/batches.ts';
import { KafkaClient } from './kafka-client.ts';
import { KafkaShards } from './kafka-shards.ts';

/** Shards, each with a Kafka server of its own, as each is a broker to Kafka's clients. */
export class ShardedKafka {
  readonly shards: TestShards;
  servers: KafkaServer[] = [];

  private constructor(shards: TestShards) {
    this.shards = shards;
  }

  /** Topic `t` with a partition in each of `places`, and group `g`, which begins at its first record. */
  static async start(
    configs: Readonly<Record<string, string>> = {},
    places: WantedShards = [0, 1, 2],
    options: Partial<BrokerOptions> = {},
  ): Promise<ShardedKafka> {
    const test = new ShardedKafka(await TestShards.start(3, options));
    await test.#listen();
    await test.create('t', places);
    test.first.groupConfigs.set(
      '/',
      'g',
      new Map(Object.entries({ 'share.auto.offset.reset': 'earliest', ...configs })),
    );
    await test.first.metadataIsSafe();
    return test;
  }

  /** Shard 0. */
  get first(): Broker {
    return this.shards.brokers[0];
  }

  async create(name: string, shards: WantedShards): Promise<Stream> {
    const partitions = Array.isArray(shards) ? shards.length : 3;
    const stream = this.first.streams.create({ vhost: '/', name, partitions, configs: new Map(), shards });
    await this.first.metadataIsSafe();
    return stream;
  }

  stream(name = 't', shard = 0): Stream {
    return this.shards.brokers[shard].streams.get('/', name)!;
  }

  shardOf(index: number, name = 't'): number {
    return this.stream(name).partitions[index].shard;
  }

  partition(index: number, name = 't'): Partition {
    return this.stream(name, this.shardOf(index, name)).own(index);
  }

  async append(index: number, ...values: readonly string[]): Promise<void> {
    const bytes = batchOf(values);
    this.partition(index).append(bytes, 0, bytes.length);
    await this.shards.brokers[this.shardOf(index)].shard.durable();
  }

  connect(shard = 0): Promise<KafkaClient> {
    return KafkaClient.connect(this.servers[shard].port);
  }

  async restart(): Promise<void> {
    await this.#close();
    await this.shards.restart();
    await this.#listen();
  }

  async #listen(): Promise<void> {
    const options = { host: '127.0.0.1', port: 0, closeTimeoutMs: 100, anonymousUser: 'guest' };
    this.servers = await KafkaShards.serve(this.shards, options);
  }

  async #close(): Promise<void> {
    for (const server of this.servers.splice(0)) await server.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    await this.shards[Symbol.asyncDispose]();
  }
}

type Batches = RequestInput<
  typeof shareFetch
>['topics'][number]['partitions'][number]['acknowledgementBatches'];

/** What is said of records of one partition. */
export interface Said {
  readonly index: number;
  readonly batches: Batches;
}

/** A member of group `g`: its heartbeats go to shard 0, its fetches to the shards of the partitions. */
export class ShardedMember {
  readonly test: ShardedKafka;
  readonly id: string;
  readonly clients: KafkaClient[];
  readonly #sessions = [0, 0, 0];
  epoch = 0;
  /** Of topic `t`. */
  assigned: readonly number[] = [];

  private constructor(test: ShardedKafka, id: string, clients: KafkaClient[]) {
    this.test = test;
    this.id = id;
    this.clients = clients;
  }

  static async join(test: ShardedKafka, id: string): Promise<ShardedMember> {
    const clients = await Promise.all(test.servers.map((_, shard) => test.connect(shard)));
    const member = new ShardedMember(test, id, clients);
    await member.beat(0, ['t']);
    return member;
  }

  async beat(memberEpoch = this.epoch, subscribedTopicNames: string[] | null = null): Promise<void> {
    const { errorCode, errorMessage, ...answer } = await this.clients[0].request(shareGroupHeartbeat, 1, {
      groupId: 'g',
      memberId: this.id,
      memberEpoch,
      subscribedTopicNames,
    });
    assert.equal(errorCode, 0, errorMessage ?? '');
    this.epoch = answer.memberEpoch;
    const topics = answer.assignment?.topicPartitions;
    const { id } = this.test.stream();
    if (topics !== undefined) this.assigned = topics.find(({ topicId }) => topicId === id)?.partitions ?? [];
  }

  leave(): Promise<void> {
    return this.beat(-1);
  }

  /** What it was given by this shard: partition, offsets and how often they were handed out, as '1:0-4#1'. */
  async fetch(
    shard: number,
    said: readonly Said[] = [],
    options: Partial<RequestInput<typeof shareFetch>> = {},
  ): Promise<string[]> {
    const indexes = this.assigned.filter((index) => this.test.shardOf(index) === shard);
    const shareSessionEpoch = this.#sessions[shard]++;
    const response = await this.clients[shard].request(shareFetch, 2, {
      groupId: 'g',
      memberId: this.id,
      shareSessionEpoch,
      maxWaitMs: 0,
      minBytes: 1,
      maxBytes: 1024 * 1024,
      maxRecords: 500,
      batchSize: 500,
      topics: [
        {
          topicId: this.test.stream().id,
          partitions: (shareSessionEpoch === 0 ? indexes : said.map(({ index }) => index)).map((index) => ({
            partitionIndex: index,
            acknowledgementBatches: said.find((each) => each.index === index)?.batches ?? [],
          })),
        },
      ],
      forgottenTopicsData: [],
      ...options,
    });
    if (response.errorCode !== 0) {
      this.#sessions[shard] = 0;
      return [`${errorName(response.errorCode)}`];
    }
    return response.responses.flatMap(({ partitions }) =>
      partitions.flatMap(({ partitionIndex, errorCode, acknowledgeErrorCode, acquiredRecords }) => [
        ...[errorCode, acknowledgeErrorCode].filter((code) => code !== 0).map((code) => `${errorName(code)}`),
        ...(acquiredRecords ?? []).map(
          ({ firstOffset, lastOffset, deliveryCount }) =>
            `${partitionIndex}:${firstOffset}-${lastOffset}#${deliveryCount}`,
        ),
      ]),
    );
  }

  /** Fetches from all shards; at first there are its sessions to begin. */
  async fetchAll(): Promise<string[]> {
    const found: string[] = [];
    for (const shard of this.clients.keys()) found.push(...(await this.fetch(shard)));
    return found.sort();
  }

  /** Says the same of all that it was given: '1:0-4#1'. */
  async say(type: number, acquired: readonly string[]): Promise<string[]> {
    const errors: string[] = [];
    for (const text of acquired) {
      const [index, firstOffset, lastOffset] = /^(\d+):(\d+)-(\d+)/.exec(text)!.slice(1).map(Number);
      const batches = [{ firstOffset, lastOffset, acknowledgeTypes: [type] }];
      const options = { maxRecords: 0 };
      errors.push(...(await this.fetch(this.test.shardOf(index), [{ index, batches }], options)));
    }
    return errors;
  }

  [Symbol.dispose](): void {
    for (const client of this.clients) client.socket.destroy();
  }
}
