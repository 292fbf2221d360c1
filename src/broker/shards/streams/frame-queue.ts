import type { SharedRoom } from '../../doors/shared-room.ts';

/** The most bytes in front of what a frame carries. */
const HEAD_BYTES = 64;
const NOTHING = Buffer.alloc(0);

interface Waiting {
  readonly kind: number;
  readonly head: Buffer;
  readonly pieces: readonly Buffer[];
  readonly bytes: number;
  readonly onSent: (() => void) | null;
}

/**
 * Frames of one sender to another shard, in order:
 *
 *     queue.head …                                // numbers, little-endian, from 0 on
 *     queue.send(kind, headBytes, source, start, end)
 *
 * What finds no room in the ring waits here, as long as it takes: whoever sends has a limit of its own, and stops while
 * `isWaiting`, or bounds what is not answered.
 */
export class FrameQueue {
  /** Of the frame that is sent next. */
  readonly head: DataView;
  readonly #headBytes = Buffer.allocUnsafeSlow(HEAD_BYTES);
  readonly #room: SharedRoom;
  readonly #onDrained: (() => void) | null;
  #waiting: Waiting[] = [];

  /** `onDrained` is called when nothing waits any more. */
  constructor(room: SharedRoom, onDrained: (() => void) | null = null) {
    this.#room = room;
    this.#onDrained = onDrained;
    this.head = new DataView(this.#headBytes.buffer, 0, HEAD_BYTES);
  }

  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** What is given is copied before this returns, unless it `isKept`: then it stays as it is until it is through. */
  send(
    kind: number,
    headBytes: number,
    source: Buffer = NOTHING,
    start = 0,
    end = source.length,
    isKept = false,
  ): void {
    if (this.#waiting.length === 0 && this.#write(kind, headBytes, source, start, end)) return;
    const given = source.subarray(start, end);
    this.#wait(kind, headBytes, [isKept || given.length === 0 ? given : copyOf(given)], null);
  }

  /** The pieces stay as they are until they are through. `onSent` is called when they need not be held here any more. */
  sendPieces(kind: number, headBytes: number, pieces: readonly Buffer[], onSent: () => void): void {
    if (pieces.length === 1 && this.#waiting.length === 0) {
      if (this.#write(kind, headBytes, pieces[0], 0, pieces[0].length)) {
        onSent();
        return;
      }
    }
    this.#wait(kind, headBytes, pieces, onSent);
  }

  #wait(kind: number, headBytes: number, pieces: readonly Buffer[], onSent: (() => void) | null): void {
    const bytes = pieces.reduce((sum, { length }) => sum + length, headBytes);
    const head = Buffer.from(this.#headBytes.subarray(0, headBytes));
    this.#waiting.push({ kind, head, pieces, bytes, onSent });
    if (this.#waiting.length > 1) return;
    // A large frame, or one of several pieces, may go on at once.
    if (pieces.length > 1 || bytes > this.#room.door.frameBytesMax) this.#sendWaiting();
    else this.#room.whenRoom(this.#resume);
  }

  /** False if there is no room, or the frame is a large one. */
  #write(kind: number, headBytes: number, source: Buffer, start: number, end: number): boolean {
    const { door } = this.#room;
    const bytes = headBytes + end - start;
    if (bytes > door.frameBytesMax) return false;
    const at = this.#room.reserve(bytes);
    if (at === -1) return false;
    this.#headBytes.copy(door.buffer, at, 0, headBytes);
    source.copy(door.buffer, at + headBytes, start, end);
    door.finish(kind, bytes);
    return true;
  }

  readonly #resume = (): void => {
    this.#sendWaiting();
    if (this.#waiting.length === 0) this.#onDrained?.();
  };

  #sendWaiting(): void {
    let count = 0;
    while (count < this.#waiting.length && this.#writeWaiting(this.#waiting[count])) count++;
    for (const { onSent } of this.#waiting.splice(0, count)) onSent?.();
    if (this.#waiting.length > 0) this.#room.whenRoom(this.#resume);
  }

  #writeWaiting({ kind, head, pieces, bytes }: Waiting): boolean {
    const { door } = this.#room;
    if (bytes > door.frameBytesMax) return this.#room.writeLarge(kind, [head, ...pieces]);
    const start = this.#room.reserve(bytes);
    if (start === -1) return false;
    let at = start + head.copy(door.buffer, start);
    for (const piece of pieces) at += piece.copy(door.buffer, at);
    door.finish(kind, bytes);
    return true;
  }
}

function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafe(bytes.length);
  bytes.copy(copy);
  return copy;
}
