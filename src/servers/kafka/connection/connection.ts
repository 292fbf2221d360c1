import type { Socket } from 'node:net';
import { clientText } from '../../../base/client-text.ts';
import type { TurnTime } from '../../../base/turn-time.ts';
import type { AclOperation, AclResource } from '../../../broker/access/acl.ts';
import type { ClientQuota } from '../../../broker/access/client-quota.ts';
import type { Client } from '../../../broker/access/clients.ts';
import type { Broker } from '../../../broker/broker.ts';
import { addressKey } from '../../../broker/budget/address-key.ts';
import type { ConnectionMemory, MemoryUser } from '../../../broker/budget/client-memory.ts';
import { KafkaWireError } from '../../../wire/kafka/errors.ts';
import { decodeRequestHeader, type RequestHeader } from '../../../wire/kafka/headers.ts';
import { saslAuthenticate } from '../../../wire/kafka/messages/sasl.ts';
import type { AcceptedConnection } from '../../listener/accepted-connection.ts';
import type { Peer } from '../../listener/peer.ts';
import type { ClientsView } from '../broker-addresses.ts';
import { type AnyHandler, isRaw } from '../handler.ts';
import type { RequestContext, ServerContext } from '../handlers/request-context.ts';
import type { Settings } from '../options.ts';
import { Authentication } from './authentication.ts';
import { KafkaConnectionInfo } from './connection-info.ts';
import { ANONYMOUS, type Identity } from './identity.ts';
import { IdleTimeout, PEER_FAULTS } from './idle-timeout.ts';
import { explainedToOtherClient } from './other-protocol.ts';
import { PendingResponse, type RespondingConnection } from './pending-response.ts';
import { ConnectionRequestContext, handleRequest, type RequestingConnection } from './request-context.ts';
import { type ReadConnection, RequestInput } from './request-input.ts';
import { RequestQuota } from './request-quota.ts';
import { ResponseQueue } from './response-queue.ts';
import { refuseVersion } from './unsupported-version.ts';

/** What the server gives to all of its connections; handlers are loaded with the protocol, and come as functions. */
export interface KafkaConnectionDeps {
  readonly server: ServerContext;
  handlerOf(apiKey: number): AnyHandler | undefined;
  /** A SASL token in a frame of its own, after SaslHandshake 0. */
  saslToken(
    token: Buffer,
    pending: PendingResponse,
    context: Pick<RequestContext, 'client' | 'broker'>,
  ): void;
  /** The socket is closed. */
  closed(connection: KafkaConnection): void;
}

/** One client: its requests to their handlers, its identity and quota, and the end of it. What it sends is read by `RequestInput`. */
export class KafkaConnection
  implements RequestingConnection, RespondingConnection, ReadConnection, MemoryUser
{
  readonly server: ServerContext;
  readonly broker: Broker;
  readonly settings: Settings;
  readonly socket: Socket;
  readonly peer: Peer;
  readonly responses: ResponseQueue;
  readonly memory: ConnectionMemory;
  software = '';
  isClosed = false;
  readonly connectedAtMs: number;
  identity: Identity | null = null;
  readonly authentication: Authentication;
  readonly requestQuota: RequestQuota;
  lastRequest = 'frame';
  readonly #deps: KafkaConnectionDeps;
  readonly #accepted: AcceptedConnection;
  readonly #closeListeners = new Set<() => void>();
  #clientId: string | null = null;
  #quota: ClientQuota | null = null;
  #info: KafkaConnectionInfo | null = null;
  #client: Client | null = null;
  readonly #owner = () => ({ protocol: 'Kafka', request: this.lastRequest, user: this.actor });
  #endTimer: NodeJS.Timeout | null = null;
  readonly #input: RequestInput;
  readonly #idleTimeout: IdleTimeout;

  constructor(deps: KafkaConnectionDeps, accepted: AcceptedConnection) {
    const { server } = deps;
    const { socket, peer, certificateName } = accepted;
    this.#accepted = accepted;
    const { broker, settings } = server;
    this.#deps = deps;
    this.server = server;
    this.broker = broker;
    this.settings = settings;
    this.socket = socket;
    this.peer = peer;
    this.connectedAtMs = broker.shard.clock.now();
    this.memory = broker.budget.memory.open(`address ${addressKey(peer.address)}`, this);
    this.#input = new RequestInput(this);
    this.responses = new ResponseQueue(
      socket,
      broker.shard.turn,
      { highWaterBytes: settings.outputHighWaterBytes, memory: this.memory },
      this.#input,
    );
    this.requestQuota = new RequestQuota(broker.shard.clock);
    this.#idleTimeout = new IdleTimeout(socket, this.responses, settings, this.#input.receivedAtMs);
    this.authentication = new Authentication({
      broker,
      settings,
      peer,
      isTls: server.isTls,
      certificateName,
      log: settings.log,
      identified: (identity) => this.#identified(identity),
    });
    // The peer has half-closed: the responses that are ready are still sent.
    socket.once('end', () => {
      if (!this.isClosed) this.#end();
    });
    socket.once('close', () => this.#closed());
  }

  get address(): string {
    return this.peer.address;
  }

  get vhost(): string {
    return this.identity?.vhost ?? '/';
  }

  /** The KafkaPrincipal, for the log. */
  get principal(): string {
    return this.identity?.principal ?? 'User:ANONYMOUS';
  }

  get actor(): string {
    return this.identity?.user.name ?? '';
  }

  /** `client_id` of the last request header. */
  get clientId(): string {
    return this.#clientId ?? '';
  }

  get quota(): ClientQuota {
    return (this.#quota ??= this.broker.access.clientQuota(this.identity?.name ?? ANONYMOUS, this.clientId));
  }

  get turnTime(): TurnTime {
    return this.broker.shard.turnTime;
  }

  get view(): ClientsView {
    const { advertised } = this.settings;
    const { localAddress, localPort } = this.peer;
    const { ports, shard } = this.server;
    // The port that is advertised is that of shard 0; the one that the client has connected to is ours.
    const portOffset = advertised?.port == null ? localPort - ports[shard] : advertised.port - ports[0];
    return { host: advertised?.host ?? localAddress, portOffset };
  }

  /** Once in the life of a connection: re-authentication (KIP-368) keeps the user. */
  #identified(identity: Identity): void {
    this.#accepted.established();
    this.memory.moveTo(`user '${identity.user.name}'`);
    this.identity = identity;
    this.#quota = null;
    const client: Client = {
      user: identity.user,
      vhost: identity.vhost,
      close: (reason) => this.close(reason),
    };
    this.#client = client;
    this.broker.access.clients.add(client);
    this.#info = new KafkaConnectionInfo(this, identity);
  }

  isAllowed(operation: AclOperation, resource: AclResource, name: string): boolean {
    return this.identity?.authorizer.may(operation, resource, name) ?? false;
  }

  mayRule(operation: AclOperation, resource: AclResource, name: string): boolean {
    return this.identity?.authorizer.mayRule(operation, resource, name) ?? false;
  }

  get mayWriteSomewhere(): boolean {
    return this.identity?.authorizer.mayWriteSomewhere ?? false;
  }

  onClose(listener: () => void): () => void {
    // The connection may close while a request waits to begin.
    if (this.isClosed) queueMicrotask(listener);
    this.#closeListeners.add(listener);
    return () => this.#closeListeners.delete(listener);
  }

  /** The client exceeds a quota: no requests are taken for this long (KIP-219). */
  throttle(milliseconds: number): void {
    if (!this.isClosed) this.#input.throttle.wait(milliseconds);
  }

  pauseUntil(onResume: (resume: () => void) => void): void {
    this.#input.throttle.pauseUntil(onResume);
  }

  hold(): () => void {
    return this.#input.hold();
  }

  close(reason: string): void {
    if (this.isClosed) return;
    this.settings.log.info({ principal: this.principal, peer: this.address, reason }, 'connection closed');
    this.#end();
  }

  /** Closes the connection: a request cannot be decoded, or its handler has failed. */
  fail(error: unknown, request: string): void {
    if (this.isClosed) return;
    const { log } = this.settings;
    if (!(error instanceof KafkaWireError)) {
      log.error({ err: error, principal: this.principal, request }, 'a request failed unexpectedly');
    }
    const reason = clientText(error instanceof Error ? error.message : String(error));
    log.warn({ principal: this.principal, peer: this.address, request, reason }, 'closing connection');
    this.#end();
  }

  memoryPaused(because: string): void {
    if (this.isClosed) return;
    this.settings.log.warn(
      { principal: this.principal, peer: this.address, reason: because },
      'the client is not read for now',
    );
    this.socket.pause();
  }

  memoryResumed(): void {
    this.#input.updateReading();
  }

  memoryRefused(because: string): void {
    this.drop(because);
  }

  /** Called by the server's timer. */
  check(nowMs: number): void {
    const state = this.#idleTimeout.state(nowMs, {
      receivedAtMs: this.#input.receivedAtMs,
      hasWaiting: this.#input.hasWaiting,
      isUnauthenticated: this.#isUnauthenticated,
      isUnfinished: this.#input.isUnfinished,
    });
    const fault = PEER_FAULTS[state];
    if (fault !== undefined) {
      this.drop(fault);
    } else if (state === 'quiet') {
      this.responses.release();
      this.#input.release();
    }
  }

  inputFailed(error: unknown, chunk: Buffer): void {
    const isFirst = this.identity === null && this.#clientId === null && this.responses.openCount === 0;
    this.fail(isFirst ? explainedToOtherClient(error, chunk, this.socket) : error, 'frame');
  }

  beginRequest(bytes: Buffer, start: number, end: number, isKept: boolean): boolean {
    if (this.authentication.expectsToken) {
      this.#takeToken(bytes.subarray(start, end));
      return true;
    }
    let header: RequestHeader;
    try {
      header = decodeRequestHeader(bytes, start, end);
    } catch (error) {
      this.fail(error, 'header');
      return true;
    }
    const handler = this.#deps.handlerOf(header.apiKey);
    const { apiVersion: version } = header;
    if (handler === undefined || version < handler.minVersion || version > handler.maxVersion) {
      refuseVersion(this, header, handler);
      return true;
    }
    if (!this.authentication.isOpen && handler.isOpenToAll !== true) {
      const problem = this.authentication.enter();
      if (problem !== null) {
        this.fail(new KafkaWireError(problem), handler.api.name);
        return true;
      }
    }
    this.lastRequest = handler.api.name;
    const isLarge = handler.isLarge === true;
    if (isLarge && this.responses.hasLarge) return false;
    const { api } = handler;
    const pending = new PendingResponse(this, {
      api,
      version,
      correlationId: header.correlationId,
      bytes: end - start,
      isLarge,
    });
    this.responses.add(pending);
    if (header.clientId !== this.#clientId) this.#renamed(header.clientId);
    const isMeasured = this.broker.access.quotas.isOn;
    if (isMeasured) this.requestQuota.begin(this.quota);
    const body = { bytes, start: header.bodyStart, end, isKept };
    handleRequest(handler, body, pending, new ConnectionRequestContext(this, header));
    if (isMeasured) this.requestQuota.end();
    this.#input.stretch.count(isRaw(handler), this.#owner);
    return true;
  }

  #renamed(clientId: string | null): void {
    this.#clientId = clientId;
    this.#quota = null;
  }

  #takeToken(token: Buffer): void {
    const pending = new PendingResponse(this, {
      api: saslAuthenticate,
      version: 0,
      correlationId: 0,
      bytes: token.length,
      isLarge: false,
    });
    this.responses.add(pending);
    this.#deps.saslToken(token, pending, { client: this, broker: this.broker });
  }

  limitUnauthenticated(): void {
    if (this.socket.bytesRead <= UNAUTHENTICATED_BYTES_MAX || !this.#isUnauthenticated) return;
    throw new KafkaWireError(
      `the client sends more than ${UNAUTHENTICATED_BYTES_MAX} bytes before it logs in`,
    );
  }

  get #isUnauthenticated(): boolean {
    return this.identity === null && this.authentication.isAwaited && !this.authentication.isChecking;
  }

  /** Sends the responses that are ready, and half-closes; fetch sessions, locks and the registry forget it at once. */
  #end(): void {
    this.responses.end();
    this.#release();
    this.#endTimer ??= setTimeout(() => this.socket.destroy(), this.settings.closeTimeoutMs);
    // Closing a socket with unread bytes resets it, and the last responses are lost: what still comes is dropped.
    this.socket.resume();
  }

  drop(reason: string): void {
    this.settings.log.warn({ principal: this.principal, peer: this.address, reason }, 'connection dropped');
    this.socket.destroy();
  }

  #release(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#input.stop();
    for (const listener of [...this.#closeListeners]) listener();
    this.#closeListeners.clear();
    this.authentication.end();
    this.#leave();
  }

  #leave(): void {
    if (this.#client !== null) this.broker.access.clients.delete(this.#client);
    if (this.#info !== null) this.broker.connections.remove(this.#info.id);
    this.#client = null;
    this.#info = null;
  }

  #closed(): void {
    this.#release();
    this.responses.drop();
    this.memory.close();
    if (this.#endTimer !== null) clearTimeout(this.#endTimer);
    this.#deps.closed(this);
  }
}

/** As much as Kafka takes for one SASL token (sasl.server.max.receive.size). */
const UNAUTHENTICATED_BYTES_MAX = 512 * 1024;
