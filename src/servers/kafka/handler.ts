import type { AclOperation, AclResource } from '../../broker/access/acl.ts';
import type { Api, RequestOf, ResponseInput } from '../../wire/kafka/declaration.ts';
import type { KafkaConnection } from './connection/connection.ts';
import type { PendingResponse } from './connection/pending-response.ts';
import type { KafkaServer } from './server.ts';

/**
 * One API as it is served. The versions from `minVersion` to `maxVersion` are what ApiVersions tells clients, so nothing
 * is in the table of handlers that is not served whole.
 *
 * Handlers of one connection run in the order of its requests, each as far as it gets without waiting; the responses
 * leave in that order too. What `handle` throws, or rejects with, ends the connection: an error that has a code is for
 * the response.
 */
export interface ApiHandler<A extends Api = Api> {
  readonly api: A;
  readonly minVersion: number;
  readonly maxVersion: number;
  /** Its responses can be large: it begins when no other large one is open, and the peer takes what it is sent. */
  readonly isLarge?: true;
  /** Served to those who have not logged in yet, too. */
  readonly isOpenToAll?: true;
  /** Null: there is no response, as a producer may wish. */
  handle(request: RequestOf<A>, call: Call): ResponseInput<A> | null | Promise<ResponseInput<A> | null>;
}

/** For what has to be fast: reads its request itself, and fills the slot when it likes. */
export interface RawHandler<A extends Api = Api> {
  readonly api: A;
  readonly minVersion: number;
  readonly maxVersion: number;
  readonly isLarge?: true;
  readonly isOpenToAll?: true;
  /**
   * The body of the request is `bytes[start, end)`, until this returns: what is kept is copied.
   */
  handleRaw(bytes: Buffer, start: number, end: number, slot: PendingResponse, call: Call): void;
}

/** What a handler is told beside the request. */
export interface Call {
  readonly version: number;
  readonly clientId: string | null;
  readonly connection: KafkaConnection;
  readonly server: KafkaServer;
  /** Whether the client may do this; false for one that has not logged in. */
  isAllowed(operation: AclOperation, resource: AclResource, name: string): boolean;
}

export function isRaw(handler: AnyHandler): handler is RawHandler {
  return 'handleRaw' in handler;
}

/** A handler whose messages' types are forgotten: each gets what its own API's reader has read. */
export type AnyHandler = RawHandler | ErasedHandler;

export interface ErasedHandler {
  readonly api: Api;
  readonly minVersion: number;
  readonly maxVersion: number;
  readonly isLarge?: true;
  readonly isOpenToAll?: true;
  handle(request: never, call: Call): object | null | Promise<object | null>;
}
