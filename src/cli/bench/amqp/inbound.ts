/**
 * What a broker sends to the load generator, parsed in place in the socket's read buffer, with numbers only: no object,
 * slice or promise per message. A frame is
 *
 *   0      1         3         7                  7+size
 *   type | channel | size    | payload …        | 0xCE
 *
 * A delivery is a method frame `basic.deliver`, a header frame with the body's size, and body frames (AMQP 4.2.6).
 * Methods other than deliveries and confirms are rare and go to `onMethod`.
 */
import type { Consumer } from './consumer.ts';
import type { Publisher } from './publisher.ts';

const FRAME_METHOD = 1;
const FRAME_HEADER = 2;
const FRAME_BODY = 3;
const FRAME_OVERHEAD = 8;
const FRAME_END = 0xce;

const BASIC_DELIVER = 0x003c003c;
const BASIC_ACK = 0x003c0050;
const BASIC_NACK = 0x003c0078;

const TWO_32 = 2 ** 32;

export type OnMethod = (channel: number, bytes: Uint8Array, start: number, end: number) => void;

export class Inbound {
  /** By channel number. A channel of the generator has one consumer or one publisher, never both. */
  readonly consumers: (Consumer | undefined)[] = [];
  readonly publishers: (Publisher | undefined)[] = [];
  frameMax: number;
  readonly #onMethod: OnMethod;

  constructor(frameMax: number, onMethod: OnMethod) {
    this.frameMax = frameMax;
    this.#onMethod = onMethod;
  }

  /** Handles the whole frames in `bytes[start, limit)`; returns where the first incomplete one begins. */
  parse(bytes: Uint8Array, view: DataView, start: number, limit: number, nowMicros: number): number {
    let at = start;
    while (limit - at >= FRAME_OVERHEAD) {
      const size = view.getUint32(at + 3);
      if (size > this.frameMax - FRAME_OVERHEAD) throw new Error(`the broker sent a frame of ${size} bytes`);
      const payload = at + 7;
      const end = payload + size;
      if (end >= limit) break;
      if (bytes[end] !== FRAME_END)
        throw new Error(`the broker sent a frame that ends in ${bytes[end]}, not 0xCE`);
      const channel = view.getUint16(at + 1);
      switch (bytes[at]) {
        case FRAME_METHOD:
          this.#method(channel, bytes, view, payload, end, nowMicros);
          break;
        case FRAME_HEADER:
          // The weight (always 0) stands between the class and the size, AMQP 4.2.6.1.
          this.consumers[channel]?.header(view.getUint32(payload + 4) * TWO_32 + view.getUint32(payload + 8));
          break;
        case FRAME_BODY:
          this.consumers[channel]?.body(view, payload, size, nowMicros);
          break;
      }
      at = end + 1;
    }
    return at;
  }

  #method(
    channel: number,
    bytes: Uint8Array,
    view: DataView,
    payload: number,
    end: number,
    nowMicros: number,
  ): void {
    switch (view.getUint32(payload)) {
      case BASIC_DELIVER: {
        // consumer-tag shortstr, delivery-tag uint64, redelivered bit
        const tag = payload + 5 + bytes[payload + 4];
        const redelivered = (bytes[tag + 8] & 1) === 1;
        this.consumers[channel]?.deliver(view.getUint32(tag) * TWO_32 + view.getUint32(tag + 4), redelivered);
        return;
      }
      case BASIC_ACK:
      case BASIC_NACK: {
        // delivery-tag uint64, multiple bit (and, in a nack, requeue)
        const tag = view.getUint32(payload + 4) * TWO_32 + view.getUint32(payload + 8);
        const multiple = (bytes[payload + 12] & 1) === 1;
        const nack = view.getUint32(payload) === BASIC_NACK;
        this.publishers[channel]?.confirm(tag, multiple, nack, nowMicros);
        return;
      }
      default:
        this.#onMethod(channel, bytes, payload, end);
    }
  }
}
