import type { ConnectionContext } from './channel-context.ts';

export interface DeferredFrame {
  readonly type: number;
  readonly payload: Buffer;
}

/** Over this many bytes the socket is paused. */
const DEFERRED_BYTES_MAX = 256 * 1024;
/** Counted for each frame beside its payload: its object and its entry in the list. */
const FRAME_COST_BYTES = 64;

/**
 * Copies of the frames that came on a channel while an earlier one waits for its answer: until a change is durable, a
 * transaction is committed, or a message of basic.get is read and the output has room for it.
 */
export class DeferredFrames {
  /** False while the frames are replayed. */
  isWaiting = true;
  readonly #connection: ConnectionContext;
  #frames: DeferredFrame[] = [];
  #next = 0;
  #bytes = 0;
  #isPausing = false;

  constructor(connection: ConnectionContext) {
    this.#connection = connection;
  }

  add(type: number, bytes: Buffer, start: number, end: number): void {
    this.#frames.push({ type, payload: Buffer.from(bytes.subarray(start, end)) });
    this.#bytes += end - start + FRAME_COST_BYTES;
    this.#connection.memory.add(end - start + FRAME_COST_BYTES);
    if (this.#bytes <= DEFERRED_BYTES_MAX || this.#isPausing) return;
    this.#isPausing = true;
    this.#connection.pausePublishing();
  }

  take(): DeferredFrame | undefined {
    const frame = this.#frames[this.#next++];
    if (frame === undefined) this.drop();
    return frame;
  }

  /** The frame that was taken last has to wait again. */
  putBack(): void {
    this.#next--;
    this.isWaiting = true;
  }

  drop(): void {
    this.#frames = [];
    this.#next = 0;
    this.#connection.memory.add(-this.#bytes);
    this.#bytes = 0;
    if (this.#isPausing) this.#connection.resumePublishing();
    this.#isPausing = false;
  }
}
