import { DeadlineHeap, type Due } from '../../acknowledgements/deadline-heap.ts';

/** What a member was given at one time: of [first, last], what it still holds then is taken from it when that is over. */
export interface AcquisitionLock extends Due {
  readonly memberId: string;
  first: number;
  last: number;
}

/** A record that failed, and when it is available again. */
export interface Retry extends Due {
  readonly offset: number;
}

/** The times of one share partition: until when members hold what they acquired (KIP-932), and the retries. */
export class AcquisitionLocks {
  readonly #locks = new DeadlineHeap<AcquisitionLock>();
  readonly #retries = new DeadlineHeap<Retry>();
  #last: AcquisitionLock | null = null;

  get dueMs(): number {
    return Math.min(this.#locks.dueMs, this.#retries.dueMs);
  }

  /** Small batches are many: those of one fetch share a lock. False if it was there. */
  add(memberId: string, first: number, last: number, dueMs: number): boolean {
    const lock = this.#last;
    if (lock !== null && lock.memberId === memberId && lock.dueMs === dueMs) {
      lock.first = Math.min(lock.first, first);
      lock.last = Math.max(lock.last, last);
      return false;
    }
    this.#last = { dueMs, memberId, first, last };
    this.#locks.add(this.#last);
    return true;
  }

  addRetry(offset: number, dueMs: number): void {
    this.#retries.add({ dueMs, offset });
  }

  /** Removes what is due: first the locks, then the retries. */
  take(nowMs: number, expired: (lock: AcquisitionLock) => void, due: (retry: Retry) => void): void {
    this.#locks.take(nowMs, expired);
    this.#retries.take(nowMs, due);
  }

  clear(): void {
    this.#locks.clear();
    this.#last = null;
    this.#retries.clear();
  }
}
