import { type ContentView, copyBytes, SOURCE_AMQP091 } from '../../../records/record-content.ts';
import {
  CLASS_IDS,
  FRAME_BODY,
  FRAME_END,
  FRAME_HEADER,
  FRAME_METHOD,
  FRAME_OVERHEAD_BYTES,
  FRAME_PREFIX_BYTES,
} from '../../../wire/amqp091/constants.ts';
import { BASIC_DELIVER } from '../../../wire/amqp091/methods.ts';
import { LARGE_SLAB_BYTES, type Output, writeFramePrefix, writeU32, writeU64 } from '../connection/output.ts';

/** Beside the property bytes: prefix, class (2), weight (2), body size (8), frame-end. */
const HEADER_FRAME_BYTES = FRAME_OVERHEAD_BYTES + 12;

/**
 * A content (AMQP 4.2.6): the header frame, with property bytes as they are, and as many body frames as frame-max
 * asks for (0: no limit).
 */
export function writeContentFrames(
  output: Output,
  channel: number,
  frameMax: number,
  properties: Buffer,
  propertiesStart: number,
  propertiesEnd: number,
  body: Buffer,
  bodyStart: number,
  bodyEnd: number,
): void {
  const bodyBytes = bodyEnd - bodyStart;
  const headerBytes = HEADER_FRAME_BYTES + propertiesEnd - propertiesStart;
  const isSmall =
    bodyBytes > 0 &&
    bodyBytes <= LARGE_SLAB_BYTES >>> 1 &&
    (frameMax === 0 || bodyBytes <= frameMax - FRAME_OVERHEAD_BYTES);
  output.reserve(isSmall ? headerBytes + bodyBytes + FRAME_OVERHEAD_BYTES : headerBytes);
  const { buffer: target, view } = output;
  let at = writeFramePrefix(view, output.position, FRAME_HEADER, channel, headerBytes - FRAME_OVERHEAD_BYTES);
  at = writeU32(view, at, CLASS_IDS.basic << 16);
  at = writeU64(view, at, bodyBytes);
  at = copyBytes(target, at, properties, propertiesStart, propertiesEnd);
  target[at++] = FRAME_END;
  if (isSmall) {
    at = writeFramePrefix(view, at, FRAME_BODY, channel, bodyBytes);
    at = copyBytes(target, at, body, bodyStart, bodyEnd);
    target[at++] = FRAME_END;
  }
  output.position = at;
  if (!isSmall && bodyBytes > 0) writeBodyFrames(output, channel, frameMax, body, bodyStart, bodyEnd);
}

function writeBodyFrames(
  output: Output,
  channel: number,
  frameMax: number,
  body: Buffer,
  start: number,
  end: number,
): void {
  const payloadMax = frameMax === 0 ? end - start : frameMax - FRAME_OVERHEAD_BYTES;
  for (let from = start; from < end; from += payloadMax) {
    const to = Math.min(end, from + payloadMax);
    output.reserve(to - from + FRAME_PREFIX_BYTES + 1);
    const target = output.buffer;
    let at = writeFramePrefix(output.view, output.position, FRAME_BODY, channel, to - from);
    at += body.copy(target, at, from, to);
    target[at++] = FRAME_END;
    output.position = at;
  }
}

/**
 * basic.deliver to one consumer:
 *
 *     0        7           11                 n           n+8           n+9
 *     | prefix | method id | consumer-tag     | delivery-  | redelivered | exchange, routing-key | end
 *     |        |           | (short string)   | tag (8)    | (1)         | (short strings)       | (1)
 *      `--------- head, but for the size ----'
 */
export class DeliverHead {
  readonly length: number;
  /** Big-endian words, which are fewer to copy than bytes; the last one is filled up with zeros. */
  readonly #words: Int32Array;

  constructor(channel: number, consumerTag: string) {
    const tag = Buffer.from(consumerTag, 'utf8');
    this.length = FRAME_PREFIX_BYTES + 5 + tag.length;
    this.#words = new Int32Array((this.length + 3) >>> 2);
    const head = Buffer.alloc(this.#words.length * 4);
    const view = new DataView(head.buffer, head.byteOffset, head.length);
    let at = writeFramePrefix(view, 0, FRAME_METHOD, channel, 0);
    at = writeU32(view, at, BASIC_DELIVER);
    head[at++] = tag.length;
    tag.copy(head, at);
    for (let i = 0; i < this.#words.length; i++) this.#words[i] = view.getInt32(i * 4);
  }

  /**
   * Writes the frame up to the exchange, which with the routing key takes `addressBytes`; gives the position after it.
   * Up to three bytes behind the head are overwritten: the delivery tag comes there.
   */
  write(output: Output, addressBytes: number, deliveryTag: number, redelivered: boolean): number {
    const bytes = this.length + 9 + addressBytes + 1;
    output.reserve(bytes);
    const { view, position } = output;
    const words = this.#words;
    for (let i = 0, at = position; i < words.length; i++, at += 4) view.setInt32(at, words[i]);
    view.setInt32(position + 3, bytes - FRAME_PREFIX_BYTES - 1);
    const at = writeU64(view, position + this.length, deliveryTag);
    output.buffer[at] = redelivered ? 1 : 0;
    return at + 1;
  }
}

/** `view`: the ranges of the message in `source`. */
export function writeDeliverFrame(
  output: Output,
  head: DeliverHead,
  deliveryTag: number,
  redelivered: boolean,
  source: Buffer,
  view: ContentView,
): void {
  let at = head.write(output, addressBytes(view), deliveryTag, redelivered);
  const target = output.buffer;
  at = writeAddress(target, at, source, view);
  target[at++] = FRAME_END;
  output.position = at;
}

/** Exchange and routing key as short strings; absent ones are empty (both ends of their range are then -1). */
export function writeAddress(target: Buffer, at: number, source: Buffer, view: ContentView): number {
  target[at++] = view.exchangeEnd - view.exchangeStart;
  at = copyBytes(target, at, source, view.exchangeStart, view.exchangeEnd);
  target[at++] = view.keyEnd - view.keyStart;
  return copyBytes(target, at, source, view.keyStart, view.keyEnd);
}

export function addressBytes(view: ContentView): number {
  return 2 + view.exchangeEnd - view.exchangeStart + view.keyEnd - view.keyStart;
}

/** No flags, and so no properties. */
const NO_PROPERTIES = Buffer.from([0, 0]);

/** A range of property bytes: one instance is used for all messages. */
export class PropertyBytes {
  buffer: Buffer = NO_PROPERTIES;
  start = 0;
  end = 2;

  /**
   * Of a message in `source`: those that came over AMQP 0-9-1 are as they were, any other message has none.
   */
  find(source: Buffer, view: ContentView): void {
    if (view.sourceProtocol === SOURCE_AMQP091) {
      this.buffer = source;
      this.start = view.propertiesStart;
      this.end = view.propertiesEnd;
    } else {
      this.buffer = NO_PROPERTIES;
      this.start = 0;
      this.end = 2;
    }
  }
}
