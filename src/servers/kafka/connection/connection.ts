import type { Socket } from 'node:net';
import { clientText } from '../../../base/client-text.ts';
import type { TurnTime } from '../../../base/turn-time.ts';
import type { AclOperation, AclResource } from '../../../broker/access/acl.ts';
import type { ClientQuota } from '../../../broker/access/client-quota.ts';
import type { Client } from '../../../broker/access/clients.ts';
import type { Broker } from '../../../broker/broker.ts';
import { addressKey } from '../../../broker/budget/address-key.ts';
import type { ConnectionMemory, MemoryUser } from '../../../broker/budget/client-memory.ts';
import { STRETCH_MS_MIN } from '../../../broker/budget/loop-stretches.ts';
import { API_VERSIONS_KEY, apiName } from '../../../wire/kafka/apis.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { KafkaWireError } from '../../../wire/kafka/errors.ts';
import { FrameReader } from '../../../wire/kafka/frame-reader.ts';
import { decodeRequestHeader, type RequestHeader } from '../../../wire/kafka/headers.ts';
import type { apiVersions } from '../../../wire/kafka/messages/api-versions.ts';
import { saslAuthenticate } from '../../../wire/kafka/messages/sasl.ts';
import type { AcceptedConnection } from '../../listener/accepted-connection.ts';
import type { Peer } from '../../listener/peer.ts';
import { readShared } from '../../listener/shared-read-buffer.ts';
import { type AnyHandler, isRaw } from '../handler.ts';
import type { HostAndPort, RequestContext, ServerContext } from '../handlers/request-context.ts';
import type { Settings } from '../options.ts';
import { Authentication } from './authentication.ts';
import { KafkaConnectionInfo } from './connection-info.ts';
import { ANONYMOUS, type Identity } from './identity.ts';
import { IdleTimeout, PEER_FAULTS } from './idle-timeout.ts';
import { explainedToOtherClient } from './other-protocol.ts';
import { PendingResponse, type RespondingConnection } from './pending-response.ts';
import { ConnectionRequestContext, handleRequest, type RequestingConnection } from './request-context.ts';
import { RequestQuota } from './request-quota.ts';
import { RequestStretch } from './request-stretch.ts';
import { ResponseQueue } from './response-queue.ts';
import { Throttle } from './throttle.ts';
import { copyOf, type WaitingFrame } from './waiting-frame.ts';

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

/**
 * One client: frames to handlers, responses back. Requests for which there is no room (`requestsMax` without a response,
 * a peer that does not read, a throttled client) wait, and the socket is paused.
 */
export class KafkaConnection implements RequestingConnection, RespondingConnection, MemoryUser {
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
  readonly #deps: KafkaConnectionDeps;
  readonly #accepted: AcceptedConnection;
  readonly #reader: FrameReader;
  readonly #waiting: WaitingFrame[] = [];
  #waitingBytes = 0;
  /** What is counted as held: the frame that is not whole yet, and those that wait. */
  #heldBytes = 0;
  readonly #closeListeners = new Set<() => void>();
  #clientId: string | null = null;
  /** The API of the last request, for who looks at what held the event loop. */
  #lastRequest = 'frame';
  #quota: ClientQuota | null = null;
  #info: KafkaConnectionInfo | null = null;
  #client: Client | null = null;
  #isHandlingWaiting = false;
  readonly #stretch: RequestStretch;
  readonly #owner = () => ({ protocol: 'Kafka', request: this.#lastRequest, user: this.actor });
  /** Works of requests that are not done: they go before what comes next. */
  #worksCount = 0;
  #endTimer: NodeJS.Timeout | null = null;
  readonly #throttle: Throttle;
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
    this.#reader = new FrameReader(settings.requestBytesMax);
    this.memory = broker.budget.memory.open(`address ${addressKey(peer.address)}`, this);
    this.responses = new ResponseQueue(
      socket,
      broker.shard.turn,
      { highWaterBytes: settings.outputHighWaterBytes, memory: this.memory },
      { responsesAdvanced: () => this.#handleWaiting() },
    );
    this.#stretch = new RequestStretch(broker.shard, server.requestTime, () => this.#handleWaiting());
    this.requestQuota = new RequestQuota(broker.shard.clock);
    this.#idleTimeout = new IdleTimeout(socket, this.responses, settings, broker.shard.clock.monotonicMs());
    this.#throttle = new Throttle(broker.shard.clock, () => {
      broker.shard.turn.touch();
      this.#handleWaiting();
    });
    this.authentication = new Authentication({
      broker,
      settings,
      peer,
      isTls: server.isTls,
      certificateName,
      log: settings.log,
      identified: (identity) => this.#identified(identity),
    });
    readShared(socket, this.#onData);
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

  get advertised(): HostAndPort {
    const { advertised } = this.settings;
    const { localAddress, localPort } = this.peer;
    return { host: advertised?.host ?? localAddress, port: advertised?.port ?? localPort };
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
    if (!this.isClosed) this.#throttle.wait(milliseconds);
  }

  pauseUntil(onResume: (resume: () => void) => void): void {
    this.#throttle.pauseUntil(onResume);
  }

  hold(): () => void {
    this.#worksCount++;
    return () => {
      this.#worksCount--;
      this.broker.shard.turn.touch();
      this.#handleWaiting();
    };
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
    this.#updateReading();
  }

  memoryRefused(because: string): void {
    this.#drop(because);
  }

  #updateReading(): void {
    if (this.#waiting.length === 0 && !this.memory.isPaused && !this.isClosed) this.socket.resume();
  }

  /** Counts what is held of the input. False: it is too much. */
  #hold(): boolean {
    const bytes = this.#reader.heldBytes + this.#waitingBytes;
    const more = bytes - this.#heldBytes;
    if (more === 0) return true;
    this.#heldBytes = bytes;
    // What is kept for the next frame is not counted.
    if (this.memory.isTight) this.#reader.release();
    return this.memory.add(more);
  }

  /** Called by the server's timer. */
  check(nowMs: number): void {
    const state = this.#idleTimeout.state(nowMs, {
      hasWaiting: this.#waiting.length > 0,
      isUnauthenticated: this.#isUnauthenticated,
      isUnfinished: !this.#reader.isEmpty,
    });
    const fault = PEER_FAULTS[state];
    if (fault !== undefined) {
      this.#drop(fault);
    } else if (state === 'quiet') {
      this.responses.release();
      this.#reader.release();
    }
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.isClosed) return;
    const { turn, clock } = this.broker.shard;
    turn.touch();
    const beganMs = clock.monotonicMs();
    this.#idleTimeout.receivedAtMs = beganMs;
    this.#stretch.begin(beganMs);
    try {
      if (this.identity === null) this.#limitUnauthenticated();
      this.#reader.push(chunk, this.#onFrame);
      if (!this.#hold()) this.#drop(this.memory.shortage);
    } catch (error) {
      const isFirst = this.identity === null && this.#clientId === null && this.responses.openCount === 0;
      this.fail(isFirst ? explainedToOtherClient(error, chunk, this.socket) : error, 'frame');
    }
    const nowMs = clock.monotonicMs();
    if (nowMs - beganMs >= STRETCH_MS_MIN) {
      this.broker.loopStretches.record(beganMs, nowMs, 'Kafka', this.#lastRequest, this.actor);
    }
    turn.received(chunk.length);
  };

  readonly #onFrame = (bytes: Buffer, start: number, end: number, isKept: boolean): void => {
    if (this.isClosed) return;
    if (this.#waiting.length === 0 && this.#hasRoom() && this.#begin(bytes, start, end, isKept)) return;
    this.#waiting.push(isKept ? { bytes, start, end } : copyOf(bytes, start, end));
    this.#waitingBytes += end - start;
    this.socket.pause();
  };

  /** Whether the next request may begin. */
  #hasRoom(): boolean {
    const { responses, settings } = this;
    return (
      this.#worksCount === 0 &&
      !this.#stretch.isOver &&
      !responses.isCongested &&
      responses.openCount < settings.requestsMax &&
      responses.openBytes < settings.requestsBytesMax &&
      !this.#throttle.isOn
    );
  }

  /** Begins the requests that wait, in order, as far as there is room. */
  #handleWaiting(): void {
    if (this.#isHandlingWaiting || this.isClosed || this.#waiting.length === 0) return;
    this.#isHandlingWaiting = true;
    this.#stretch.begin();
    let done = 0;
    while (done < this.#waiting.length && !this.isClosed && this.#hasRoom()) {
      const { bytes, start, end } = this.#waiting[done];
      if (!this.#begin(bytes, start, end, true)) break;
      this.#waitingBytes -= end - start;
      done++;
    }
    this.#waiting.splice(0, done);
    this.#isHandlingWaiting = false;
    // Fewer bytes than before: they are never refused.
    this.#hold();
    this.#updateReading();
  }

  /** False if the request has to wait after all. */
  #begin(bytes: Buffer, start: number, end: number, isKept: boolean): boolean {
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
      this.#refuseVersion(header, handler);
      return true;
    }
    if (!this.authentication.isOpen && handler.isOpenToAll !== true) {
      const problem = this.authentication.enter();
      if (problem !== null) {
        this.fail(new KafkaWireError(problem), handler.api.name);
        return true;
      }
    }
    this.#lastRequest = handler.api.name;
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
    this.#stretch.count(isRaw(handler), this.#owner);
    return true;
  }

  #renamed(clientId: string | null): void {
    this.#clientId = clientId;
    this.#quota = null;
  }

  /** ApiVersions of an unknown version is answered in version 0 with the versions that are served (KIP-511). */
  #refuseVersion(header: RequestHeader, handler: AnyHandler | undefined): void {
    const { apiKey, apiVersion, correlationId } = header;
    if (apiKey !== API_VERSIONS_KEY || handler === undefined) {
      const problem = handler === undefined ? 'is not served' : `has no version ${apiVersion} here`;
      this.fail(new KafkaWireError(`${apiName(apiKey)} ${problem}`), apiName(apiKey));
      return;
    }
    const pending = new PendingResponse(this, {
      api: handler.api,
      version: 0,
      correlationId,
      bytes: 0,
      isLarge: false,
    });
    this.responses.add(pending);
    const { minVersion, maxVersion } = handler;
    pending.fill<typeof apiVersions>({
      errorCode: ERROR_CODES.UNSUPPORTED_VERSION,
      apiKeys: [{ apiKey, minVersion, maxVersion }],
    });
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

  /** An unauthenticated client may not fill as much memory as others. */
  #limitUnauthenticated(): void {
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

  #drop(reason: string): void {
    this.settings.log.warn({ principal: this.principal, peer: this.address, reason }, 'connection dropped');
    this.socket.destroy();
  }

  #release(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    this.#throttle.stop();
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
