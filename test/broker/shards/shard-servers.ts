import { type ChannelModel, type ConfirmChannel, type ConsumeMessage, connect } from 'amqplib';
import type { BrokerOptions } from '../../../src/broker/broker.ts';
import { AmqpServer } from '../../../src/servers/amqp091/server.ts';
import { RawClient } from '../../servers/amqp091/raw-client.ts';
import { TestShards } from './test-shards.ts';

export interface Client {
  readonly connection: ChannelModel;
  readonly channel: ConfirmChannel;
}

/** Several shards in one thread, with a server of AMQP on each, and clients that we did not write. */
export class ShardServers {
  readonly shards: TestShards;
  #servers: AmqpServer[] = [];
  #connections: ChannelModel[] = [];

  private constructor(shards: TestShards) {
    this.shards = shards;
  }

  static async start(
    count = 3,
    options: Partial<BrokerOptions> = {},
    ringBytes?: number,
  ): Promise<ShardServers> {
    const servers = new ShardServers(await TestShards.start(count, options, ringBytes));
    await servers.#listen();
    return servers;
  }

  async #listen(): Promise<void> {
    for (const broker of this.shards.brokers) {
      this.#servers.push(
        await AmqpServer.listen(broker, { host: '127.0.0.1', port: 0, closeTimeoutMs: 500 }),
      );
    }
  }

  /** A client of this shard. */
  async client(shard: number): Promise<Client> {
    const connection = await connect(`amqp://127.0.0.1:${this.#servers[shard].port}?heartbeat=0`);
    connection.on('error', () => undefined);
    this.#connections.push(connection);
    const channel = await connection.createConfirmChannel();
    channel.on('error', () => undefined);
    return { connection, channel };
  }

  /** A socket to write frames to, as a client of this shard with channel 1 open. */
  async rawChannel(shard: number): Promise<RawClient> {
    const client = await RawClient.connect(this.#servers[shard].port);
    await client.handshake();
    client.method(1, { name: 'channel.open' });
    await client.expect('channel.open-ok');
    return client;
  }

  async restart(): Promise<void> {
    await this.#hangUp();
    await this.shards.restart();
    await this.#listen();
  }

  /** A stop, and a start with fewer shards. */
  async moved(count: number): Promise<void> {
    await this.#hangUp();
    await this.shards.close();
    await this.shards.move(count);
    await this.shards.open(count);
    await this.#listen();
  }

  async #hangUp(): Promise<void> {
    for (const connection of this.#connections) await connection.close().catch(() => undefined);
    this.#connections = [];
    for (const server of this.#servers) await server.close();
    this.#servers = [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#hangUp();
    await this.shards[Symbol.asyncDispose]();
  }
}

export interface Read {
  readonly messages: ConsumeMessage[];
  readonly bodies: string[];
  readonly tag: string;
  readonly wasCancelled: boolean;
}

/** Everything that a consumer with these arguments gets, acknowledged as it comes unless told otherwise. */
export async function consume(
  { channel }: Client,
  queue: string,
  args: Record<string, unknown>,
  isAcknowledged = true,
): Promise<Read> {
  const messages: ConsumeMessage[] = [];
  let wasCancelled = false;
  const { consumerTag } = await channel.consume(
    queue,
    (message) => {
      if (message === null) {
        wasCancelled = true;
        return;
      }
      messages.push(message);
      if (isAcknowledged) channel.ack(message);
    },
    { arguments: args },
  );
  return {
    messages,
    tag: consumerTag,
    get bodies() {
      return messages.map(({ content }) => content.toString());
    },
    get wasCancelled() {
      return wasCancelled;
    },
  };
}
