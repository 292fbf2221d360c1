import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ChannelModel, connect } from 'amqplib';
import { Broker, type BrokerOptions } from '../../../src/broker/broker.ts';
import { localOf } from '../../../src/broker/queues/any-queue.ts';
import type { Queue } from '../../../src/broker/queues/queue.ts';
import type { AmqpServerOptions } from '../../../src/servers/amqp091/options.ts';
import { amqp091Codec } from '../../../src/servers/amqp091/property-codec.ts';
import { AmqpServer } from '../../../src/servers/amqp091/server.ts';
import { TestShards } from '../../broker/shards/test-shards.ts';
import { RawClient } from './raw-client.ts';

/** The queue that all others are put beside, in shard 1. */
const ANCHOR = 'anchor';

/** A real server on a free port, over a broker with a directory of its own. */
export class TestServer {
  /** Whether servers that are started are in shard 0 of two, and their queues in the other one. */
  static queuesAreElsewhere = false;

  /** For a test of what is another matter where queues are elsewhere. */
  static hereAlone(reason: string): { skip: string | false } {
    return { skip: TestServer.queuesAreElsewhere ? reason : false };
  }

  readonly broker: Broker;
  readonly server: AmqpServer;
  readonly #directory: string;
  readonly #shards: TestShards | null;

  private constructor(broker: Broker, server: AmqpServer, directory: string, shards: TestShards | null) {
    this.broker = broker;
    this.server = server;
    this.#directory = directory;
    this.#shards = shards;
  }

  static async start(
    options: Partial<AmqpServerOptions> = {},
    brokerOptions: Partial<BrokerOptions> = {},
  ): Promise<TestServer> {
    const directory = await mkdtemp(join(tmpdir(), 'sluice-amqp-'));
    const shards = TestServer.queuesAreElsewhere ? await TestServer.#startShards(brokerOptions) : null;
    const broker =
      shards?.brokers[0] ??
      (await Broker.open({
        dataDirectory: join(directory, 'data'),
        propertyCodecs: [amqp091Codec],
        ...brokerOptions,
      }));
    const server = await AmqpServer.listen(broker, {
      host: '127.0.0.1',
      port: 0,
      closeTimeoutMs: 500,
      ...options,
    });
    return new TestServer(broker, server, directory, shards);
  }

  static async #startShards(options: Partial<BrokerOptions>): Promise<TestShards> {
    const shards = await TestShards.start(2, options);
    await shards.declare(0, ANCHOR, { arguments: { 'x-shard': 1 } });
    const definition = { 'shard-with': ANCHOR };
    shards.vhost(0).setPolicy({ name: ANCHOR, pattern: '', applyTo: 'queues', priority: -1, definition });
    await shards.brokers[0].metadataIsSafe();
    return shards;
  }

  /** The queue, in its own shard. */
  queue(name: string, vhost = '/'): Queue | undefined {
    for (const broker of this.#shards?.brokers ?? [this.broker]) {
      const queue = broker.vhosts.get(vhost)?.findQueue(name);
      for (const local of localOf(queue === undefined ? [] : [queue])) return local;
    }
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
    if (this.#shards === null) await this.broker.close();
    else await this.#shards[Symbol.asyncDispose]();
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** A client that we did not write. */
  async connect(): Promise<ChannelModel & AsyncDisposable> {
    // With heartbeats a client whose socket is lost would keep the test alive by its timers.
    const connection = await connect(`amqp://127.0.0.1:${this.server.port}?heartbeat=0`);
    connection.on('error', () => undefined);
    return Object.assign(connection, {
      [Symbol.asyncDispose]: async () => {
        await connection.close().catch(() => undefined);
      },
    });
  }

  /** A socket to write frames to, before any handshake. */
  raw(): Promise<RawClient> {
    return RawClient.connect(this.server.port);
  }

  /** A socket with its handshake done and channel 1 open. */
  async rawChannel(): Promise<RawClient> {
    const client = await this.raw();
    await client.handshake();
    client.method(1, { name: 'channel.open' });
    await client.expect('channel.open-ok');
    return client;
  }
}
