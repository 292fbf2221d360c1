import { RecordBatchBuilder } from '../../records/batch-builder.ts';
import { BATCH_HEADER_BYTES } from '../../records/batch-layout.ts';
import type { MessageView } from '../../records/message-view.ts';
import { RECORD_OVERHEAD_MAX } from '../../records/record-head.ts';
import { batchEntryBytes } from '../journal/format.ts';
import type { Journal, Owed } from '../journal/journal.ts';
import type { StreamLog } from './stream-log.ts';

const BATCH_BYTES = 128 * 1024;
const BATCH_OVERHEAD = batchEntryBytes(BATCH_HEADER_BYTES) + 8;
const SPARES_MAX = 8;

interface OpenBatch {
  readonly stream: StreamLog;
  readonly builder: RecordBatchBuilder;
  readonly leaderEpoch: number;
  readonly attributes: number;
}

/**
 * Accumulates single messages into record batches, one for each stream: what is published in one turn of the event loop
 * becomes one batch. The journal keeps room for them in the block that is open, and has them appended before it is closed.
 */
export class RecordAccumulator implements Owed {
  bytes = 0;
  readonly #journal: Journal;
  #open = new Map<StreamLog, OpenBatch>();
  readonly #spares: RecordBatchBuilder[] = [];

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /**
   * Copies a message to the end of the stream. It is in the block whose number `journal.blockNumber` is afterwards.
   * `attributes` are those of the batch that it begins, if it does.
   */
  add(
    stream: StreamLog,
    leaderEpoch: number,
    attributes: number,
    timestampMs: number,
    messageView: MessageView,
  ): void {
    const contentBytes = messageView.contentBytes();
    const recordBytes = contentBytes + RECORD_OVERHEAD_MAX;
    const begun = this.#open.get(stream);
    if (begun?.builder.hasRoomFor(contentBytes) === false || !this.#journal.canOwe(recordBytes))
      this.settle();
    const isBegun = this.#open.has(stream);
    this.#journal.owe(isBegun ? recordBytes : recordBytes + BATCH_OVERHEAD);
    const batch = this.#open.get(stream) ?? this.#begin(stream, leaderEpoch, attributes);
    batch.builder.appendMessage(timestampMs, messageView, contentBytes);
  }

  settle(): void {
    const open = this.#open;
    this.#open = new Map();
    this.bytes = 0;
    for (const { stream, builder, leaderEpoch, attributes } of open.values()) {
      stream.isGathering = false;
      if (!stream.removed) {
        const batch = builder.finishPlain(attributes);
        stream.append(batch, 0, batch.length, leaderEpoch, true);
      }
      if (this.#spares.length < SPARES_MAX) this.#spares.push(builder);
    }
  }

  #begin(stream: StreamLog, leaderEpoch: number, attributes: number): OpenBatch {
    const builder = this.#spares.pop() ?? new RecordBatchBuilder(BATCH_BYTES);
    builder.begin();
    const batch = { stream, builder, leaderEpoch, attributes };
    this.#open.set(stream, batch);
    stream.isGathering = true;
    return batch;
  }
}
