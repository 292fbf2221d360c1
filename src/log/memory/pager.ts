import { RecordBatchBuilder } from '../../records/batch-builder.ts';
import type { QueueLog } from '../queues/queue-log.ts';
import type { SegmentedLog } from '../segments/segmented-log.ts';
import type { StoreState } from '../store-state.ts';
import { StreamPager } from '../streams/stream-pager.ts';
import type { Chunk } from './chunks.ts';
import { FRAME_HEADER_BYTES, frameContentBytes, frameTimestampMs } from './chunks.ts';

const BATCH_BYTES = 128 * 1024;
/** Logs that are checked before other work of the event loop has its turn. */
const LOGS_PER_SLICE = 512;
/** Logs that are written at once: with thousands of small ones, most of the time is spent waiting for the disk. */
const WRITERS = 4;

/** Writes waiting messages from memory to the segments of their logs. */
export class Pager {
  readonly #state: StoreState;
  readonly #writers: readonly PageWriter[];
  readonly streams: StreamPager;
  #isStopped = false;

  constructor(state: StoreState) {
    this.#state = state;
    this.streams = new StreamPager(state);
    this.#writers = Array.from({ length: WRITERS }, () => new PageWriter(state));
  }

  /** The store is closed: what was not written yet stays in the journal, or was not to survive. */
  stop(): void {
    this.#isStopped = true;
    this.streams.stop();
  }

  /** Afterwards no log refers to a chunk of this generation or an older one. False if it was stopped before. */
  async pageOutGeneration(generation: number): Promise<boolean> {
    const logs = [...this.#state.logs.values()];
    let next = 0;
    const work = async (writer: PageWriter): Promise<void> => {
      while (next < logs.length && !this.#isStopped) {
        const log = logs[next++];
        if (isWaitingIn(this.#state, log, generation)) {
          await writer.pageOut(log, generation, Number.POSITIVE_INFINITY);
        }
        if (next % LOGS_PER_SLICE === 0) {
          await new Promise<void>((resolve) => this.#state.options.scheduler.soon(resolve));
        }
      }
    };
    // All of them, before a failure is told: what is tried again must not meet a write of the first attempt.
    const works = this.#writers.map(work);
    works.push(this.streams.pageOutGeneration(generation));
    const results = await Promise.allSettled(works);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    return !this.#isStopped;
  }

  /** Pages out the oldest messages of a log, those below offset `below`. */
  async pageOut(log: QueueLog, below: number): Promise<void> {
    await this.#writers[0].pageOut(log, Number.POSITIVE_INFINITY, below);
  }
}

/** Whether the oldest message of the log in memory is in a chunk of this generation or an older one. */
function isWaitingIn(state: StoreState, log: QueueLog, generation: number): boolean {
  for (let offset = log.tailStart; offset < log.end; offset++) {
    const position = log.ring[offset & log.mask];
    if (position >= 0) return state.chunks.of(position).generation <= generation;
  }
  return false;
}

/** Writes messages of one log at a time, as record batches. */
class PageWriter {
  readonly #state: StoreState;
  readonly #builder = new RecordBatchBuilder(BATCH_BYTES);

  constructor(state: StoreState) {
    this.#state = state;
  }

  /** Pages out the oldest messages of a log: those in chunks up to `generation`, below offset `below`. */
  async pageOut(log: QueueLog, generation: number, below: number): Promise<void> {
    const builder = this.#builder;
    const segments = log.segments as SegmentedLog;
    builder.begin();
    let first = -1;
    let offset = log.tailStart;
    for (; offset < Math.min(log.end, below) && !log.removed; offset++) {
      if (offset < log.tailStart) offset = log.tailStart;
      const position = log.ring[offset & log.mask];
      if (offset >= log.end || position < 0) continue;
      const chunk = this.#state.chunks.of(position);
      if (chunk.generation > generation) break;
      if (!this.#add(chunk, position >>> 0, offset)) {
        await this.#write(log, segments, first, offset);
        builder.begin();
        first = -1;
        // Messages may have been acknowledged meanwhile.
        offset = Math.max(offset, log.tailStart) - 1;
        continue;
      }
      if (first < 0) first = offset;
    }
    if (log.removed) return;
    if (first >= 0) await this.#write(log, segments, first, offset);
    else if (offset > log.tailStart) log.dropTail(Math.min(offset, log.end));
  }

  #add(chunk: Chunk, at: number, offset: number): boolean {
    return this.#builder.append(
      offset,
      Math.floor(frameTimestampMs(chunk, at)),
      chunk.buffer,
      at + FRAME_HEADER_BYTES,
      frameContentBytes(chunk, at),
    );
  }

  async #write(log: QueueLog, segments: SegmentedLog, first: number, end: number): Promise<void> {
    const records = this.#builder.recordCount;
    try {
      await segments.append(this.#builder.finish(), first, end, records);
    } catch (error) {
      if (log.removed) return;
      throw error;
    }
    if (!log.removed) log.dropTail(end);
  }
}
