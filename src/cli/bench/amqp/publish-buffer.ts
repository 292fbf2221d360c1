/**
 * Messages ready to be sent: the frames of one message, repeated as often as they fit, so that publishing a batch is
 * to patch stamps and sequence numbers and write one slice. A buffer that the socket still holds is not touched.
 *
 *   | method | header | body …| method | header | body …| …
 *   '------- stride ----------'
 */
import { stampLayout } from './stamp.ts';

const TWO_32 = 2 ** 32;

export class PublishBuffer {
  readonly stride: number;
  /** How many messages fit. */
  readonly capacity: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** Where the first body byte stands in a message's frames; -1: the body is too small to be stamped. */
  readonly #stampAt: number;

  /** `priorities`: the messages of a buffer take turns with so many. */
  constructor(message: MessageFrames, bytesMax: number, publisher: number, priorities = 0) {
    this.stride = message.bytes.length;
    this.capacity = Math.max(1, Math.floor(bytesMax / this.stride));
    const bytes = new Uint8Array(this.capacity * this.stride);
    for (let i = 0; i < this.capacity; i++) bytes.set(message.bytes, i * this.stride);
    for (let i = 0; i < this.capacity && message.priorityAt >= 0; i++) {
      bytes[i * this.stride + message.priorityAt] = i % priorities;
    }
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
    this.#stampAt = message.bodySize >= stampLayout.bytes ? message.bodyAt : -1;
    if (this.#stampAt < 0) return;
    for (let i = 0; i < this.capacity; i++) {
      this.#view.setUint16(i * this.stride + this.#stampAt + stampLayout.publisher, publisher);
    }
  }

  /** Numbers the messages `from … to-1` of this buffer, counting on from `sequence`, with one stamp for all. */
  stamp(from: number, to: number, sequence: number, micros: number): void {
    if (this.#stampAt < 0) return;
    const view = this.#view;
    const stride = this.stride;
    const microsHigh = Math.floor(micros / TWO_32);
    const microsLow = micros >>> 0;
    let at = from * stride + this.#stampAt;
    let number = sequence;
    for (let i = from; i < to; i++) {
      view.setUint32(at, microsHigh);
      view.setUint32(at + 4, microsLow);
      view.setUint16(at + 10, number / TWO_32);
      view.setUint32(at + 12, number >>> 0);
      at += stride;
      number++;
    }
  }

  slice(count: number): Uint8Array {
    return count === this.capacity ? this.#bytes : this.#bytes.subarray(0, count * this.stride);
  }
}

/** The frames of one message, as `basic.publish` sends them. */
export interface MessageFrames {
  readonly bytes: Uint8Array;
  readonly bodyAt: number;
  readonly bodySize: number;
  /** Where the priority stands; -1: there is none. */
  readonly priorityAt: number;
}
