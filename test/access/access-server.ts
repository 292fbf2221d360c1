import assert from 'node:assert/strict';
import { type Channel, type ChannelModel, connect } from 'amqplib';
import type { Acl } from '../../src/broker/access/acl.ts';
import type { BrokerOptions } from '../../src/broker/broker.ts';
import type { AmqpServerOptions } from '../../src/servers/amqp091/options.ts';
import { AmqpServer } from '../../src/servers/amqp091/server.ts';
import type { KafkaServerOptions } from '../../src/servers/kafka/options.ts';
import { errorName } from '../../src/wire/kafka/error-codes.ts';
import { fetch } from '../../src/wire/kafka/messages/fetch.ts';
import { produce } from '../../src/wire/kafka/messages/produce.ts';
import { saslAuthenticate, saslHandshake } from '../../src/wire/kafka/messages/sasl.ts';
import { producedBatch } from '../log/compaction/produced-batch.ts';
import type { KafkaClient } from '../servers/kafka/kafka-client.ts';
import { KafkaTestServer } from '../servers/kafka/test-server.ts';

export interface Rights {
  readonly configure?: string;
  readonly write?: string;
  readonly read?: string;
  readonly vhost?: string;
  readonly tags?: readonly string[];
  /** By exchange. */
  readonly topics?: { readonly [exchange: string]: { readonly write: string; readonly read: string } };
  readonly acls?: readonly Partial<Acl>[];
}

/** One broker with a listener of each protocol, and users whose password is their name. */
export class AccessServer {
  readonly kafkaServer: KafkaTestServer;
  readonly amqpServer: AmqpServer;
  readonly #open: ChannelModel[] = [];
  readonly #clients: KafkaClient[] = [];

  private constructor(kafkaServer: KafkaTestServer, amqpServer: AmqpServer) {
    this.kafkaServer = kafkaServer;
    this.amqpServer = amqpServer;
  }

  static async start(
    kafka: Partial<KafkaServerOptions> = {},
    broker: Partial<BrokerOptions> = {},
    amqp: Partial<AmqpServerOptions> = {},
  ): Promise<AccessServer> {
    const kafkaServer = await KafkaTestServer.start(kafka, broker);
    const amqpServer = await AmqpServer.listen(kafkaServer.broker, {
      host: '127.0.0.1',
      port: 0,
      closeTimeoutMs: 500,
      ...amqp,
    });
    return new AccessServer(kafkaServer, amqpServer);
  }

  get broker(): KafkaTestServer['broker'] {
    return this.kafkaServer.broker;
  }

  async addUser(name: string, rights: Rights = {}): Promise<void> {
    const { administration, acls } = this.broker.access;
    await administration.addUser(name, name, rights.tags ?? []);
    const { vhost = '/', configure = '', write = '', read = '' } = rights;
    await administration.setPermissions(name, vhost, { configure, write, read });
    for (const [exchange, patterns] of Object.entries(rights.topics ?? {})) {
      await administration.setTopicPermissions(name, vhost, exchange, patterns);
    }
    for (const acl of rights.acls ?? []) {
      const usual: Acl = {
        resource: 'topic',
        name: '*',
        pattern: 'literal',
        principal: `User:${name}`,
        host: '*',
        operation: 'all',
        permission: 'allow',
      };
      await acls.add(vhost, { ...usual, ...acl });
    }
  }

  async amqp(name: string): Promise<ChannelModel> {
    const model = await connect(`amqp://${name}:${name}@127.0.0.1:${this.amqpServer.port}`);
    model.on('error', () => undefined);
    this.#open.push(model);
    return model;
  }

  /** What an AMQP client is told that does this on a new channel; null if it may. */
  async refusal(
    name: string,
    act: (channel: Channel, model: ChannelModel) => Promise<unknown>,
  ): Promise<string | null> {
    const model = this.#open.find((each) => Reflect.get(each, 'user') === name) ?? (await this.amqp(name));
    Reflect.set(model, 'user', name);
    const channel = await model.createChannel();
    const { promise, resolve } = Promise.withResolvers<string>();
    channel.on('error', (error: Error) => resolve(error.message));
    try {
      await act(channel, model);
      await channel.close();
      return null;
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
      return await promise;
    }
  }

  /** A connection that has logged in; without a name, one that has not. */
  async kafka(name: string | null): Promise<KafkaClient> {
    const client = await this.kafkaServer.connect();
    this.#clients.push(client);
    if (name === null) return client;
    await client.request(saslHandshake, 1, { mechanism: 'PLAIN' });
    const authBytes = Buffer.from(`\0${name}\0${name.split(':').at(-1)}`);
    const { errorCode, errorMessage } = await client.request(saslAuthenticate, 2, { authBytes });
    if (errorCode !== 0) throw new Error(String(errorMessage));
    return client;
  }

  /** Produces one record; the name of the error. */
  async produce(client: KafkaClient, topic: string, key: string | null): Promise<string> {
    const records = producedBatch([{ key, value: 'v', timestampMs: Date.now() }]);
    const partitionData = [{ index: 0, records }];
    const topicData = [{ name: topic, partitionData }];
    const { responses } = await client.request(produce, 9, { acks: -1, timeoutMs: 1000, topicData });
    return String(errorName(responses[0]?.partitionResponses[0]?.errorCode ?? -1));
  }

  /** Fetches from the beginning; the name of the error. */
  async fetch(client: KafkaClient, topic: string): Promise<string> {
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1e6, currentLeaderEpoch: -1 }];
    const request = { maxWaitMs: 0, minBytes: 1, maxBytes: 1e6, topics: [{ topic, partitions }] };
    const { responses } = await client.request(fetch, 11, { ...request, forgottenTopicsData: [] });
    return String(errorName(responses[0]?.partitions[0]?.errorCode ?? -1));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.socket.destroy();
    await Promise.all(this.#open.map((model) => model.close().catch(() => undefined)));
    await this.amqpServer.close();
    await this.kafkaServer[Symbol.asyncDispose]();
  }
}

/** Published and waited for: a refusal closes the channel. */
export async function publish(
  channel: Channel,
  exchange: string,
  key: string,
  headers: { readonly [name: string]: unknown } = {},
): Promise<void> {
  channel.publish(exchange, key, Buffer.from('x'), { headers });
  await channel.checkExchange('amq.direct');
}
