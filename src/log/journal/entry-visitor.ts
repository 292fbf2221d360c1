import { CorruptionError } from '../corruption.ts';
import {
  acknowledgedFrom,
  acknowledgedLogId,
  acknowledgedTo,
  BATCH_PREFIX_BYTES,
  BLOCK_HEADER_BYTES,
  batchLength,
  batchLogId,
  ENTRY_ACKNOWLEDGED,
  ENTRY_BATCH,
  ENTRY_MESSAGE,
  ENTRY_METADATA,
  entryCount,
  entryLength,
  entryType,
  messagePrefixBytes,
  metadataOperation,
} from './format.ts';
import type { Block, JournalImage } from './run.ts';

/** Told of every entry of a block. */
export interface EntryVisitor {
  /** `entryAt` is what `messageOffset` and `messageLogId` take; at `frameAt` the frame begins. */
  message(image: JournalImage, entryAt: number, logCount: number, frameAt: number, blockNumber: number): void;
  acknowledged(logId: number, from: number, to: number, blockNumber: number): void;
  metadata(bytes: Buffer, blockNumber: number): void;
  /** A batch of a stream, whose first byte is at `at`. */
  batch(image: JournalImage, logId: number, at: number, bytes: number, blockNumber: number): void;
}

/** Shows every entry of a whole block. */
export function visitBlock(image: JournalImage, block: Block, visitor: EntryVisitor): void {
  const end = block.at + block.length;
  let at = block.at + BLOCK_HEADER_BYTES;
  while (at < end) {
    const length = entryLength(image, at);
    if (length < 8 || length % 8 !== 0 || at + length > end) {
      throw new CorruptionError(image.path, at, `an entry has the impossible length ${length}`);
    }
    visitEntry(image, at, block.number, visitor);
    at += length;
  }
}

function visitEntry(image: JournalImage, at: number, number: number, visitor: EntryVisitor): void {
  const type = entryType(image, at);
  const count = entryCount(image, at);
  switch (type) {
    case ENTRY_MESSAGE:
      visitor.message(image, at, count, at + messagePrefixBytes(count), number);
      return;
    case ENTRY_ACKNOWLEDGED: {
      const logId = acknowledgedLogId(image, at);
      for (let i = 0; i < count; i++) {
        visitor.acknowledged(logId, acknowledgedFrom(image, at, i), acknowledgedTo(image, at, i), number);
      }
      return;
    }
    case ENTRY_METADATA:
      visitor.metadata(metadataOperation(image, at), number);
      return;
    case ENTRY_BATCH:
      visitor.batch(image, batchLogId(image, at), at + BATCH_PREFIX_BYTES, batchLength(image, at), number);
      return;
    default:
      throw new CorruptionError(image.path, at, `an entry has the unknown type ${type}`);
  }
}
