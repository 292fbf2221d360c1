import type { Socket } from 'node:net';
import type { AclOperation, AclResource } from '../../../broker/access/acl.ts';
import type { ClientQuota } from '../../../broker/access/client-quota.ts';
import type { Client } from '../../../broker/access/clients.ts';
import type { Broker } from '../../../broker/broker.ts';
import { API_VERSIONS_KEY, apiName } from '../../../wire/kafka/apis.ts';
import { KafkaWireError } from '../../../wire/kafka/errors.ts';
import { FrameReader } from '../../../wire/kafka/frame-reader.ts';
import { decodeRequestHeader, type RequestHeader } from '../../../wire/kafka/headers.ts';
import { isLoopbackAddress, plainAddress } from '../../listener/loopback.ts';
import { readShared } from '../../listener/shared-read-buffer.ts';
import type { AnyHandler } from '../handler.ts';
import { unsupportedApiVersions } from '../handlers/api-versions.ts';
import { authenticateByToken } from '../handlers/sasl-authenticate.ts';
import type { Settings } from '../options.ts';
import type { KafkaServer } from '../server.ts';
import { Authentication } from './authentication.ts';
import { SessionView } from './connection-info.ts';
import { ANONYMOUS, type Identity } from './identity.ts';
import { IdleTimeout, type PeerState } from './idle-timeout.ts';
import { PendingResponse } from './pending-response.ts';
import { handle, RequestCall } from './request-context.ts';
import { RequestQuota } from './request-quota.ts';
import { Replies } from './response-queue.ts';
import { Throttle } from './throttle.ts';

interface Frame {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

/**
 * One client: frames to handlers, responses back. What comes while there is no room for it (too many requests without
 * an answer, or a peer that does not read) waits, and the socket is not read on.
 */
export class KafkaConnection {
  readonly server: KafkaServer;
  readonly broker: Broker;
  readonly settings: Settings;
  readonly socket: Socket;
  readonly replies: Replies;
  /** Of the peer, without the prefix of IPv4 in IPv6. */
  readonly address: string;
  /** What the client said it is, for operators. */
  software = '';
  isClosed = false;
  readonly connectedAtMs: number;
  /** Null until the client has said who it is. */
  identity: Identity | null = null;
  readonly authentication: Authentication;
  readonly work: RequestQuota;
  readonly #reader: FrameReader;
  readonly #waiting: Frame[] = [];
  readonly #closeListeners = new Set<() => void>();
  #clientId: string | null = null;
  #quota: ClientQuota | null = null;
  #view: SessionView | null = null;
  #client: Client | null = null;
  #isWorking = false;
  #endTimer: NodeJS.Timeout | null = null;
  readonly #throttle: Throttle;
  readonly #watch: IdleTimeout;

  /** `certificateName` is whom the client's certificate names; null if it has no good one. */
  constructor(server: KafkaServer, socket: Socket, certificateName: string | null) {
    const { broker, settings } = server;
    this.server = server;
    this.broker = broker;
    this.settings = settings;
    this.socket = socket;
    this.address = plainAddress(socket.remoteAddress);
    this.connectedAtMs = broker.clock.now();
    this.#reader = new FrameReader(settings.requestBytesMax);
    this.replies = new Replies(socket, broker.turn, settings.outputHighWaterBytes, {
      repliesAdvanced: () => this.#work(),
    });
    this.work = new RequestQuota(broker.clock);
    this.#watch = new IdleTimeout(socket, this.replies, settings, broker.clock.monotonicMs());
    this.#throttle = new Throttle(broker.clock, () => {
      broker.turn.touch();
      this.#work();
    });
    this.authentication = new Authentication({
      broker,
      settings,
      peer: {
        host: this.address,
        port: socket.remotePort ?? 0,
        localHost: this.localAddress,
        localPort: socket.localPort ?? 0,
        isLoopback: isLoopbackAddress(this.address),
        isTls: server.isTls,
        certificateName,
      },
      log: settings.log,
      identified: (identity) => this.#identified(identity),
    });
    readShared(socket, this.#onData);
    // The peer sends nothing more; what it has asked for is still answered, and then we end too.
    socket.once('end', () => this.#peerEnded());
    socket.once('close', () => this.#closed());
  }

  /** The name of the virtual host that the client is in; `/` before it has said who it is. */
  get vhost(): string {
    return this.identity?.vhost ?? '/';
  }

  /** 'User:ada' */
  get principal(): string {
    return this.identity?.principal ?? 'User:ANONYMOUS';
  }

  /** On whose behalf things are done: the name of the user. */
  get actor(): string {
    return this.identity?.user.name ?? '';
  }

  /** As the client calls itself: one of its settings. */
  get clientId(): string {
    return this.#clientId ?? '';
  }

  /** What the client may use up. */
  get quota(): ClientQuota {
    return (this.#quota ??= this.broker.access.clientQuota(this.identity?.name ?? ANONYMOUS, this.clientId));
  }

  /** At which the client has reached this broker. */
  get localAddress(): string {
    return plainAddress(this.socket.localAddress);
  }

  /** Once in the life of a connection: who logs in again has to be the same. */
  #identified(identity: Identity): void {
    this.identity = identity;
    this.#quota = null;
    const client: Client = {
      user: identity.user,
      vhost: identity.vhost,
      channelCount: 0,
      close: (reason) => this.close(reason),
    };
    this.#client = client;
    this.broker.access.clients.add(client);
    this.#view = new SessionView(this, identity);
  }

  isAllowed(operation: AclOperation, resource: AclResource, name: string): boolean {
    return this.identity?.authorizer.may(operation, resource, name) ?? false;
  }

  /** As `isAllowed`, for what concerns other virtual hosts too: users, quotas, settings. */
  mayRule(operation: AclOperation, resource: AclResource, name: string): boolean {
    return this.identity?.authorizer.mayRule(operation, resource, name) ?? false;
  }

  /** Whether the client may write to some topic, whichever (KIP-679). */
  get mayWriteSomewhere(): boolean {
    return this.identity?.authorizer.mayWriteSomewhere ?? false;
  }

  /** `listener` is called when the connection is gone. Returns how to stop that. */
  onClose(listener: () => void): () => void {
    // For a request that had to wait before it came to this.
    if (this.isClosed) queueMicrotask(listener);
    this.#closeListeners.add(listener);
    return () => this.#closeListeners.delete(listener);
  }

  /** No requests are taken for so long: the client exceeds what it may have (KIP-219). */
  throttle(milliseconds: number): void {
    if (!this.isClosed) this.#throttle.wait(milliseconds);
  }

  /** No requests are taken until the client may go on: it fills memory or the journal faster than they are emptied. */
  holdBack(onResume: (resume: () => void) => void): void {
    this.#throttle.holdBack(onResume);
  }

  /** Ends the connection from our side; the protocol has no words for why. */
  close(reason: string): void {
    if (this.isClosed) return;
    this.settings.log.info({ principal: this.principal, peer: this.address, reason }, 'connection closed');
    this.#end();
  }

  /** A request that cannot be read, or not be answered. */
  fail(error: unknown, what: string): void {
    if (this.isClosed) return;
    const { log } = this.settings;
    if (!(error instanceof KafkaWireError)) {
      log.error({ err: error, principal: this.principal, request: what }, 'a request failed unexpectedly');
    }
    const reason = error instanceof Error ? error.message : String(error);
    log.warn({ principal: this.principal, peer: this.address, request: what, reason }, 'closing connection');
    this.#end();
  }

  /** To be asked again and again: whether the client is idle, does not read, or does not log in. */
  check(nowMs: number): void {
    const state = this.#watch.state(nowMs, this.#waiting.length > 0, this.#isUnknown);
    const fault = PEER_FAULTS[state];
    if (fault !== undefined) {
      this.#drop(fault);
    } else if (state === 'quiet') {
      this.replies.release();
      this.#reader.release();
    }
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.isClosed) return;
    const { turn } = this.broker;
    turn.touch();
    this.#watch.activeAtMs = this.broker.clock.monotonicMs();
    try {
      if (this.identity === null) this.#limitStranger();
      this.#reader.push(chunk, this.#onFrame);
    } catch (error) {
      this.fail(error, 'frame');
    }
    turn.received(chunk.length);
  };

  readonly #onFrame = (bytes: Buffer, start: number, end: number): void => {
    if (this.isClosed) return;
    if (this.#waiting.length === 0 && this.#hasRoom() && this.#begin(bytes, start, end)) return;
    this.#waiting.push({ bytes: Buffer.from(bytes.subarray(start, end)), start: 0, end: end - start });
    this.socket.pause();
  };

  /** Whether the next request may begin. */
  #hasRoom(): boolean {
    const { replies, settings } = this;
    return (
      !replies.isCongested &&
      replies.openCount < settings.requestsMax &&
      replies.openBytes < settings.requestsBytesMax &&
      !this.#throttle.isOn
    );
  }

  /** Begins with what waits, as far as there is room. */
  #work(): void {
    if (this.#isWorking || this.isClosed || this.#waiting.length === 0) return;
    this.#isWorking = true;
    let done = 0;
    while (done < this.#waiting.length && !this.isClosed && this.#hasRoom()) {
      const { bytes, start, end } = this.#waiting[done] as Frame;
      if (!this.#begin(bytes, start, end)) break;
      done++;
    }
    this.#waiting.splice(0, done);
    this.#isWorking = false;
    if (this.#waiting.length === 0 && !this.isClosed) this.socket.resume();
  }

  /** False if the request has to wait after all. */
  #begin(bytes: Buffer, start: number, end: number): boolean {
    if (this.authentication.expectsToken) {
      authenticateByToken(this, bytes.subarray(start, end));
      return true;
    }
    let header: RequestHeader;
    try {
      header = decodeRequestHeader(bytes, start, end);
    } catch (error) {
      this.fail(error, 'header');
      return true;
    }
    const handler = this.server.handlerOf(header.apiKey);
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
    const isLarge = handler.isLarge === true;
    if (isLarge && this.replies.hasLarge) return false;
    const { api } = handler;
    const slot = new PendingResponse(this, {
      api,
      version,
      correlationId: header.correlationId,
      bytes: end - start,
      isLarge,
    });
    this.replies.add(slot);
    if (header.clientId !== this.#clientId) this.#renamed(header.clientId);
    const isMeasured = this.broker.access.quotas.isOn;
    if (isMeasured) this.work.begin(this.quota);
    handle(handler, bytes, header.bodyStart, end, slot, new RequestCall(this, header));
    if (isMeasured) this.work.end();
    return true;
  }

  #renamed(clientId: string | null): void {
    this.#clientId = clientId;
    this.#quota = null;
  }

  /** Of ApiVersions any version is understood, so that the client can find one that we have (KIP-511). */
  #refuseVersion(header: RequestHeader, handler: AnyHandler | undefined): void {
    const { apiKey, apiVersion, correlationId } = header;
    if (apiKey !== API_VERSIONS_KEY || handler === undefined) {
      const problem = handler === undefined ? 'is not served' : `has no version ${apiVersion} here`;
      this.fail(new KafkaWireError(`${apiName(apiKey)} ${problem}`), apiName(apiKey));
      return;
    }
    const slot = new PendingResponse(this, {
      api: handler.api,
      version: 0,
      correlationId,
      bytes: 0,
      isLarge: false,
    });
    this.replies.add(slot);
    slot.fill(unsupportedApiVersions());
  }

  /** Who has yet to log in may not have us hold as much as others may. */
  #limitStranger(): void {
    if (this.socket.bytesRead <= STRANGER_BYTES_MAX || !this.#isUnknown) return;
    throw new KafkaWireError(`the client sends more than ${STRANGER_BYTES_MAX} bytes before it logs in`);
  }

  get #isUnknown(): boolean {
    return this.identity === null && this.authentication.isAwaited;
  }

  #peerEnded(): void {
    if (!this.isClosed) this.#end();
  }

  /** Sends what was answered, and ends. What the connection holds of the broker goes back at once. */
  #end(): void {
    this.replies.end();
    this.#release();
    this.#endTimer ??= setTimeout(() => this.socket.destroy(), this.settings.closeTimeoutMs);
    // Whatever still comes is not looked at, but read: an unread socket would be reset, and our last words with it.
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
    this.#throttle.stop();
    for (const listener of [...this.#closeListeners]) listener();
    this.#closeListeners.clear();
    this.authentication.end();
    this.#leave();
  }

  #leave(): void {
    if (this.#client !== null) this.broker.access.clients.delete(this.#client);
    if (this.#view !== null) this.broker.sessions.remove(this.#view.id);
    this.#client = null;
    this.#view = null;
  }

  #closed(): void {
    this.#release();
    this.replies.drop();
    if (this.#endTimer !== null) clearTimeout(this.#endTimer);
    this.server.forget(this);
  }
}

const PEER_FAULTS: { readonly [state in PeerState]?: string } = {
  unknown: 'the client has not logged in',
  stalled: 'the client does not read what it asked for',
  idle: 'the client was idle',
};

/** As much as Kafka takes for one token (sasl.server.max.receive.size). */
const STRANGER_BYTES_MAX = 512 * 1024;
