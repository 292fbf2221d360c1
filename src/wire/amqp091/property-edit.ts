import type { Table } from '../../base/value.ts';
import { ByteReader } from './byte-reader.ts';
import { encodeFields, visitFields } from './field-table.ts';
import type { FrameWriter } from './frames.ts';
import {
  findProperty,
  PROPERTY_EXPIRATION,
  PROPERTY_HEADERS,
  PROPERTY_MESSAGE_ID,
  PROPERTY_REPLY_TO,
} from './properties.ts';

export interface RawEdit {
  /** Headers to set, in front of the others. */
  readonly set?: Table;
  /** Headers to remove. */
  readonly remove?: readonly string[];
  readonly dropExpiration?: boolean;
  readonly replyTo?: string;
}

/**
 * Writes properties that differ in what the edit names. All other values are copied as they stand, so that a header
 * keeps its type also where several types mean the same number.
 *
 *   [ flags | content-type, -encoding | headers | delivery-mode … correlation-id | reply-to | expiration | the rest ]
 *           at                        headersAt headersEnd                       replyToAt               restAt
 */
export function editProperties(
  writer: FrameWriter,
  bytes: Buffer,
  start: number,
  end: number,
  edit: RawEdit,
): void {
  const flags = (bytes[start] << 8) | bytes[start + 1];
  const { set, remove = [], dropExpiration = false, replyTo } = edit;
  const headersAt = positionOf(bytes, start, end, flags, PROPERTY_HEADERS);
  const headersEnd =
    (flags & PROPERTY_HEADERS) === 0 ? headersAt : headersAt + 4 + bytes.readUInt32BE(headersAt);
  const replyToAt = positionOf(bytes, start, end, flags, PROPERTY_REPLY_TO);
  const expirationAt = positionOf(bytes, start, end, flags, PROPERTY_EXPIRATION);
  const restAt = positionOf(bytes, start, end, flags, PROPERTY_MESSAGE_ID);

  writer.ensure(2);
  writer.u16(
    (flags | (set === undefined ? 0 : PROPERTY_HEADERS) | (replyTo === undefined ? 0 : PROPERTY_REPLY_TO)) &
      ~(dropExpiration ? PROPERTY_EXPIRATION : 0),
  );
  writer.bytes(bytes, start + 2, headersAt);
  if (set === undefined && remove.length === 0) writer.bytes(bytes, headersAt, headersEnd);
  else if (set !== undefined || headersEnd > headersAt) {
    writeHeaders(writer, bytes, headersAt, headersEnd, set ?? {}, remove);
  }
  writer.bytes(bytes, headersEnd, replyToAt);
  if (replyTo === undefined) writer.bytes(bytes, replyToAt, expirationAt);
  else writer.shortString(replyTo);
  if (!dropExpiration) writer.bytes(bytes, expirationAt, restAt);
  writer.bytes(bytes, restAt, end);
}

/** Where the value of the first property with `flag` or a lower one begins; `end` if there is none. */
function positionOf(bytes: Buffer, start: number, end: number, flags: number, flag: number): number {
  let present = flag;
  while (present > 0b11 && (flags & present) === 0) present >>>= 1;
  return present > 0b11 ? findProperty(bytes, start, end, present) : end;
}

function writeHeaders(
  writer: FrameWriter,
  bytes: Buffer,
  start: number,
  end: number,
  set: Table,
  remove: readonly string[],
): void {
  writer.ensure(4);
  const lengthAt = writer.position - writer.start;
  writer.position += 4;
  encodeFields(writer, set);
  if (end > start) {
    visitFields(new ByteReader(bytes, start, end, 'headers'), (fieldStart, fieldEnd) => {
      const key = bytes.toString('utf8', fieldStart + 1, fieldStart + 1 + bytes[fieldStart]);
      if (!Object.hasOwn(set, key) && !remove.includes(key)) writer.bytes(bytes, fieldStart, fieldEnd);
    });
  }
  const written = writer.position;
  writer.position = writer.start + lengthAt;
  writer.u32(written - writer.position - 4);
  writer.position = written;
}
