import type { TurnTime } from '../../../base/turn-time.ts';
import type { Identity as User } from '../../../broker/access/access.ts';
import type { AclOperation, AclResource } from '../../../broker/access/acl.ts';
import type { ClientQuota } from '../../../broker/access/client-quota.ts';
import type { ConnectionMemory, MemoryUser } from '../../../broker/budget/client-memory.ts';
import type { ServiceRequest } from '../../../broker/shards/services/service-request.ts';
import { ByteWriter } from '../../../wire/kafka/byte-writer.ts';
import { KafkaWireError } from '../../../wire/kafka/errors.ts';
import type { ClientsView } from '../broker-addresses.ts';
import { type Identity, identityOf } from '../connection/identity.ts';
import type { RespondingConnection } from '../connection/pending-response.ts';
import type { RequestingConnection } from '../connection/request-context.ts';
import { RequestQuota } from '../connection/request-quota.ts';
import type { ResponseOutput } from '../connection/response-output.ts';
import type { ServerContext } from '../handlers/request-context.ts';
import { encodeAnswer, type ForwardedHead } from './forwarded-request.ts';

/**
 * A client of another shard, for the one request that was forwarded: it has no socket here. What the controller does for it counts
 * against its limits as if it were connected here, and its one response goes back to its shard.
 */
export class ForwardedClient
  implements RequestingConnection, RespondingConnection, ResponseOutput, MemoryUser
{
  readonly server: ServerContext;
  readonly identity: Identity;
  readonly address: string;
  readonly view: ClientsView;
  readonly memory: ConnectionMemory;
  readonly requestQuota: RequestQuota;
  readonly quota: ClientQuota;
  /** Of the response: it is the only one, and so the next. */
  readonly writer = new ByteWriter();
  readonly authentication = null;
  software = '';
  isClosed = false;
  readonly #request: ServiceRequest;
  readonly #closeListeners = new Set<() => void>();
  #throttleMs = 0;

  constructor(server: ServerContext, request: ServiceRequest, head: ForwardedHead, user: User) {
    const { broker } = server;
    this.server = server;
    this.#request = request;
    this.identity = identityOf(broker, user, head.vhost, head.address, head.mechanism);
    this.address = head.address;
    this.view = head.view;
    this.quota = broker.access.clientQuota(this.identity.name, head.clientId ?? '');
    this.requestQuota = new RequestQuota(broker.shard.clock);
    this.memory = broker.budget.memory.open(`user '${user.name}'`, this);
    request.onCancel(() => {
      const listeners = [...this.#closeListeners];
      this.#end();
      for (const listener of listeners) listener();
    });
  }

  get vhost(): string {
    return this.identity.vhost;
  }

  get actor(): string {
    return this.identity.user.name;
  }

  get responses(): ResponseOutput {
    return this;
  }

  get turnTime(): TurnTime {
    return this.server.broker.shard.turnTime;
  }

  isAllowed(operation: AclOperation, resource: AclResource, name: string): boolean {
    return this.identity.authorizer.may(operation, resource, name);
  }

  mayRule(operation: AclOperation, resource: AclResource, name: string): boolean {
    return this.identity.authorizer.mayRule(operation, resource, name);
  }

  get mayWriteSomewhere(): boolean {
    return this.identity.authorizer.mayWriteSomewhere;
  }

  onClose(listener: () => void): () => void {
    if (this.isClosed) queueMicrotask(listener);
    this.#closeListeners.add(listener);
    return () => this.#closeListeners.delete(listener);
  }

  /** The client's own shard begins no other request of it before this one is answered. */
  hold(): () => void {
    return ignore;
  }

  /** As `hold`: there is no further request to be paused. */
  pauseUntil(): void {}

  throttle(milliseconds: number): void {
    this.#throttleMs = Math.max(this.#throttleMs, milliseconds);
  }

  close(reason: string): void {
    this.#fail(reason);
  }

  fail(error: unknown, request: string): void {
    if (this.isClosed) return;
    const reason = error instanceof Error ? error.message : String(error);
    if (!(error instanceof KafkaWireError)) {
      const { principal } = this.identity;
      this.server.settings.log.error({ err: error, principal, request }, 'a request failed unexpectedly');
    }
    this.#fail(reason);
  }

  isNext(): boolean {
    return true;
  }

  /** The answer is counted until it is on its way to the shard of the client, which counts it from then on. */
  filled(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    const { pendingBytes } = this.writer;
    if (!this.memory.add(pendingBytes)) {
      this.isClosed = false;
      this.#fail(this.memory.shortage);
      return;
    }
    this.#request.answer(encodeAnswer(this.#throttleMs, this.writer.take()), () => this.#end());
  }

  releaseWhenSent(): void {
    throw new Error('a response with leased memory cannot go to another shard');
  }

  addEarly(): void {}

  adopt(): void {}

  memoryPaused(): void {}

  memoryResumed(): void {}

  memoryRefused(because: string): void {
    this.#fail(because);
  }

  #fail(reason: string): void {
    if (this.isClosed) return;
    this.#request.fail(reason);
    this.#end();
  }

  #end(): void {
    this.isClosed = true;
    this.#closeListeners.clear();
    this.memory.close();
  }
}

function ignore(): void {}
