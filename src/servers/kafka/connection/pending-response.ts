import type { Lease } from '../../../base/memory-pool.ts';
import { ByteWriter } from '../../../wire/kafka/byte-writer.ts';
import type { Api, ResponseInput } from '../../../wire/kafka/declaration.ts';
import { encodeResponse } from '../../../wire/kafka/headers.ts';
import type { KafkaConnection } from './connection.ts';

const EARLY_SLAB_BYTES = 4096;

/**
 * The place of one response among those of a connection, which leave in the order of the requests:
 *
 *     written | next: its response is written when it comes | filled: bytes that wait | open | …
 */
export class PendingResponse {
  readonly connection: KafkaConnection;
  readonly api: Api;
  readonly version: number;
  readonly correlationId: number;
  /** Of the request, which counts against the connection's limit until it is answered. */
  readonly requestBytes: number;
  isFilled = false;
  /** No other large one begins on the connection before it is answered. */
  readonly isLarge: boolean;
  /** What was filled in before its turn came. */
  #early: readonly Buffer[] = [];

  constructor(
    connection: KafkaConnection,
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

  /** All before it are answered: what is filled in now goes out with this turn. */
  get isNext(): boolean {
    return this.connection.replies.isNext(this);
  }

  /**
   * Large records in the response are not copied: they must not change any more, until `memory`, which they are in, is
   * released when they have left.
   */
  fill<A extends Api>(response: ResponseInput<A>, memory: Lease | null = null): void {
    if (this.isFilled) return;
    this.isFilled = true;
    const { replies } = this.connection;
    const { throttleTimeMs: throttledMs = 0 } = response as { readonly throttleTimeMs?: number };
    const throttleTimeMs = Math.max(throttledMs, this.connection.work.charge());
    if (throttleTimeMs > 0) {
      this.connection.throttle(throttleTimeMs);
      // The few responses that have no such field say nothing, and are followed by silence all the same.
      if (Object.hasOwn(this.api.response.fields, 'throttleTimeMs'))
        response = { ...response, throttleTimeMs };
    }
    try {
      if (this.isNext) {
        encodeResponse(replies.writer, this.api, this.version, this.correlationId, response);
        if (memory !== null) replies.holds(memory);
      } else if (!this.connection.isClosed) {
        const writer = new ByteWriter(EARLY_SLAB_BYTES);
        encodeResponse(writer, this.api, this.version, this.correlationId, response);
        this.#early = writer.take();
      }
    } catch (error) {
      this.connection.fail(error, this.api.name);
    }
    replies.filled(this);
  }

  /** A whole frame that is no response: a token of SASL. */
  fillFrame(frame: Buffer): void {
    if (this.isFilled) return;
    this.isFilled = true;
    const { replies } = this.connection;
    if (this.isNext) replies.writer.reference(frame);
    else this.#early = [frame];
    replies.filled(this);
  }

  /** There is no response to this request: a producer did not want one. */
  skip(throttleTimeMs = 0): void {
    if (this.isFilled) return;
    this.isFilled = true;
    this.connection.throttle(throttleTimeMs);
    this.connection.replies.filled(this);
  }

  /** The request cannot be answered: it ends the connection. */
  fail(error: unknown): void {
    this.connection.fail(error, this.api.name);
  }

  /** Its turn has come. */
  writeEarly(writer: ByteWriter): void {
    for (const piece of this.#early) writer.reference(piece);
    this.#early = [];
  }
}
