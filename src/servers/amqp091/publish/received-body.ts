const EMPTY = Buffer.alloc(0);

/** Of the first buffer. */
const BYTES_MIN = 4096;
/** A buffer that grows is copied: beyond this size another one is made. */
const PIECE_BYTES = 1024 * 1024;

/**
 * A body that comes in several frames. Its buffers grow with what has come, not with what was announced, and no step copies
 * more than a piece:
 *
 *     up to 1 MiB           [ buffer, which doubles ]
 *     up to half of it      [ piece ][ piece ][ piece …   ]
 *     from half of it on    [ the whole: pieces are moved to it, one with each frame | frames …       ]
 */
export class ReceivedBody {
  /** That have come. */
  bytes = 0;
  /** Of all buffers. */
  heldBytes = 0;
  readonly #announcedBytes: number;
  /** Where the next frame goes, at `#end`. */
  #buffer = EMPTY;
  #end = 0;
  #isWhole = false;
  /** Those before the buffer, or those that are not moved to the whole yet from `#movedPieces` on. */
  #pieces: Buffer[] = [];
  #movedPieces = 0;
  #movedBytes = 0;

  constructor(announcedBytes: number) {
    this.#announcedBytes = announcedBytes;
  }

  /** Bytes of memory that `append` takes for a frame of so many. */
  growth(count: number): number {
    const size = this.#nextSize(count);
    return size > 0 && this.#isDoubling(count) ? size - this.#buffer.length : size;
  }

  append(bytes: Buffer, start: number, end: number): void {
    const count = end - start;
    const size = this.#nextSize(count);
    if (size > 0) this.#grow(count, size);
    bytes.copy(this.#buffer, this.#end, start, end);
    this.#end += count;
    this.bytes += count;
    if (this.#isWhole) this.#movePiece();
  }

  /** All that was announced, in one buffer. */
  take(): Buffer {
    while (this.#movedPieces < this.#pieces.length) this.#movePiece();
    return this.#buffer.subarray(0, this.bytes);
  }

  #isDoubling(count: number): boolean {
    return this.#pieces.length === 0 && this.bytes + count <= PIECE_BYTES;
  }

  /** Of the buffer that has to be made for a frame of so many bytes; 0 if there is room for it. */
  #nextSize(count: number): number {
    if (this.#end + count <= this.#buffer.length) return 0;
    const bytes = this.bytes + count;
    const announced = this.#announcedBytes;
    if (this.#isDoubling(count)) return Math.min(announced, Math.max(BYTES_MIN, this.bytes * 2, bytes));
    return bytes * 2 >= announced ? announced : Math.max(PIECE_BYTES, count);
  }

  #grow(count: number, size: number): void {
    const buffer = Buffer.allocUnsafeSlow(size);
    if (this.#isDoubling(count)) {
      this.#buffer.copy(buffer, 0, 0, this.#end);
      this.heldBytes = size;
    } else {
      if (this.#end > 0) this.#pieces.push(this.#buffer.subarray(0, this.#end));
      this.#isWhole = size === this.#announcedBytes;
      this.#end = this.#isWhole ? this.bytes : 0;
      this.heldBytes += size;
    }
    this.#buffer = buffer;
  }

  #movePiece(): void {
    const piece = this.#pieces[this.#movedPieces];
    if (piece === undefined) return;
    this.#movedBytes += piece.copy(this.#buffer, this.#movedBytes);
    this.#pieces[this.#movedPieces++] = EMPTY;
    if (this.#movedPieces < this.#pieces.length) {
      this.heldBytes -= piece.buffer.byteLength;
    } else {
      this.heldBytes = this.#buffer.length;
      this.#forgetPieces();
    }
  }

  #forgetPieces(): void {
    this.#pieces = [];
    this.#movedPieces = 0;
    this.#movedBytes = 0;
  }
}
