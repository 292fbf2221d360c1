/** Frames that are too large for one piece of the ring: taken apart at the writer, put together at the reader. */

/** Copying a piece costs at least as much as copying so many bytes: many tiny ones are no way around the pace. */
const PIECE_COST = 256;

/** A large frame on its way into the ring. Holds the pieces by reference: whoever gave them leaves them as they are. */
export class OutgoingLargeFrame {
  readonly kind: number;
  readonly bytes: number;
  /** Whether the frame that announces it is in the ring. */
  isAnnounced = false;
  #left: number;
  readonly #pieces: readonly Buffer[];
  #piece = 0;
  /** Within that piece. */
  #at = 0;
  /** What the last `fill` cost, in bytes copied or as much work. */
  cost = 0;

  constructor(kind: number, pieces: readonly Buffer[]) {
    this.kind = kind;
    this.#pieces = pieces;
    let bytes = 0;
    for (let i = 0; i < pieces.length; i++) bytes += pieces[i].length;
    this.bytes = bytes;
    this.#left = bytes;
  }

  get isThrough(): boolean {
    return this.isAnnounced && this.#left === 0;
  }

  /** The most bytes that the next part can have. */
  partBytes(max: number): number {
    return Math.min(this.#left, max);
  }

  /** Copies what comes next, at most `bytes`, and no more than costs `costMax`; returns how many bytes. */
  fill(target: Buffer, start: number, bytes: number, costMax: number): number {
    let filled = 0;
    this.cost = 0;
    while (filled < bytes && this.cost < costMax) {
      const piece = this.#pieces[this.#piece];
      const copied = piece.copy(target, start + filled, this.#at, this.#at + bytes - filled);
      filled += copied;
      this.#at += copied;
      this.cost += copied + PIECE_COST;
      if (this.#at < piece.length) continue;
      this.#piece++;
      this.#at = 0;
    }
    this.#left -= filled;
    return filled;
  }
}

/** A large frame that is being put together, in memory of its own. */
export class IncomingLargeFrame {
  readonly kind: number;
  readonly buffer: Buffer;
  #received = 0;

  constructor(kind: number, bytes: number) {
    this.kind = kind;
    this.buffer = Buffer.allocUnsafeSlow(bytes);
  }

  get isComplete(): boolean {
    return this.#received === this.buffer.length;
  }

  /** Throws if the part goes beyond the bytes that were announced. */
  add(source: Buffer, start: number, end: number): void {
    if (this.#received + end - start > this.buffer.length) {
      throw new Error(`A large frame of ${this.buffer.length} bytes has parts with more`);
    }
    this.#received += source.copy(this.buffer, this.#received, start, end);
  }
}
