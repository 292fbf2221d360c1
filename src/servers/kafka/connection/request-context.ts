import type { MemoryPool } from '../../../base/memory-pool.ts';
import { isWork, limited, type Work } from '../../../base/turn-time.ts';
import type { AclOperation, AclResource } from '../../../broker/access/acl.ts';
import type { Broker } from '../../../broker/broker.ts';
import type { ResponseInput } from '../../../wire/kafka/declaration.ts';
import { KafkaWireError } from '../../../wire/kafka/errors.ts';
import { decodeRequest, decodeRequestWork, type RequestHeader } from '../../../wire/kafka/headers.ts';
import { type BrokerAddress, brokerAddresses } from '../broker-addresses.ts';
import type { FetchSessions } from '../fetch/fetch-sessions.ts';
import { type AnyHandler, BY_CONTROLLER, type ErasedHandler, isRaw, type Outcome } from '../handler.ts';
import type {
  ClientConnection,
  RequestContext,
  ServedApi,
  ServerContext,
} from '../handlers/request-context.ts';
import type { Settings } from '../options.ts';
import { forward } from '../shards/forwarding.ts';
import type { ShareSessions } from '../share/share-sessions.ts';
import { BODY_BYTES_MAX, tooLarge } from './body-limit.ts';
import type { PendingResponse } from './pending-response.ts';
import { runWork } from './run-work.ts';

/** The connection of a request, and through it the server's. */
export interface RequestingConnection extends ClientConnection {
  readonly server: ServerContext;
  readonly isClosed: boolean;
  /** No request begins until the function that it returns is called. */
  hold(): () => void;
  isAllowed(operation: AclOperation, resource: AclResource, name: string): boolean;
}

/** The context of one request: three fields, and views of what the connection and the server have. */
export class ConnectionRequestContext implements RequestContext {
  readonly version: number;
  readonly clientId: string | null;
  readonly client: RequestingConnection;

  constructor(client: RequestingConnection, header: Pick<RequestHeader, 'apiVersion' | 'clientId'>) {
    this.client = client;
    this.version = header.apiVersion;
    this.clientId = header.clientId;
  }

  get broker(): Broker {
    return this.client.server.broker;
  }

  get settings(): Settings {
    return this.client.server.settings;
  }

  get isTls(): boolean {
    return this.client.server.isTls;
  }

  get shard(): number {
    return this.client.server.shard;
  }

  get isController(): boolean {
    return this.client.server.controller === null;
  }

  get apis(): readonly ServedApi[] {
    return this.client.server.apis;
  }

  get fetchSessions(): FetchSessions {
    return this.client.server.fetchSessions;
  }

  get shareSessions(): ShareSessions {
    return this.client.server.shareSessions;
  }

  get fetchMemory(): MemoryPool {
    return this.client.server.fetchMemory;
  }

  get brokers(): readonly BrokerAddress[] {
    return brokerAddresses(this.client.server.ports, this.client.view);
  }

  get brokerCount(): number {
    return this.client.server.ports.length;
  }

  isAllowed(operation: AclOperation, resource: AclResource, name: string): boolean {
    return this.client.isAllowed(operation, resource, name);
  }
}

/** A body of more bytes is decoded in steps, and takes its turn with other large ones. */
const LARGE_BODY_BYTES = 16 * 1024;
/** What one request may walk over: some seconds, in slices. What comes near it is refused by its handler, mostly. */
const STEPS_MAX = 10_000_000;

/** A body in `bytes[start, end)`. */
interface RequestBody {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  /** The memory is not used again when the request has begun. */
  readonly isKept: boolean;
}

/** Runs the handler on the body, and fills `pending` with its response, now or later. */
export function handleRequest(
  handler: AnyHandler,
  { bytes, start, end, isKept }: RequestBody,
  pending: PendingResponse,
  context: ConnectionRequestContext,
): void {
  try {
    if (isRaw(handler)) {
      handler.handleRaw(bytes, start, end, pending, context);
      return;
    }
    if (end - start > BODY_BYTES_MAX) throw tooLarge(end - start);
    // A handler may keep its request while it waits.
    const view = bytes.subarray(start, end);
    const body = isKept ? view : Buffer.from(view);
    if (handler.home === 'controller' && context.client.server.controller !== null) {
      forward(body, pending, context);
      return;
    }
    if (body.length > LARGE_BODY_BYTES) {
      runWork(largeRequest(handler, body, pending, context), pending, context);
      return;
    }
    const request = decodeRequest(handler.api, context.version, body, 0, body.length);
    const outcome = handler.handle(request as never, context);
    if (outcome !== null && isWork(outcome))
      runWork(handled(outcome, body, pending, context), pending, context);
    else fillWhenDone(outcome, body, pending, context);
  } catch (error) {
    pending.fail(error);
  }
}

function* handled(
  steps: Work<Outcome<object>>,
  body: Buffer,
  pending: PendingResponse,
  context: ConnectionRequestContext,
): Work<void> {
  fillWhenDone(yield* withinSteps(steps, pending), body, pending, context);
}

function withinSteps(steps: Work<Outcome<object>>, { api }: PendingResponse): Work<Outcome<object>> {
  return limited(steps, STEPS_MAX, () => {
    throw new KafkaWireError(`${api.name} takes more than ${STEPS_MAX} steps; ask for less in one request`);
  });
}

function* largeRequest(
  handler: ErasedHandler,
  body: Buffer,
  pending: PendingResponse,
  context: ConnectionRequestContext,
): Work<void> {
  const { largeRequests } = context.broker;
  const { memory, actor } = context.client;
  if (!memory.add(body.length)) throw new KafkaWireError(memory.shortage);
  const turn = largeRequests.enter(body.length, actor);
  if (turn !== null) yield turn;
  try {
    if (context.client.isClosed) return;
    const request = yield* decodeRequestWork(handler.api, context.version, body, 0, body.length);
    const outcome = handler.handle(request as never, context);
    fillWhenDone(
      outcome !== null && isWork(outcome) ? yield* withinSteps(outcome, pending) : outcome,
      body,
      pending,
      context,
    );
  } finally {
    largeRequests.leave(body.length);
    memory.add(-body.length);
  }
}

function fillWhenDone(
  outcome: Outcome<object>,
  body: Buffer,
  pending: PendingResponse,
  context: ConnectionRequestContext,
): void {
  if (outcome === BY_CONTROLLER) forward(body, pending, context);
  else if (outcome instanceof Promise)
    outcome.then(fillWith(pending, context), (error) => pending.fail(error));
  else fill(pending, outcome);
}

function fillWith(pending: PendingResponse, context: RequestContext): (response: object | null) => void {
  return (response) => {
    context.broker.shard.turn.touch();
    fill(pending, response);
  };
}

function fill(pending: PendingResponse, response: object | null): void {
  if (response === null) pending.skip();
  else pending.fillInSteps(response as ResponseInput<typeof pending.api>);
}
