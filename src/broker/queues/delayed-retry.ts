import type { DeadlineTimer } from '../../base/deadline-timer.ts';
import { DeadlineHeap, type Due } from '../acknowledgements/deadline-heap.ts';
import type { Turn } from '../shard/turn.ts';
import type { PriorityLevel } from './priority-level.ts';
import type { Retry } from './queue-settings.ts';

/** A message that came back, and is neither ready nor at a consumer until its next attempt is due. */
interface Attempt extends Due {
  readonly level: PriorityLevel;
  readonly offset: number;
  readonly bodyBytes: number;
}

/** x-delayed-retry-type: what came back from a consumer waits before it is delivered again, after each failure longer. */
export class DelayedRetry {
  readonly #turn: Turn;
  readonly #timer: DeadlineTimer;
  readonly #attempts = new DeadlineHeap<Attempt>();
  #retry: Retry | null = null;

  /** `timer` has the queue pumped. */
  constructor(turn: Turn, timer: DeadlineTimer) {
    this.#turn = turn;
    this.#timer = timer;
  }

  /** Messages that wait for their next attempt. */
  get count(): number {
    return this.#attempts.count;
  }

  /** Null: no message waits from now on. */
  configure(retry: Retry | null): void {
    this.#retry = retry;
  }

  /** True if the message, whose failure is counted if it has one, waits: it is given back when its delay is over. */
  delays(level: PriorityLevel, offset: number, bodyBytes: number, hasFailed: boolean): boolean {
    const retry = this.#retry;
    if (retry === null || (retry.kind !== 'all' && (retry.kind === 'failed') !== hasFailed)) return false;
    const dueMs = this.#turn.nowMs + delayMs(retry, level.failuresOf(offset));
    this.#attempts.add({ dueMs, level, offset, bodyBytes });
    this.#timer.setFor(dueMs, this.#turn.nowMs);
    return true;
  }

  /** Those whose delay is over are ready again. */
  giveBackDue(): void {
    if (this.#attempts.count === 0) return;
    const { nowMs } = this.#turn;
    this.#attempts.take(nowMs, ({ level, offset, bodyBytes }) => level.giveBack(offset, bodyBytes));
    this.#timer.setFor(this.#attempts.dueMs, nowMs);
  }

  clear(): void {
    this.#attempts.clear();
  }
}

/** RabbitMQ's: as many times the shortest delay as the message has failed, once at least, up to the longest. */
function delayMs({ minMs, maxMs }: Retry, failures: number): number {
  return Math.min(minMs * Math.max(1, failures), maxMs);
}
