import type { Lease } from '../../../base/memory-pool.ts';
import type { TurnTime } from '../../../base/turn-time.ts';
import { ByteWriter } from '../../../wire/kafka/byte-writer.ts';
import type { Api, ResponseInput } from '../../../wire/kafka/declaration.ts';
import { hasManyElements } from '../../../wire/kafka/encoder.ts';
import { encodeResponse, encodeResponseWork } from '../../../wire/kafka/headers.ts';
import type { RequestQuota } from './request-quota.ts';
import type { QueuedResponse, ResponseOutput } from './response-output.ts';

const EARLY_SLAB_BYTES = 4096;
/** A response with more elements in its arrays is encoded in steps. */
const ELEMENTS_AT_ONCE_MAX = 1000;
/** Of a response that is encoded in steps, which those with records are not. A larger one ends the connection. */
const RESPONSE_BYTES_MAX = 64 * 1024 * 1024;

/** The connection on which a response leaves. */
export interface RespondingConnection {
  readonly responses: ResponseOutput;
  readonly requestQuota: RequestQuota;
  readonly isClosed: boolean;
  readonly turnTime: TurnTime;
  /** No request begins until the function that it returns is called. */
  hold(): () => void;
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
  #isEncoding = false;
  /** The encoded response, if it was filled in before its turn came. */
  #early: readonly Buffer[] = [];
  #earlyBytes = 0;

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
    if (this.isFilled || this.#isEncoding) return;
    this.isFilled = true;
    const { responses } = this.connection;
    response = this.#throttled(response);
    try {
      if (this.isNext) {
        encodeResponse(responses.writer, this.api, this.version, this.correlationId, response);
        if (memory !== null) responses.releaseWhenSent(memory);
      } else if (!this.connection.isClosed) {
        const writer = new ByteWriter(EARLY_SLAB_BYTES);
        encodeResponse(writer, this.api, this.version, this.correlationId, response);
        this.#hold(writer.take());
      }
    } catch (error) {
      this.connection.fail(error, this.api.name);
    }
    responses.filled(this);
  }

  /**
   * As `fill`, for a response that may have any number of elements: many of them are encoded in steps, before the next
   * request of the connection begins.
   */
  fillInSteps<A extends Api>(response: ResponseInput<A>, memory: Lease | null = null): void {
    if (!hasManyElements(response, ELEMENTS_AT_ONCE_MAX)) {
      this.fill(response, memory);
      return;
    }
    if (this.isFilled || this.#isEncoding || this.connection.isClosed) return;
    this.#isEncoding = true;
    const { api, version, correlationId } = this;
    const throttled = this.#throttled(response);
    const encoding = encodeResponseWork(api, version, correlationId, throttled, RESPONSE_BYTES_MAX);
    const done = (pieces: readonly Buffer[]): void => this.#encoded(pieces, memory);
    try {
      const pieces = this.connection.turnTime.run(encoding);
      if (!(pieces instanceof Promise)) done(pieces);
      else {
        pieces
          .then(done)
          .catch((error) => this.fail(error))
          .finally(this.connection.hold());
      }
    } catch (error) {
      this.fail(error);
    }
  }

  #encoded(pieces: readonly Buffer[], memory: Lease | null): void {
    if (this.connection.isClosed) return;
    const { responses } = this.connection;
    this.isFilled = true;
    if (this.isNext) {
      for (const piece of pieces) responses.writer.reference(piece);
      if (memory !== null) responses.releaseWhenSent(memory);
    } else {
      this.#hold(pieces);
    }
    responses.filled(this);
  }

  #throttled<A extends Api>(response: ResponseInput<A>): ResponseInput<A> {
    const { throttleTimeMs: throttledMs = 0 } = response as { readonly throttleTimeMs?: number };
    const throttleTimeMs = Math.max(throttledMs, this.connection.requestQuota.charge());
    if (throttleTimeMs > 0) {
      this.connection.throttle(throttleTimeMs);
      // The few responses without the field cannot announce the throttling, which happens all the same (KIP-219).
      if (Object.hasOwn(this.api.response.fields, 'throttleTimeMs')) return { ...response, throttleTimeMs };
    }
    return response;
  }

  /** A whole frame: a SASL token after SaslHandshake 0, or a response that another shard has made. */
  fillFrame(frame: Buffer): void {
    if (this.isFilled) return;
    this.isFilled = true;
    const { responses } = this.connection;
    if (this.isNext) responses.writer.reference(frame);
    else this.#hold([frame]);
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
    this.connection.responses.addEarly(-this.#earlyBytes);
    this.#earlyBytes = 0;
  }

  #hold(pieces: readonly Buffer[]): void {
    this.#early = pieces;
    for (const { length } of pieces) this.#earlyBytes += length;
    this.connection.responses.addEarly(this.#earlyBytes);
  }
}
