import type { Lease } from '../../../base/memory-pool.ts';
import type { ByteWriter } from '../../../wire/kafka/byte-writer.ts';

/** A response in its place, from when its request is read until it is written. */
export interface QueuedResponse {
  /** Of the request; they count against the connection's `requestsBytesMax` until the response is written. */
  readonly requestBytes: number;
  /** No other large one begins on the connection before it is answered. */
  readonly isLarge: boolean;
  readonly isFilled: boolean;
  /** Writes a response that was filled in before those ahead of it in the queue. */
  writeEarly(writer: ByteWriter): void;
}

/** Where responses go: to the response queue of a connection, or back to the shard that has forwarded the request. */
export interface ResponseOutput {
  /** For the response whose turn it is. */
  readonly writer: ByteWriter;
  isNext(response: QueuedResponse): boolean;
  /** If it was the next one, it is in `writer`. */
  filled(response: QueuedResponse): void;
  /** Releases the lease when the peer has taken what is in `writer` now. */
  releaseWhenSent(memory: Lease): void;
  /** Bytes of responses that were filled in before their turn, or fewer of them. */
  addEarly(bytes: number): void;
  /** Bytes of a response that were counted while it was made, and is filled in now: they go on being counted here. */
  adopt(bytes: number): void;
}
