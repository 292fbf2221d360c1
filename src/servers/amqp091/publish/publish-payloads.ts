import { CLASS_IDS } from '../../../wire/amqp091/constants.ts';
import { BASIC_PUBLISH, PUBLISH_NAMES_AT } from '../../../wire/amqp091/methods.ts';
import { CONTENT_HEADER_BYTES } from '../../../wire/amqp091/properties.ts';

/** The payload of a basic.publish again: its names as they came, and its bits. */
export function publishPayload(names: Uint8Array, bits: number): Buffer {
  const payload = Buffer.alloc(PUBLISH_NAMES_AT + names.length + 1);
  payload.writeInt32BE(BASIC_PUBLISH, 0);
  payload.set(names, PUBLISH_NAMES_AT);
  payload[payload.length - 1] = bits;
  return payload;
}

/** The payload of a content header again: the properties as they came. */
export function contentHeaderPayload(bodyBytes: number, properties: Uint8Array): Buffer {
  const payload = Buffer.alloc(CONTENT_HEADER_BYTES + properties.length);
  payload.writeUInt16BE(CLASS_IDS.basic, 0);
  payload.writeBigUInt64BE(BigInt(bodyBytes), 4);
  payload.set(properties, CONTENT_HEADER_BYTES);
  return payload;
}
