import { lastOffsetDeltaOf, recordCountOf } from '../../records/batch-view.ts';
import type { StoreState } from '../store-state.ts';
import type { StreamLog } from './stream-log.ts';

/** As much is written at once. */
const WRITE_BYTES = 1024 * 1024;
/**
 * After so much the disk is told to take it. Otherwise all of it would have to go at once when a journal file is retired,
 * and the commits of that moment would wait for it.
 */
const SYNC_BYTES = 4 * 1024 * 1024;

/** Writes batches of streams from memory to segments. */
export class StreamPager {
  readonly #state: StoreState;
  #isStopped = false;

  constructor(state: StoreState) {
    this.#state = state;
  }

  /** The store is closed: what was not written yet stays in the journal. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Afterwards no stream refers to a chunk of this generation or an older one, unless it was stopped before. */
  async pageOutGeneration(generation: number): Promise<void> {
    for (const stream of [...this.#state.streamsInMemory]) {
      if (this.#isStopped) return;
      await this.#pageOut(stream, generation);
    }
  }

  /** Afterwards nothing of what the stream had in memory is there. */
  async pageOutAll(stream: StreamLog): Promise<void> {
    await this.#pageOut(stream, Number.POSITIVE_INFINITY);
  }

  async #pageOut(stream: StreamLog, generation: number): Promise<void> {
    while (!stream.removed) {
      const written = await this.#write(stream, generation);
      if (!written) break;
    }
    if (stream.tail.count === 0) this.#state.streamsInMemory.delete(stream);
    else stream.tailSinceMs = this.#state.options.clock.now();
  }

  /** Writes the oldest batches, and lets go of them. False if there are none that old. */
  async #write(stream: StreamLog, generation: number): Promise<boolean> {
    const { tail, segments } = stream;
    const { chunks } = this.#state;
    segments.segmentBytes = stream.events.retentionSettings().segmentBytes;
    const bytesMax = Math.min(WRITE_BYTES, segments.segmentBytes);
    const batches: Buffer[] = [];
    let bytes = 0;
    let records = 0;
    let next = -1;
    for (let index = 0; index < tail.count; index++) {
      if (index > 0 && (bytes + tail.bytes(index) > bytesMax || tail.baseOffset(index) !== next)) break;
      const position = tail.position(index);
      const chunk = chunks.of(position);
      if (chunk.generation > generation) break;
      const at = position >>> 0;
      const length = tail.bytes(index);
      batches.push(chunk.buffer.subarray(at, at + length));
      records += recordCountOf(chunk.buffer, at);
      bytes += length;
      // After a crash offsets may be left out; a segment has none left out.
      next = tail.baseOffset(index) + lastOffsetDeltaOf(chunk.buffer, at) + 1;
    }
    if (batches.length === 0) return false;
    const first = tail.baseOffset(0);
    const end = batches.length < tail.count ? tail.baseOffset(batches.length) : stream.end;
    try {
      await segments.appendBatches(batches, first, next, records);
    } catch (error) {
      if (stream.removed) return false;
      throw error;
    }
    if (!stream.removed) stream.dropTail(end);
    stream.unsyncedBytes += bytes;
    if (stream.unsyncedBytes >= SYNC_BYTES) this.#syncEarly(stream);
    return true;
  }

  /** Nobody waits for it; a failure is final all the same. */
  #syncEarly(stream: StreamLog): void {
    stream.unsyncedBytes = 0;
    stream.segments.sync().catch((error: Error) => {
      if (!stream.removed) this.#state.events.onFailure(error);
    });
  }
}
