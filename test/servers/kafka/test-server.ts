import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Broker, type BrokerOptions } from '../../../src/broker/broker.ts';
import { amqp091Codec } from '../../../src/servers/amqp091/property-codec.ts';
import type { KafkaServerOptions } from '../../../src/servers/kafka/options.ts';
import { KafkaServer } from '../../../src/servers/kafka/server.ts';
import { saslAuthenticate, saslHandshake } from '../../../src/wire/kafka/messages/sasl.ts';
import { KafkaClient } from './kafka-client.ts';

/** A real server on a free port, over a broker with a directory of its own. */
export class KafkaTestServer {
  broker: Broker;
  server: KafkaServer;
  readonly #directory: string;
  readonly #options: Partial<KafkaServerOptions>;
  readonly #brokerOptions: Partial<BrokerOptions>;

  private constructor(
    opened: { readonly broker: Broker; readonly server: KafkaServer },
    directory: string,
    options: Partial<KafkaServerOptions>,
    brokerOptions: Partial<BrokerOptions>,
  ) {
    this.broker = opened.broker;
    this.server = opened.server;
    this.#directory = directory;
    this.#options = options;
    this.#brokerOptions = brokerOptions;
  }

  static async start(
    options: Partial<KafkaServerOptions> = {},
    brokerOptions: Partial<BrokerOptions> = {},
  ): Promise<KafkaTestServer> {
    const directory = await mkdtemp(join(tmpdir(), 'sluice-kafka-'));
    const opened = await open(directory, options, brokerOptions);
    return new KafkaTestServer(opened, directory, options, brokerOptions);
  }

  /** Stops, and starts again on the same directory; on another port. */
  async restart(): Promise<void> {
    await this.#close();
    const { broker, server } = await open(this.#directory, this.#options, this.#brokerOptions);
    this.broker = broker;
    this.server = server;
  }

  get address(): string {
    return `127.0.0.1:${this.server.port}`;
  }

  connect(clientId = 'test'): Promise<KafkaClient> {
    return KafkaClient.connect(this.server.port, clientId);
  }

  /** Logged in as guest: who has not logged in administers nothing. */
  async connectAsAdministrator(clientId = 'test'): Promise<KafkaClient> {
    const client = await this.connect(clientId);
    await client.request(saslHandshake, 1, { mechanism: 'PLAIN' });
    const authBytes = Buffer.from('\0guest\0guest');
    const { errorMessage } = await client.request(saslAuthenticate, 2, { authBytes });
    if (errorMessage !== null) throw new Error(errorMessage);
    return client;
  }

  async #close(): Promise<void> {
    await this.server.close();
    await this.broker.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

async function open(
  directory: string,
  options: Partial<KafkaServerOptions>,
  brokerOptions: Partial<BrokerOptions>,
): Promise<{ broker: Broker; server: KafkaServer }> {
  const broker = await Broker.open({
    dataDirectory: join(directory, 'data'),
    propertyCodecs: [amqp091Codec],
    ...brokerOptions,
  });
  const server = await KafkaServer.listen(broker, {
    host: '127.0.0.1',
    port: 0,
    closeTimeoutMs: 500,
    anonymousUser: 'guest',
    ...options,
  });
  return { broker, server };
}
