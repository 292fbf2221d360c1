/**
 * Frames of outboxes, little-endian. Ids are offsets in the log of the outbox.
 *
 *     entries   f64 session | f64 number of the metadata that they were routed by, at most | f64 id of the first | u32 count |
 *               for each: f64 timestamp, u32 length, content; a length of 0 is an entry that is gone
 *     ask       f64 session
 *     answer    f64 session | f64 the id that is taken next | f64 ids below are durable | u32 1: send again from there
 *     hello     f64 epoch of a shard that has begun, or nothing: a link is there again
 *     end       f64 the epoch in a hello | f64 the id behind the entries that there are for that shard
 *
 * A session is a number that the sender gives anew whenever it asks, or begins to send something again: answers to an earlier one
 * mean nothing.
 */
export const ENTRIES_HEADER_BYTES = 28;
export const ENTRY_HEADER_BYTES = 12;
export const ASK_BYTES = 8;
export const ANSWER_BYTES = 28;
export const HELLO_BYTES = 8;
export const END_BYTES = 16;

const FLAG_AGAIN = 1;

export interface OutboxAnswer {
  readonly session: number;
  readonly next: number;
  readonly stored: number;
  /** What was sent cannot be taken: there is something missing before it, or metadata. */
  readonly isAgain: boolean;
}

export function writeAnswer(target: Buffer, { session, next, stored, isAgain }: OutboxAnswer): number {
  target.writeDoubleLE(session, 0);
  target.writeDoubleLE(next, 8);
  target.writeDoubleLE(stored, 16);
  return target.writeUInt32LE(isAgain ? FLAG_AGAIN : 0, 24);
}

export function readAnswer(buffer: Buffer, start: number): OutboxAnswer {
  return {
    session: buffer.readDoubleLE(start),
    next: buffer.readDoubleLE(start + 8),
    stored: buffer.readDoubleLE(start + 16),
    isAgain: (buffer.readUInt32LE(start + 24) & FLAG_AGAIN) !== 0,
  };
}

/** How far an outbox is, for a shard that begins. */
export interface OutboxEnd {
  readonly epoch: number;
  readonly end: number;
}

export function writeHello(target: Buffer, epoch: number): void {
  target.writeDoubleLE(epoch, 0);
}

export function writeEnd(target: Buffer, { epoch, end }: OutboxEnd): void {
  target.writeDoubleLE(epoch, 0);
  target.writeDoubleLE(end, 8);
}

export function readEnd(buffer: Buffer, start: number): OutboxEnd {
  return { epoch: buffer.readDoubleLE(start), end: buffer.readDoubleLE(start + 8) };
}

/** Entries that are gathered for one frame; its memory is used again. */
export class EntriesFrame {
  buffer: Buffer;
  count = 0;
  bytes = ENTRIES_HEADER_BYTES;
  readonly #usualBytes: number;

  constructor(usualBytes: number) {
    this.#usualBytes = usualBytes;
    this.buffer = Buffer.allocUnsafe(usualBytes);
  }

  begin(session: number, metadata: number, firstId: number): void {
    if (this.buffer.length > this.#usualBytes) this.buffer = Buffer.allocUnsafe(this.#usualBytes);
    this.count = 0;
    this.bytes = ENTRIES_HEADER_BYTES;
    this.buffer.writeDoubleLE(session, 0);
    this.buffer.writeDoubleLE(metadata, 8);
    this.buffer.writeDoubleLE(firstId, 16);
  }

  /** Whether one more entry of so many bytes belongs into this frame: one that is larger is alone in it. */
  hasRoomFor(bytes: number): boolean {
    return this.count === 0 || this.bytes + ENTRY_HEADER_BYTES + bytes <= this.#usualBytes;
  }

  add(timestampMs: number, source: Buffer, start: number, length: number): void {
    const needed = this.bytes + ENTRY_HEADER_BYTES + length;
    if (needed > this.buffer.length) {
      const larger = Buffer.allocUnsafe(needed);
      this.buffer.copy(larger, 0, 0, this.bytes);
      this.buffer = larger;
    }
    this.buffer.writeDoubleLE(timestampMs, this.bytes);
    this.buffer.writeUInt32LE(length, this.bytes + 8);
    source.copy(this.buffer, this.bytes + ENTRY_HEADER_BYTES, start, start + length);
    this.bytes = needed;
    this.count++;
  }

  finish(): void {
    this.buffer.writeUInt32LE(this.count, 24);
  }
}
