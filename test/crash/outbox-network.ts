import { FRAME_OUTBOX_HELLO } from '../../src/broker/doors/frame-kinds.ts';
import type { OutboxFrameReceiver, OutboxLink } from '../../src/broker/doors/outbox-link.ts';

interface Frame {
  readonly from: number;
  readonly to: number;
  readonly kind: number;
  readonly payload: Buffer;
}

/** How bad it is, each from 0 to 1. */
export interface NetworkFaults {
  readonly loss: number;
  readonly repetition: number;
  readonly reordering: number;
  /** How often there is no room for a frame at first. */
  readonly refusal: number;
}

/** Carries the frames of outboxes between simulated shards: loses, repeats, reorders and delays them. */
export class OutboxNetwork {
  faults: NetworkFaults;
  readonly #random: () => number;
  readonly #receivers = new Map<string, OutboxFrameReceiver>();
  /** Links that carry nothing for now. */
  readonly #down = new Set<string>();
  #frames: Frame[] = [];
  #waiting: (() => void)[] = [];

  constructor(random: () => number, faults: NetworkFaults) {
    this.#random = random;
    this.faults = faults;
  }

  get isBusy(): boolean {
    return this.#frames.length + this.#waiting.length > 0;
  }

  /** That of a shard that begins, to another one. */
  link(from: number, to: number): OutboxLink {
    // Whoever was there before hears nothing any more.
    this.#receivers.delete(`${to}>${from}`);
    const frameBytes = 64 + Math.floor(this.#random() * 2000);
    return {
      frameBytes,
      attach: (receiver) => {
        this.#receivers.set(`${to}>${from}`, receiver);
      },
      send: (kind, buffer, bytes) => {
        if (this.#random() < this.faults.refusal) return false;
        this.#add({ from, to, kind, payload: Buffer.from(buffer.subarray(0, bytes)) });
        return true;
      },
      whenRoom: (listener) => {
        this.#waiting.push(listener);
      },
    };
  }

  /** One thing happens. */
  step(): void {
    if (this.#waiting.length > 0 && (this.#frames.length === 0 || this.#random() < 0.5)) {
      this.#waiting.shift()?.();
      return;
    }
    if (this.#frames.length === 0) return;
    const isInOrder = this.#random() >= this.faults.reordering;
    const at = isInOrder ? 0 : Math.floor(this.#random() * this.#frames.length);
    const [{ from, to, kind, payload }] = this.#frames.splice(at, 1);
    this.#receivers.get(`${from}>${to}`)?.outboxFrame(kind, payload, 0, payload.length);
  }

  /** A link is interrupted, or is there again; both ends then hear of it. */
  setDown(one: number, other: number, isDown: boolean): void {
    for (const [from, to] of [
      [one, other],
      [other, one],
    ]) {
      if (isDown) this.#down.add(`${from}>${to}`);
      else this.#down.delete(`${from}>${to}`);
      this.#frames = this.#frames.filter((frame) => frame.from !== from || frame.to !== to);
      if (!isDown) this.#frames.push({ from, to, kind: FRAME_OUTBOX_HELLO, payload: Buffer.alloc(0) });
    }
  }

  /** Nothing is lost any more. What was interrupted is there again. */
  heal(): void {
    this.faults = { loss: 0, repetition: 0, reordering: 0, refusal: 0 };
    for (const link of this.#down) {
      const [from, to] = link.split('>').map(Number);
      this.setDown(from, to, false);
    }
  }

  /** A shard ends: what is on its way to it, or from it, may come all the same. */
  forget(shard: number): void {
    const isSentLost = this.#random() < 0.5;
    const isReceivedLost = this.#random() < 0.5;
    this.#frames = this.#frames.filter(
      ({ from, to }) => !(isReceivedLost && to === shard) && !(isSentLost && from === shard),
    );
  }

  /** All shards of a process end together, and nothing is on its way any more. */
  clear(): void {
    this.#frames = [];
    this.#waiting = [];
    this.#receivers.clear();
    this.#down.clear();
  }

  #add(frame: Frame): void {
    if (this.#down.has(`${frame.from}>${frame.to}`)) return;
    if (this.#random() < this.faults.loss) return;
    this.#frames.push(frame);
    if (this.#random() < this.faults.repetition) this.#frames.push(frame);
  }
}
