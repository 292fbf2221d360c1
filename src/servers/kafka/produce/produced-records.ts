import type { StreamSettings } from '../../../broker/streams/stream-settings.ts';
import { BatchView } from '../../../records/batch-view.ts';
import { RecordCursor } from '../../../records/record-cursor.ts';
import { RecordFormatError } from '../../../records/record-format-error.ts';
import type { BatchFault } from '../../../wire/kafka/produced-batch.ts';

const view = new BatchView(Buffer.alloc(0), 0);

/** `records` names the faulty records, if it is not the batch as a whole (KIP-467). */
export interface ContentFault extends BatchFault {
  readonly records?: readonly RecordFault[];
}

export interface RecordFault {
  readonly batchIndex: number;
  readonly batchIndexErrorMessage: string;
}

const NO_KEY = 'Compacted topic cannot accept message without key.';

/**
 * Checks a verified batch against the configs of its topic: timestamps (KIP-937), and in a compacted topic a key for each
 * record, for which alone records are decoded.
 */
export function findContentFault(
  bytes: Buffer,
  at: number,
  settings: StreamSettings,
  nowMs: number,
): ContentFault | null {
  view.moveTo(bytes, at);
  if (settings.timestampType === 'CreateTime') {
    const fault = findTimestampFault(settings, nowMs);
    if (fault !== null) return fault;
  }
  return settings.compacts ? findKeyFault(bytes, at) : null;
}

function findTimestampFault(settings: StreamSettings, nowMs: number): BatchFault | null {
  const { maxTimestampMs, baseTimestampMs } = view;
  if (maxTimestampMs > nowMs + settings.timestampAfterMsMax) {
    return {
      error: 'INVALID_TIMESTAMP',
      text: `timestamp ${maxTimestampMs} is more than message.timestamp.after.max.ms in the future`,
    };
  }
  if (baseTimestampMs >= 0 && baseTimestampMs < nowMs - settings.timestampBeforeMsMax) {
    return {
      error: 'INVALID_TIMESTAMP',
      text: `timestamp ${baseTimestampMs} is more than message.timestamp.before.max.ms in the past`,
    };
  }
  return null;
}

function findKeyFault(bytes: Buffer, at: number): ContentFault | null {
  const records: RecordFault[] = [];
  try {
    const cursor = new RecordCursor().open(bytes, at);
    const { baseOffset } = cursor;
    for (let count = 0; cursor.next(); count++) {
      if (cursor.offset !== baseOffset + count) {
        return { error: 'INVALID_RECORD', text: `record ${count} has number ${cursor.offset - baseOffset}` };
      }
      cursor.readContent();
      if (cursor.keyLength < 0) records.push({ batchIndex: count, batchIndexErrorMessage: NO_KEY });
    }
    cursor.expectEnd();
    if (records.length === 0) return null;
    return { error: 'INVALID_RECORD', text: `${records.length} records were refused: ${NO_KEY}`, records };
  } catch (error) {
    if (!(error instanceof RecordFormatError)) throw error;
    return { error: 'INVALID_RECORD', text: error.message };
  }
}
