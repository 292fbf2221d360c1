import { copyBytes } from '../../../records/record-content.ts';
import {
  CLASS_IDS,
  FRAME_BODY,
  FRAME_END,
  FRAME_HEADER,
  FRAME_OVERHEAD_BYTES,
  FRAME_PREFIX_BYTES,
} from '../../../wire/amqp091/constants.ts';
import type { Output } from '../connection/output.ts';
import { LARGE_SLAB_BYTES } from '../connection/slab-pool.ts';

/** Beside the property bytes: prefix, class (2), weight (2), body size (8), frame-end. */
const HEADER_FRAME_BYTES = FRAME_OVERHEAD_BYTES + 12;

/** The seven bytes in front of a payload (AMQP 4.2.3); gives the position after them. */
export function writeFramePrefix(
  target: Buffer,
  at: number,
  type: number,
  channel: number,
  size: number,
): number {
  target[at] = type;
  target[at + 1] = channel >>> 8;
  target[at + 2] = channel;
  return writeU32(target, at + 3, size);
}

export function writeU32(target: Buffer, at: number, value: number): number {
  target[at] = value >>> 24;
  target[at + 1] = value >>> 16;
  target[at + 2] = value >>> 8;
  target[at + 3] = value;
  return at + 4;
}

export function writeU64(target: Buffer, at: number, value: number): number {
  return writeU32(target, writeU32(target, at, Math.floor(value / 0x1_0000_0000)), value);
}

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
  const target = output.buffer;
  let at = writeFramePrefix(
    target,
    output.position,
    FRAME_HEADER,
    channel,
    headerBytes - FRAME_OVERHEAD_BYTES,
  );
  at = writeU32(target, at, CLASS_IDS.basic << 16);
  at = writeU64(target, at, bodyBytes);
  at = copyBytes(target, at, properties, propertiesStart, propertiesEnd);
  target[at++] = FRAME_END;
  if (isSmall) {
    at = writeFramePrefix(target, at, FRAME_BODY, channel, bodyBytes);
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
    let at = writeFramePrefix(target, output.position, FRAME_BODY, channel, to - from);
    at += body.copy(target, at, from, to);
    target[at++] = FRAME_END;
    output.position = at;
  }
}
