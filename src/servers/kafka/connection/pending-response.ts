import type { Lease } from '../../../base/memory-pool.ts';
import { ByteWriter } from '../../../wire/kafka/byte-writer.ts';
import type { Api, ResponseInput } from '../../../wire/kafka/declaration.ts';
import { encodeResponse } from '../../../wire/kafka/headers.ts';
import type { RequestQuota } from './request-quota.ts';
import type { QueuedResponse, ResponseQueue } from './response-queue.ts';

const EARLY_SLAB_BYTES = 4096;

/** The connection on which a response leaves. */
export interface RespondingConnection {
  readonly responses: ResponseQueue;
  readonly requestQuota: RequestQuota;
  readonly isClosed: boolean;
  throttle(milliseconds: number): void;
  fail(error: unknown, request: string): void;
}

/**
 * The place of one response in the response queue of its connection, in the order of the requests:
 *
 *     written | next: its response is written when it comes | filled: bytes that wait | open | …
 */
export class PendingResponse implements QueuedResponse {
  readonly connection: RespondingConnection;
  readonly api: Api;
  readonly version: number;
  readonly correlationId: number;
  readonly requestBytes: number;
  isFilled = false;
  readonly isLarge: boolean;
  /** The encoded response, if it was filled in before its turn came. */
  #early: readonly Buffer[] = [];

  constructor(
    connection: RespondingConnection,
    request: {
      readonly api: Api;
      readonly version: number;
      readonly correlationId: number;
      readonly bytes: number;
      readonly isLarge: boolean;
    },
  ) {
    this.connection = connection;
    this.api = request.api;
    this.version = request.version;
    this.correlationId = request.correlationId;
    this.requestBytes = request.bytes;
    this.isLarge = request.isLarge;
  }

  /** All responses before it are written: what is filled in now is flushed with this turn. */
  get isNext(): boolean {
    return this.connection.responses.isNext(this);
  }

  /**
   * Large records in the response are not copied: they must not change until the socket has taken them, when `memory`,
   * the lease that holds them, is released.
   */
  fill<A extends Api>(response: ResponseInput<A>, memory: Lease | null = null): void {
    if (this.isFilled) return;
    this.isFilled = true;
    const { responses } = this.connection;
    const { throttleTimeMs: throttledMs = 0 } = response as { readonly throttleTimeMs?: number };
    const throttleTimeMs = Math.max(throttledMs, this.connection.requestQuota.charge());
    if (throttleTimeMs > 0) {
      this.connection.throttle(throttleTimeMs);
      // The few responses without the field cannot announce the throttling, which happens all the same (KIP-219).
      if (Object.hasOwn(this.api.response.fields, 'throttleTimeMs'))
        response = { ...response, throttleTimeMs };
    }
    try {
      if (this.isNext) {
        encodeResponse(responses.writer, this.api, this.version, this.correlationId, response);
        if (memory !== null) responses.releaseWhenSent(memory);
      } else if (!this.connection.isClosed) {
        const writer = new ByteWriter(EARLY_SLAB_BYTES);
        encodeResponse(writer, this.api, this.version, this.correlationId, response);
        this.#early = writer.take();
      }
    } catch (error) {
      this.connection.fail(error, this.api.name);
    }
    responses.filled(this);
  }

  /** A frame without a response header: a SASL token after SaslHandshake 0. */
  fillFrame(frame: Buffer): void {
    if (this.isFilled) return;
    this.isFilled = true;
    const { responses } = this.connection;
    if (this.isNext) responses.writer.reference(frame);
    else this.#early = [frame];
    responses.filled(this);
  }

  /** No response is sent: the request was Produce with acks=0. */
  skip(throttleTimeMs = 0): void {
    if (this.isFilled) return;
    this.isFilled = true;
    this.connection.throttle(throttleTimeMs);
    this.connection.responses.filled(this);
  }

  /** Closes the connection: there is no response that could carry this error. */
  fail(error: unknown): void {
    this.connection.fail(error, this.api.name);
  }

  writeEarly(writer: ByteWriter): void {
    for (const piece of this.#early) writer.reference(piece);
    this.#early = [];
  }
}
