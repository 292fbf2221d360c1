import type { StreamSettings } from '../../../broker/streams/stream-settings.ts';
import type { BatchDemands, RecordsFault } from '../../../records/batch-validation.ts';
import { BatchView } from '../../../records/batch-view.ts';
import { COMPRESSION } from '../../../records/compression/compression.ts';
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

/** Most topics ask for nothing more than that records are well formed. */
const NO_DEMANDS: BatchDemands = { wantsKeys: false, compression: -1, level: undefined };

/** What the configs of a topic ask of the records that it takes. */
export function demandsOf({ compacts, compression, gzipLevel, zstdLevel }: StreamSettings): BatchDemands {
  if (compression === 'producer') return compacts ? { ...NO_DEMANDS, wantsKeys: true } : NO_DEMANDS;
  return {
    wantsKeys: compacts,
    compression: COMPRESSION[compression === 'uncompressed' ? 'none' : compression],
    level: compression === 'gzip' ? gzipLevel : compression === 'zstd' ? zstdLevel : undefined,
  };
}

/** What is wrong with the times in the header of a verified batch (KIP-937), by the configs of its topic. */
export function findTimestampFault(
  bytes: Buffer,
  at: number,
  settings: StreamSettings,
  nowMs: number,
): BatchFault | null {
  view.moveTo(bytes, at);
  if (view.isLogAppendTime) {
    return { error: 'INVALID_TIMESTAMP', text: 'Producer should not set timestamp type to LogAppendTime.' };
  }
  if (settings.timestampType !== 'CreateTime') return null;
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

/** In the words of the protocol. */
export function contentFaultOf({ reason, text, records }: RecordsFault): ContentFault {
  return {
    error: reason === 'too-large' ? 'MESSAGE_TOO_LARGE' : 'INVALID_RECORD',
    text,
    records: records.map((each) => ({ batchIndex: each.index, batchIndexErrorMessage: each.text })),
  };
}
