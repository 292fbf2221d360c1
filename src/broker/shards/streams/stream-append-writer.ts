import { FRAME_STREAM_APPEND } from '../../doors/frame-kinds.ts';
import type { FrameReceiver } from '../../doors/ring-reader.ts';
import type { SharedRoom } from '../../doors/shared-room.ts';
import type { Waits } from '../../shard/waits.ts';
import type { KnownMetadata } from '../known-metadata.ts';
import { FrameQueue } from './frame-queue.ts';

/** Bytes of records that are not answered before publishers are paused, and when they may go on. */
const BYTES_HIGH = 16 * 1024 * 1024;
const BYTES_LOW = 4 * 1024 * 1024;
/** What a record counts beside its content. */
export const APPEND_COST = 64;
/** In front of the content, see `append`. */
export const APPEND_HEAD_BYTES = 24;
/** In front of the tokens, see `frame`. */
export const STORED_HEAD_BYTES = 8;

/** Records on their way to the partitions of another shard, and their answers. */
export class StreamAppendWriter implements FrameReceiver {
  readonly #frames: FrameQueue;
  readonly #waits: Waits;
  readonly #metadata: KnownMetadata;
  /** Sent, and not taken off our hands. */
  #bytes = 0;
  #paused: (() => void)[] = [];

  constructor(room: SharedRoom, waits: Waits, metadata: KnownMetadata) {
    this.#frames = new FrameQueue(room);
    this.#waits = waits;
    this.#metadata = metadata;
  }

  /**
   * Sends a record; `content` stays as it is. The other shard may know of the partition later: it has to know this change of
   * metadata before.
   *
   *     0                 4        8            16              24
   *     | id of log, u32  | zero   | token, f64 | metadata, f64 | content |
   */
  append(partition: number, content: Buffer, token: number): void {
    this.#bytes += content.length + APPEND_COST;
    const { head } = this.#frames;
    head.setUint32(0, partition, true);
    head.setUint32(4, 0, true);
    head.setFloat64(8, token, true);
    head.setFloat64(16, this.#metadata.number, true);
    this.#frames.send(FRAME_STREAM_APPEND, APPEND_HEAD_BYTES, content, 0, content.length, true);
  }

  get mustPause(): boolean {
    return this.#bytes > BYTES_HIGH;
  }

  onResume(listener: () => void): void {
    this.#paused.push(listener);
  }

  /**
   * What is durable there; tokens and bytes need not belong to the same records.
   *
   *     0              8
   *     | bytes, f64   | token, f64 | token … |
   */
  frame(_kind: number, buffer: Buffer, start: number, end: number): boolean {
    this.#bytes -= buffer.readDoubleLE(start);
    for (let at = start + STORED_HEAD_BYTES; at < end; at += 8)
      this.#waits.answered(buffer.readDoubleLE(at), false);
    if (this.#bytes <= BYTES_LOW && this.#paused.length > 0) this.#resumeAll();
    return true;
  }

  #resumeAll(): void {
    const paused = this.#paused;
    this.#paused = [];
    for (const resume of paused) resume();
  }
}
