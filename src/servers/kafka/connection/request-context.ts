import type { MemoryPool } from '../../../base/memory-pool.ts';
import type { AclOperation, AclResource } from '../../../broker/access/acl.ts';
import type { Broker } from '../../../broker/broker.ts';
import type { ResponseInput } from '../../../wire/kafka/declaration.ts';
import { decodeRequest, type RequestHeader } from '../../../wire/kafka/headers.ts';
import type { FetchSessions } from '../fetch/fetch-sessions.ts';
import { type AnyHandler, isRaw } from '../handler.ts';
import type {
  ClientConnection,
  HostAndPort,
  RequestContext,
  ServedApi,
  ServerContext,
} from '../handlers/request-context.ts';
import type { Settings } from '../options.ts';
import type { ShareSessions } from '../share/share-sessions.ts';
import type { PendingResponse } from './pending-response.ts';

/** The connection of a request, and through it the server's. */
export interface RequestingConnection extends ClientConnection {
  readonly server: ServerContext;
  readonly advertised: HostAndPort;
  isAllowed(operation: AclOperation, resource: AclResource, name: string): boolean;
}

/** The context of one request: three fields, and views of what the connection and the server have. */
export class ConnectionRequestContext implements RequestContext {
  readonly version: number;
  readonly clientId: string | null;
  readonly client: RequestingConnection;

  constructor(client: RequestingConnection, header: RequestHeader) {
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

  get advertised(): HostAndPort {
    return this.client.advertised;
  }

  isAllowed(operation: AclOperation, resource: AclResource, name: string): boolean {
    return this.client.isAllowed(operation, resource, name);
  }
}

/** Runs the handler on the body in `bytes[start, end)`, and fills `pending` with its response, now or later. */
export function handleRequest(
  handler: AnyHandler,
  bytes: Buffer,
  start: number,
  end: number,
  pending: PendingResponse,
  context: RequestContext,
): void {
  try {
    if (isRaw(handler)) {
      handler.handleRaw(bytes, start, end, pending, context);
      return;
    }
    // A handler may keep its request while it waits; the memory of the frame is used again.
    const body = Buffer.from(bytes.subarray(start, end));
    const request = decodeRequest(handler.api, context.version, body, 0, body.length);
    const response = handler.handle(request as never, context);
    if (response instanceof Promise)
      response.then(fillWith(pending, context), (error) => pending.fail(error));
    else fill(pending, response);
  } catch (error) {
    pending.fail(error);
  }
}

function fillWith(pending: PendingResponse, context: RequestContext): (response: object | null) => void {
  return (response) => {
    context.broker.shard.turn.touch();
    fill(pending, response);
  };
}

function fill(pending: PendingResponse, response: object | null): void {
  if (response === null) pending.skip();
  else pending.fill(response as ResponseInput<typeof pending.api>);
}
