import type { AddressInfo } from 'node:net';
import type { Client } from '../../broker/access/clients.ts';
import type { Broker } from '../../broker/broker.ts';
import type { AcceptedConnection } from '../listener/accepted-connection.ts';
import { Listener } from '../listener/listener.ts';
import type { TlsMaterial } from '../listener/tls.ts';
import { Connection } from './connection/connection.ts';
import { Handshake } from './connection/handshake.ts';
import type { HandshakeResult, ServerContext } from './connection/handshake-result.ts';
import { SlabPool } from './connection/output.ts';
import { StartFrame } from './connection/start-frame.ts';
import { closeReason } from './errors.ts';
import { handleMethod } from './handlers/table.ts';
import { type AmqpServerOptions, withDefaults } from './options.ts';

/** AMQP 0-9-1 on one listener, and its connections. */
export class AmqpServer {
  readonly #listener: Listener;
  readonly #context: ServerContext;
  readonly #connections = new Set<Connection>();
  readonly #stalledTimer: NodeJS.Timeout;
  readonly #ackTimeoutTimer: NodeJS.Timeout;
  readonly #unsubscribe: () => void;

  /** Resolves when it listens; rejects with the error of the system if it cannot. */
  static async listen(broker: Broker, options: AmqpServerOptions): Promise<AmqpServer> {
    const settings = withDefaults(options);
    const { host, port, tls = null, reserved, countedAs } = options;
    const { budget } = broker;
    const listening = { ...settings, on: { host, port }, reserved, countedAs, tls, budget };
    const listener = await Listener.listen(listening, (connection) => server.#startHandshake(connection));
    const server = new AmqpServer(listener, {
      broker,
      settings,
      slabs: new SlabPool(),
      startFrame: new StartFrame(settings.version),
      handleMethod,
    });
    return server;
  }

  private constructor(listener: Listener, context: ServerContext) {
    const { broker, settings } = context;
    this.#listener = listener;
    this.#context = context;
    this.#unsubscribe = broker.shard.alarms.onChange(() => this.blockedChanged());
    this.#stalledTimer = setInterval(
      () => this.#dropStalled(),
      Math.max(10, Math.min(5_000, settings.stalledPeerTimeoutMs / 4, settings.unfinishedInputTimeoutMs / 4)),
    );
    this.#ackTimeoutTimer = setInterval(
      () => this.#checkAckTimeouts(),
      Math.max(10, Math.min(1_000, settings.consumerTimeoutMs / 10)),
    );
  }

  /** Where it listens. */
  get address(): AddressInfo {
    return this.#listener.address;
  }

  get port(): number {
    return this.#listener.port;
  }

  /** Without those in the handshake. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Resource alarms came or went. */
  blockedChanged(): void {
    for (const connection of this.#connections) connection.blockedChanged();
  }

  /** Accepts nobody any more, says goodbye, and waits for the peers for a limited time. */
  async close(): Promise<void> {
    this.#unsubscribe();
    clearInterval(this.#stalledTimer);
    clearInterval(this.#ackTimeoutTimer);
    const goodbye = closeReason('CONNECTION_FORCED', 'broker shutdown');
    await this.#listener.close(() => {
      for (const connection of this.#connections) connection.close(goodbye);
    });
  }

  /** Certificates that are good for connections to come. @throws Error if they are not, and changes nothing */
  renewTls(material: TlsMaterial): void {
    this.#listener.renewTls(material);
  }

  #startHandshake(accepted: AcceptedConnection): void {
    new Handshake(accepted, this.#context, {
      finished: (result) => {
        const { clients } = this.#context.broker.access;
        const connection = new Connection(result, this.#context, () => {
          clients.delete(client);
          this.#connections.delete(connection);
        });
        const client = clientOf(result, connection);
        clients.add(client);
        this.#connections.add(connection);
        return connection.frame;
      },
    });
  }

  #dropStalled(): void {
    const nowMs = this.#context.broker.shard.clock.monotonicMs();
    for (const connection of this.#connections) connection.checkStalled(nowMs);
  }

  #checkAckTimeouts(): void {
    const nowMs = this.#context.broker.shard.clock.monotonicMs();
    for (const connection of this.#connections) connection.checkAckTimeouts(nowMs);
  }
}

function clientOf({ identity, vhost }: HandshakeResult, connection: Connection): Client {
  return {
    user: identity,
    vhost: vhost.name,
    close: (reason) => connection.close(closeReason('CONNECTION_FORCED', reason)),
  };
}
