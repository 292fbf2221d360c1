import type { AclOperation, AclResource } from '../../../broker/access/acl.ts';
import type { ResponseInput } from '../../../wire/kafka/declaration.ts';
import { decodeRequest, type RequestHeader } from '../../../wire/kafka/headers.ts';
import { type AnyHandler, type Call, type ErasedHandler, isRaw } from '../handler.ts';
import type { KafkaServer } from '../server.ts';
import type { KafkaConnection } from './connection.ts';
import type { PendingResponse } from './pending-response.ts';

/** One request, as its handler sees it beside its body. */
export class RequestCall implements Call {
  readonly version: number;
  readonly clientId: string | null;
  readonly connection: KafkaConnection;

  constructor(connection: KafkaConnection, header: RequestHeader) {
    this.connection = connection;
    this.version = header.apiVersion;
    this.clientId = header.clientId;
  }

  get server(): KafkaServer {
    return this.connection.server;
  }

  isAllowed(operation: AclOperation, resource: AclResource, name: string): boolean {
    return this.connection.isAllowed(operation, resource, name);
  }
}

/** Has the body in `bytes[start, end)` handled, and the slot filled with what comes of it, now or later. */
export function handle(
  handler: AnyHandler,
  bytes: Buffer,
  start: number,
  end: number,
  slot: PendingResponse,
  call: Call,
): void {
  try {
    if (isRaw(handler)) {
      handler.handleRaw(bytes, start, end, slot, call);
      return;
    }
    // What it may keep until it has its answer is its own; only the frame's memory is used again.
    const body = Buffer.from(bytes.subarray(start, end));
    const request = decodeRequest(handler.api, call.version, body, 0, body.length);
    const response = (handler as ErasedHandler).handle(request as never, call);
    if (response instanceof Promise) response.then(fillWith(slot), (error) => slot.fail(error));
    else fill(slot, response);
  } catch (error) {
    slot.fail(error);
  }
}

function fillWith(slot: PendingResponse): (response: object | null) => void {
  return (response) => {
    slot.connection.broker.turn.touch();
    fill(slot, response);
  };
}

function fill(slot: PendingResponse, response: object | null): void {
  if (response === null) slot.skip();
  else slot.fill(response as ResponseInput<typeof slot.api>);
}
