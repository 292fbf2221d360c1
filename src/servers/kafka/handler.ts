import type { Work } from '../../base/turn-time.ts';
import type { Api, RequestOf, ResponseInput } from '../../wire/kafka/declaration.ts';
import type { PendingResponse } from './connection/pending-response.ts';
import type { RequestContext, ServedApi } from './handlers/request-context.ts';

/** What both kinds of handlers say of themselves; ApiVersions tells clients exactly the versions that are named here. */
interface HandledApi<A extends Api> extends ServedApi {
  readonly api: A;
  /** Its responses can be large: a request begins when no other large one is open and the peer reads its socket. */
  readonly isLarge?: true;
  /** Served to unauthenticated clients, too. */
  readonly isOpenToAll?: true;
}

/** Where its requests are answered. */
interface Homed {
  /**
   * 'controller': by shard 0, which other shards forward them to. Left out: by the shard that they come to, from what all know or from
   * what it has itself.
   */
  readonly home?: 'controller';
}

/**
 * One API as a value, registered in `handlers/table.ts`.
 *
 * Handlers of one connection run in the order of its requests, each up to its first `await`; the responses leave in that
 * order too. One whose work grows with its request or with what there is gives its answer as a work, so that others go
 * on meanwhile; the next request of the connection begins when the work is done. What `handle` throws, or rejects with, closes the connection: an error with a Kafka error code belongs in
 * the response.
 */
export interface ApiHandler<A extends Api = Api> extends HandledApi<A>, Homed {
  handle(
    request: RequestOf<A>,
    context: RequestContext,
  ): Outcome<ResponseInput<A>> | Work<Outcome<ResponseInput<A>>>;
}

/** In a shard other than 0: the request is answered by the controller after all. */
export const BY_CONTROLLER: ByController = { isAnsweredBy: 'controller' };

interface ByController {
  readonly isAnsweredBy: 'controller';
}

/** Null: no response is sent, as for Produce with acks=0. */
export type Outcome<R> = R | null | ByController | Promise<R | null>;

/** An API whose handler decodes the request itself, and fills its pending response now or later. */
export interface RawHandler<A extends Api = Api> extends HandledApi<A> {
  /** The body is `bytes[start, end)`, memory that is used again when this returns: copy what is kept. */
  handleRaw(
    bytes: Buffer,
    start: number,
    end: number,
    pending: PendingResponse,
    context: RequestContext,
  ): void;
}

/** An `ApiHandler` in the table, without the types of its messages: it gets what its own `api` has decoded. */
export interface ErasedHandler extends HandledApi<Api>, Homed {
  handle(request: never, context: RequestContext): Outcome<object> | Work<Outcome<object>>;
}

export type AnyHandler = RawHandler | ErasedHandler;

export function isRaw(handler: AnyHandler): handler is RawHandler {
  return 'handleRaw' in handler;
}
