import type { Broker, BrokerOptions } from '../../../src/broker/broker.ts';
import type { KafkaServerOptions } from '../../../src/servers/kafka/options.ts';
import { KafkaServer } from '../../../src/servers/kafka/server.ts';
import { ReservedPort } from '../../../src/servers/listener/reserved-port.ts';
import { saslAuthenticate, saslHandshake } from '../../../src/wire/kafka/messages/sasl.ts';
import { createTopics } from '../../../src/wire/kafka/messages/topics.ts';
import { TestShards } from '../../broker/shards/test-shards.ts';
import { KafkaClient } from './kafka-client.ts';

const HOST = '127.0.0.1';

/** Several shards in one thread, each with a Kafka server on a port of its own. */
export class KafkaShards {
  readonly shards: TestShards;
  readonly servers: readonly KafkaServer[];

  private constructor(shards: TestShards, servers: readonly KafkaServer[]) {
    this.shards = shards;
    this.servers = servers;
  }

  static async start(
    count = 3,
    options: Partial<KafkaServerOptions> = {},
    brokerOptions: Partial<BrokerOptions> = {},
    ringBytes?: number,
  ): Promise<KafkaShards> {
    const shards = await TestShards.start(count, brokerOptions, ringBytes);
    return new KafkaShards(shards, await KafkaShards.serve(shards, options));
  }

  /** A server for each shard; all know the ports of all. */
  static async serve(shards: TestShards, options: Partial<KafkaServerOptions>): Promise<KafkaServer[]> {
    const reserved = await Promise.all(shards.brokers.map(() => ReservedPort.open({ host: HOST, port: 0 })));
    const ports = reserved.map(({ port }) => port);
    const usual = {
      host: HOST,
      closeTimeoutMs: 500,
      anonymousUser: 'guest',
      partitions: 3,
      ports,
      ...options,
    };
    return Promise.all(
      shards.brokers.map((broker, shard) =>
        KafkaServer.listen(broker, { ...usual, port: ports[shard]!, reserved: reserved[shard] }),
      ),
    );
  }

  broker(shard: number): Broker {
    return this.shards.brokers[shard]!;
  }

  get ports(): number[] {
    return this.servers.map(({ port }) => port);
  }

  connect(shard: number, clientId = 'test'): Promise<KafkaClient> {
    return KafkaClient.connect(this.ports[shard]!, clientId);
  }

  async connectAs(shard: number, name: string, password = name, clientId = 'test'): Promise<KafkaClient> {
    return logIn(await this.connect(shard, clientId), name, password);
  }

  /** One partition in each shard, in their order, unless it is said otherwise. */
  async createTopic(client: KafkaClient, name: string, numPartitions = this.ports.length) {
    const topic = { name, numPartitions, replicationFactor: 1, assignments: [], configs: [] };
    const { topics } = await client.request(createTopics, 7, { topics: [topic], timeoutMs: 1000 });
    return topics[0]!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.servers.map((server) => server.close()));
    await this.shards[Symbol.asyncDispose]();
  }
}

export async function logIn(client: KafkaClient, name: string, password = name): Promise<KafkaClient> {
  await client.request(saslHandshake, 1, { mechanism: 'PLAIN' });
  const authBytes = Buffer.from(`\0${name}\0${password}`);
  const { errorMessage } = await client.request(saslAuthenticate, 2, { authBytes });
  if (errorMessage !== null) throw new Error(errorMessage);
  return client;
}
