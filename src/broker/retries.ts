import type { Lane } from './lane.ts';
import type { Retry } from './queue-settings.ts';

interface Waiting {
  readonly dueMs: number;
  readonly lane: Lane;
  readonly offset: number;
  readonly bodyBytes: number;
}

/** Messages that failed and wait, outside the ready ones, for their next attempt: the one that is due first on top. */
export class Retries {
  readonly #heap: Waiting[] = [];

  get count(): number {
    return this.#heap.length;
  }

  /** When the first is due; Infinity if there is none. */
  get dueMs(): number {
    return this.#heap[0]?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  add(waiting: Waiting): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(waiting);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      const above = heap[parent] as Waiting;
      if (above.dueMs <= waiting.dueMs) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = waiting;
  }

  /** Those that are due, out of here. */
  take(nowMs: number, each: (lane: Lane, offset: number, bodyBytes: number) => void): void {
    while (this.#heap.length > 0 && (this.#heap[0] as Waiting).dueMs <= nowMs) {
      const { lane, offset, bodyBytes } = this.#pop();
      each(lane, offset, bodyBytes);
    }
  }

  clear(): void {
    this.#heap.length = 0;
  }

  #pop(): Waiting {
    const heap = this.#heap;
    const top = heap[0] as Waiting;
    const last = heap.pop() as Waiting;
    const { length } = heap;
    if (length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      const right = heap[child + 1];
      if (right !== undefined && right.dueMs < (heap[child] as Waiting).dueMs) child++;
      if ((heap[child] as Waiting).dueMs >= last.dueMs) break;
      heap[at] = heap[child] as Waiting;
      at = child;
    }
    heap[at] = last;
    return top;
  }
}

/** How long the n-th attempt waits: n times the shortest delay, up to the longest. */
export function retryDelayMs({ minMs, maxMs }: Retry, attempt: number): number {
  return Math.min(minMs * attempt, maxMs);
}
