import type { NamedProperty } from './property-codec.ts';

/**
 * The names that a record's fields have where they are not fields: in the headers of a message that came from a record,
 * and in those of a message that is to become one (docs/mapping.md).
 */
export const OFFSET_HEADER = 'x-stream-offset';
export const PARTITION_HEADER = 'x-stream-partition';
/** Where a publisher wants its message to go. */
export const CHOSEN_PARTITION_HEADER = 'x-partition';
/** Milliseconds since 1970, of a record that no message was. */
export const TIMESTAMP_HEADER = 'x-record-timestamp';
/** The key as it is, where the routing key cannot be it. */
export const KEY_HEADER = 'x-record-key';
/** There is no value, which deletes the key from a compacted stream. */
export const TOMBSTONE_HEADER = 'x-record-tombstone';
/** Headers whose names are too long for a message: a list of pairs. */
export const LONG_HEADERS_HEADER = 'x-record-headers';
/** There are more headers than the head of a message can hold: it has none of them, and this number instead. */
export const OMITTED_HEADER = 'x-record-headers-omitted';
/** What the broker says of a record; under these names, a record's own headers are not shown. */
export const BROKER_HEADERS: ReadonlySet<string> = new Set([
  OFFSET_HEADER,
  PARTITION_HEADER,
  TIMESTAMP_HEADER,
  KEY_HEADER,
  TOMBSTONE_HEADER,
  LONG_HEADERS_HEADER,
  OMITTED_HEADER,
]);
/** What a stream filters by. */
export const FILTER_VALUE_HEADER = 'x-stream-filter-value';

/** Properties that are headers of a record, under the same name. */
export const SHARED_PROPERTIES: readonly NamedProperty[] = [
  'content-type',
  'content-encoding',
  'correlation-id',
  'reply-to',
  'message-id',
  'type',
  'app-id',
  'user-id',
  'expiration',
  'timestamp',
];

/** Of the properties of one message, as most clients can send them: they are in one frame. */
export const HEADERS_BYTES_MAX = 128 * 1024;
