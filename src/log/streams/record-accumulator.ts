import { RecordBatchBuilder } from '../../records/batch-builder.ts';
import { BATCH_HEADER_BYTES } from '../../records/batch-layout.ts';
import type { MessageView } from '../../records/message-view.ts';
import { RECORD_OVERHEAD_MAX } from '../../records/record-leading-fields.ts';
import { batchEntryBytes } from '../journal/format.ts';
import type { Journal, Reservations } from '../journal/journal.ts';
import type { StreamLog } from './stream-log.ts';

const BATCH_BYTES = 128 * 1024;
const BATCH_OVERHEAD = batchEntryBytes(BATCH_HEADER_BYTES) + 8;
const SPARES_MAX = 8;

/** The batch of one stream that is being built. */
interface OpenBatch {
  readonly stream: StreamLog;
  readonly builder: RecordBatchBuilder;
  readonly leaderEpoch: number;
  readonly attributes: number;
}

/**
 * Builds record batches of single messages, one for each stream: what is published in one turn of the event loop
 * becomes one batch. Room for them is reserved in the open block of the journal, which has them appended before it is closed.
 */
export class RecordAccumulator implements Reservations {
  bytes = 0;
  readonly #journal: Journal;
  #open = new Map<StreamLog, OpenBatch>();
  readonly #spares: RecordBatchBuilder[] = [];

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /**
   * Copies a message to the end of the stream. It is in the block whose number `journal.blockNumber` is afterwards.
   * `attributes` are those of its batch: it begins another one if the open one has others.
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
    const fits =
      begun === undefined || (begun.attributes === attributes && begun.builder.hasRoomFor(contentBytes));
    if (!fits || !this.#journal.canReserveLater(recordBytes)) this.flush();
    const isBegun = this.#open.has(stream);
    this.#journal.reserveLater(isBegun ? recordBytes : recordBytes + BATCH_OVERHEAD);
    const batch = this.#open.get(stream) ?? this.#begin(stream, leaderEpoch, attributes);
    batch.builder.appendMessage(timestampMs, messageView, contentBytes);
  }

  flush(): void {
    const open = this.#open;
    this.#open = new Map();
    this.bytes = 0;
    for (const { stream, builder, leaderEpoch, attributes } of open.values()) {
      stream.isAccumulating = false;
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
    stream.isAccumulating = true;
    return batch;
  }
}
