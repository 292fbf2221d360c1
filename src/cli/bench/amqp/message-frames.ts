/** The frames of one message as the load generator publishes it, built once for each publisher. */
import { FRAME_PREFIX_BYTES } from '../../../wire/amqp091/constants.ts';
import { FrameWriter, startHeaderFrame, writeBodyFrames } from '../../../wire/amqp091/frames.ts';
import { encodeMethod } from '../../../wire/amqp091/methods.ts';
import { encodeProperties } from '../../../wire/amqp091/properties.ts';
import type { MessageFrames } from './publish-buffer.ts';

export interface MessageSettings {
  readonly exchange: string;
  readonly routingKey: string;
  readonly sizeBytes: number;
  readonly persistent: boolean;
  /** Milliseconds; 0: none. */
  readonly expirationMs: number;
  /** Whether there is a priority, for the buffer to set. */
  readonly hasPriority: boolean;
}

export function messageFrames(channel: number, message: MessageSettings, frameMax: number): MessageFrames {
  const { exchange, routingKey, sizeBytes, persistent, expirationMs, hasPriority } = message;
  const writer = new FrameWriter();
  encodeMethod(writer, channel, {
    name: 'basic.publish',
    exchange,
    routingKey,
    mandatory: false,
    immediate: false,
  });
  const header = startHeaderFrame(writer, channel, sizeBytes);
  const propertiesAt = writer.pendingBytes;
  encodeProperties(writer, {
    deliveryMode: persistent ? 2 : 1,
    ...(hasPriority ? { priority: 0 } : {}),
    ...(expirationMs > 0 ? { expiration: String(expirationMs) } : {}),
  });
  // Behind the flags and the delivery mode.
  const priorityAt = hasPriority ? propertiesAt + 3 : -1;
  writer.endFrame(header);
  const bodyAt = writer.pendingBytes + FRAME_PREFIX_BYTES;
  writeBodyFrames(writer, channel, frameMax, new Uint8Array(sizeBytes).fill(0x78));
  return { bytes: writer.take(), bodyAt, bodySize: sizeBytes, priorityAt };
}
