import type { Pumped, Turn } from './turn.ts';

/**
 * While it is closed, no message leaves a queue of its own accord: none is delivered, none expires, none is dropped. A shard that starts
 * may not know yet what clients have settled in others before it ended.
 */
export class DeliveryGate {
  isClosed = false;
  #isShut = false;
  readonly #held = new Set<Pumped>();

  /** It is closed, and does not open any more. */
  shut(): void {
    this.isClosed = true;
    this.#isShut = true;
  }

  /** The queue is pumped when the gate opens. */
  hold(queue: Pumped): void {
    this.#held.add(queue);
  }

  open(turn: Turn): void {
    if (this.#isShut) return;
    this.isClosed = false;
    for (const queue of this.#held) turn.pumpLater(queue);
    this.#held.clear();
  }
}
