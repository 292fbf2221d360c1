import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ChannelModel, connect } from 'amqplib';
import { Broker, type BrokerOptions } from '../../../src/broker/broker.ts';
import type { AmqpServerOptions } from '../../../src/servers/amqp091/options.ts';
import { amqp091Codec } from '../../../src/servers/amqp091/property-codec.ts';
import { AmqpServer } from '../../../src/servers/amqp091/server.ts';
import { RawClient } from './raw-client.ts';

/** A real server on a free port, over a broker with a directory of its own. */
export class TestServer {
  readonly broker: Broker;
  readonly server: AmqpServer;
  readonly #directory: string;

  private constructor(broker: Broker, server: AmqpServer, directory: string) {
    this.broker = broker;
    this.server = server;
    this.#directory = directory;
  }

  static async start(
    options: Partial<AmqpServerOptions> = {},
    brokerOptions: Partial<BrokerOptions> = {},
  ): Promise<TestServer> {
    const directory = await mkdtemp(join(tmpdir(), 'sluice-amqp-'));
    const broker = await Broker.open({
      dataDirectory: join(directory, 'data'),
      propertyCodecs: [amqp091Codec],
      ...brokerOptions,
    });
    const server = await AmqpServer.listen(broker, {
      host: '127.0.0.1',
      port: 0,
      closeTimeoutMs: 500,
      ...options,
    });
    return new TestServer(broker, server, directory);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
    await this.broker.close();
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
