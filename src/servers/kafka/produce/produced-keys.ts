import { RecordMessage } from '../../../broker/messages/message-from-record.ts';
import type { PropertyCodecs } from '../../../broker/messages/property-codec.ts';
import type { Pattern } from '../../../broker/policies/pattern.ts';
import { RecordCursor } from '../../../records/record-cursor.ts';
import { RecordFormatError } from '../../../records/record-format-error.ts';

/** A batch that was found to be in order. `hasEnvelope`: a record has what only messages have, from a client. */
export interface ProducedKeysBatch {
  readonly bytes: Buffer;
  readonly start: number;
  readonly hasEnvelope: boolean;
}

/**
 * Whether every record of a batch is routed by keys that the pattern allows. A record's key is the routing key with which the
 * exchange of the stream passes it on: topic permissions hold for it as they do for a message.
 */
export function hasOnlyKeys(
  { bytes, start, hasEnvelope }: ProducedKeysBatch,
  pattern: Pattern,
  stream: string,
  codecs: PropertyCodecs,
): boolean {
  // What such a record would be routed by is not the client's to say.
  if (hasEnvelope) return false;
  const message = new RecordMessage(codecs);
  try {
    const cursor = new RecordCursor().open(bytes, start);
    while (cursor.next()) {
      cursor.readContent();
      if (!message.read(cursor, stream, 0)) return false;
      const key = message.key.toString('utf8', message.keyStart, message.keyEnd);
      if (!pattern.matches(key)) return false;
    }
    return true;
  } catch (error) {
    // What cannot be read cannot be shown to be allowed.
    if (error instanceof RecordFormatError) return false;
    throw error;
  }
}
