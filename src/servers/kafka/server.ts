import type { AddressInfo } from 'node:net';
import { MemoryPool } from '../../base/memory-pool.ts';
import type { Broker } from '../../broker/broker.ts';
import type { ServiceRequest } from '../../broker/shards/services/service-request.ts';
import type { AcceptedConnection } from '../listener/accepted-connection.ts';
import { Listener } from '../listener/listener.ts';
import type { TlsMaterial } from '../listener/tls.ts';
import type { KafkaConnection, KafkaConnectionDeps } from './connection/connection.ts';
import { FetchSessions } from './fetch/fetch-sessions.ts';
import { memberCodec } from './groups/member-codec.ts';
import type { Controller, ServedApi, ServerContext } from './handlers/request-context.ts';
import { type KafkaServerOptions, type Settings, withDefaults } from './options.ts';
import { loadProtocol } from './protocol.ts';
import { ShareSessions } from './share/share-sessions.ts';

/**
 * Connections and the handlers of all APIs. They are loaded when the first client connects: they are a large part of the
 * program, and many brokers never meet a Kafka client.
 */
interface Protocol {
  readonly KafkaConnection: typeof KafkaConnection;
  readonly apis: readonly ServedApi[];
  readonly deps: KafkaConnectionDeps;
  /** In shard 0: a request of a client of another shard. */
  answerForwarded(request: ServiceRequest): void;
}

/** What `fetchMemory` keeps for the next fetches, enough for a few at a time. */
const FETCH_MEMORY_BYTES = 16 * 1024 * 1024;
const CONNECTION_THROTTLE_MS_MAX = 1000;

/** The Kafka protocol on one listener, and its connections. */
export class KafkaServer implements ServerContext {
  readonly broker: Broker;
  readonly settings: Settings;
  readonly fetchSessions: FetchSessions;
  /** For the records of Fetch responses until the socket has taken them. */
  readonly fetchMemory = new MemoryPool(FETCH_MEMORY_BYTES);
  readonly shareSessions: ShareSessions;
  readonly shard: number;
  readonly ports: readonly number[];
  readonly controller: Controller | null;
  readonly #listener: Listener;
  readonly #connections = new Set<KafkaConnection>();
  readonly #timer: NodeJS.Timeout;
  #protocol: Protocol | null = null;
  #loading: Promise<void> | null = null;
  /** In shard 0: other shards are not answered any more. */
  #stopServing: () => void = () => undefined;

  /** Resolves when it listens; rejects with the error of the system if it cannot. */
  static async listen(broker: Broker, options: KafkaServerOptions): Promise<KafkaServer> {
    const settings = withDefaults(options);
    if (options.ports === undefined && (broker.elsewhere?.own ?? 0) > 0)
      throw new Error('a server of one shard of several needs the ports of all');
    const { host, port, tls = null, reserved, countedAs } = options;
    const { budget } = broker;
    const listening = { ...settings, on: { host, port }, reserved, countedAs, tls, budget };
    const listener = await Listener.listen(listening, (connection) => server.#accept(connection));
    const server = new KafkaServer(broker, settings, listener, options.ports ?? [listener.port]);
    return server;
  }

  private constructor(broker: Broker, settings: Settings, listener: Listener, ports: readonly number[]) {
    this.broker = broker;
    this.settings = settings;
    this.#listener = listener;
    this.ports = ports;
    this.shard = broker.elsewhere?.own ?? 0;
    this.controller = this.#findController();
    this.fetchSessions = new FetchSessions(broker.quotas);
    this.shareSessions = new ShareSessions(broker.quotas);
    broker.groups.useMemberCodec(memberCodec);
    const shortestMs = Math.min(
      settings.stalledPeerTimeoutMs,
      settings.handshakeTimeoutMs,
      settings.idleTimeoutMs,
      settings.unfinishedInputTimeoutMs,
    );
    this.#timer = setInterval(() => this.#check(), Math.max(10, Math.min(5_000, shortestMs / 4)));
  }

  get apis(): readonly ServedApi[] {
    return this.#protocol?.apis ?? [];
  }

  get address(): AddressInfo {
    return this.#listener.address;
  }

  get port(): number {
    return this.#listener.port;
  }

  get isTls(): boolean {
    return this.#listener.isTls;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Accepts nobody any more, sends what was answered, and waits for the peers for a limited time. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#stopServing();
    await this.#listener.close(() => {
      for (const connection of [...this.#connections]) connection.close('broker shutdown');
    });
  }

  /** Certificates that are good for connections to come. @throws Error if they are not, and changes nothing */
  renewTls(material: TlsMaterial): void {
    this.#listener.renewTls(material);
  }

  /** With several shards: shard 0 serves as the controller, and others ask it. Listeners of one kind belong together. */
  #findController(): Controller | null {
    const { elsewhere } = this.broker;
    if (elsewhere === null) return null;
    const service = this.isTls ? 'kafkas' : 'kafka';
    if (elsewhere.own !== 0) return { ask: (request) => elsewhere.ask(0, service, request) };
    this.#stopServing = elsewhere.serve(service, (request) => this.#answerForwarded(request));
    return null;
  }

  #answerForwarded(request: ServiceRequest): void {
    if (this.#protocol !== null) {
      this.#protocol.answerForwarded(request);
      return;
    }
    this.#load().then(
      () => this.#answerForwarded(request),
      (error: unknown) => {
        this.settings.log.error({ err: error }, 'the Kafka protocol could not be loaded');
        request.fail('the Kafka protocol could not be loaded');
      },
    );
  }

  #accept(accepted: AcceptedConnection): void {
    if (!this.#isTooSoon(accepted)) this.#connect(accepted);
  }

  /** Whoever connects too often is let go after a while: at once, he would be back at once. */
  #isTooSoon({ socket, peer }: AcceptedConnection): boolean {
    const tooSoonMs = this.broker.access.quotas.connected(peer.address);
    if (tooSoonMs === 0) return false;
    this.settings.log.info({ peer: peer.address, tooSoonMs }, 'a client connects too often');
    socket.pause();
    const timer = setTimeout(() => socket.destroy(), Math.min(tooSoonMs, CONNECTION_THROTTLE_MS_MAX));
    socket.once('close', () => clearTimeout(timer));
    return true;
  }

  #connect(accepted: AcceptedConnection): void {
    if (this.#protocol === null) {
      this.#connectLater(accepted);
      return;
    }
    const { KafkaConnection, deps } = this.#protocol;
    // Not every client has to log in: the connection itself sees that who has to does so in time.
    accepted.established(false);
    this.#connections.add(new KafkaConnection(deps, accepted));
  }

  /** Loads the protocol; meanwhile what the client sends stays in its socket. */
  #connectLater(accepted: AcceptedConnection): void {
    const { socket } = accepted;
    this.#load().then(
      () => {
        if (!socket.destroyed) this.#connect(accepted);
      },
      (error: unknown) => {
        this.settings.log.error({ err: error }, 'the Kafka protocol could not be loaded');
        socket.destroy();
      },
    );
  }

  #load(): Promise<void> {
    this.#loading ??= loadProtocol().then((loaded) => {
      const { KafkaConnection, handlers, handlerOf, authenticateByToken, answerForwarded } = loaded;
      const closed = (connection: KafkaConnection): void => void this.#connections.delete(connection);
      const deps = { server: this, handlerOf, saslToken: authenticateByToken, closed };
      this.#protocol = {
        KafkaConnection,
        apis: handlers,
        deps,
        answerForwarded: (request) => answerForwarded(this, handlerOf, request),
      };
    });
    return this.#loading;
  }

  #check(): void {
    const nowMs = this.broker.shard.clock.monotonicMs();
    for (const connection of this.#connections) connection.check(nowMs);
  }
}
