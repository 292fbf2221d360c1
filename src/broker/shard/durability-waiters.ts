export interface DurableListener {
  /** This block, and all before it, are durable. */
  onDurable(block: number): void;
}

interface Waiting {
  readonly block: number;
  readonly listeners: DurableListener[];
}

/** Who waits for which block of the journal. Blocks come in order, so both ends are near. */
export class DurabilityWaiters {
  readonly #waiting: Waiting[] = [];

  get isAwaited(): boolean {
    return this.#waiting.length > 0;
  }

  add(block: number, listener: DurableListener): void {
    const waiting = this.#waiting;
    let at = waiting.length - 1;
    for (; at >= 0; at--) {
      const entry = waiting[at] as Waiting;
      if (entry.block === block) {
        entry.listeners.push(listener);
        return;
      }
      if (entry.block < block) break;
    }
    // Mostly at the end; but the last change of metadata may be older than the last message.
    waiting.splice(at + 1, 0, { block, listeners: [listener] });
  }

  release(block: number): void {
    while (this.#waiting.length > 0 && (this.#waiting[0] as Waiting).block <= block) {
      const { listeners } = this.#waiting.shift() as Waiting;
      for (const listener of listeners) listener.onDurable(block);
    }
  }
}
