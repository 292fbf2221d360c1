import type { TurnTime } from '../../../base/turn-time.ts';
import type { OnFrame } from '../../../wire/amqp091/frames.ts';

interface HeldFrame {
  readonly type: number;
  readonly channel: number;
  readonly payload: Buffer;
}

/** Whose frames wait. `Connection` implements it. */
export interface HoldingConnection {
  pausePublishing(): void;
  resumePublishing(): void;
}

/**
 * Copies of the frames of a connection that has used up its share of the turn with methods and routes that take time: ten
 * thousand declarations come in one read of a socket. They go on in the next turn, in their order.
 */
export class HeldFrames {
  readonly #connection: HoldingConnection;
  readonly #onFrame: OnFrame;
  readonly #time: TurnTime;
  #frames: HeldFrame[] = [];
  #isReplaying = false;
  /** A turn that has come does something, however late it is by then. */
  #isDueOne = false;
  isHolding = false;

  constructor(connection: HoldingConnection, onFrame: OnFrame, time: TurnTime) {
    this.#connection = connection;
    this.#onFrame = onFrame;
    this.#time = time;
  }

  /** Frames wait from now on, if the turn's time is used up. Returns whether they do. */
  check(): boolean {
    if (this.isHolding) return true;
    if (this.#isDueOne) {
      this.#isDueOne = false;
      return false;
    }
    if (!this.#time.isSpent) return false;
    this.isHolding = true;
    if (!this.#isReplaying) this.#connection.pausePublishing();
    this.#time.next().then(() => this.#replay());
    return true;
  }

  /** Whether the frame waits, from now on if the turn's time is used up. */
  holds(type: number, channel: number, bytes: Buffer, start: number, end: number): boolean {
    if (!this.check()) return false;
    this.add(type, channel, bytes, start, end);
    return true;
  }

  add(type: number, channel: number, bytes: Buffer, start: number, end: number): void {
    this.#frames.push({ type, channel, payload: Buffer.from(bytes.subarray(start, end)) });
  }

  drop(): void {
    this.#frames = [];
  }

  #replay(): void {
    const frames = this.#frames;
    this.#frames = [];
    this.isHolding = false;
    this.#isReplaying = true;
    this.#isDueOne = true;
    let next = 0;
    while (next < frames.length && !this.isHolding) {
      const { type, channel, payload } = frames[next++];
      this.#onFrame(type, channel, payload, 0, payload.length);
    }
    // The frame that has to wait once more is the first of those that are held now.
    this.#frames = this.#frames.concat(frames.slice(next));
    this.#isReplaying = false;
    if (!this.isHolding) this.#connection.resumePublishing();
  }
}
