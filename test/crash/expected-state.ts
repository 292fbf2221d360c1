import { type ExpectedQueue, HistoryError, NO_BLOCK } from './expected-queue.ts';

export interface ExpectedBinding {
  readonly exchange: string;
  readonly key: string;
  readonly queue: ExpectedQueue;
  addedBlock: number;
  removedBlock: number;
}

/** What the history says of a whole broker. */
export class ExpectedState {
  /** Those that are there, by name. */
  readonly queues = new Map<string, ExpectedQueue>();
  bindings: ExpectedBinding[] = [];
  /** Every journal block up to this one was reported durable. */
  confirmedBlock = NO_BLOCK;
  /** Deleted, but perhaps not in the journal yet. */
  #deleted: ExpectedQueue[] = [];

  bindingsOf(exchange: string): ExpectedBinding[] {
    return this.bindings.filter(
      (b) => b.exchange === exchange && b.removedBlock === Number.POSITIVE_INFINITY,
    );
  }

  /** Each queue once, in no order. */
  route(exchange: string, key: string): Set<ExpectedQueue> {
    if (exchange === '') {
      const queue = this.queues.get(key);
      return new Set(queue === undefined ? [] : [queue]);
    }
    const matching = this.bindingsOf(exchange).filter((b) => exchange === 'amq.fanout' || b.key === key);
    return new Set(matching.map((binding) => binding.queue));
  }

  deleted(queue: ExpectedQueue, block: number): void {
    queue.deletedBlock = block;
    this.queues.delete(queue.name);
    this.#deleted.push(queue);
    for (const binding of this.bindings) {
      if (binding.queue === queue) binding.removedBlock = Math.min(binding.removedBlock, block);
    }
  }

  confirmed(block: number): void {
    this.confirmedBlock = Math.max(this.confirmedBlock, block);
  }

  /** The broker stopped in an orderly way: everything that was done is durable. */
  closed(lastBlock: number): void {
    this.confirmed(lastBlock);
    for (const queue of this.queues.values()) queue.settlementsAreSafe();
  }

  /** After a restart that found the journal up to `last`: the queues that there have to be. */
  restarted(last: number): ReadonlyMap<string, ExpectedQueue> {
    if (last < this.confirmedBlock) {
      throw new HistoryError(
        `block ${this.confirmedBlock} was confirmed, but the journal ends at block ${last}`,
      );
    }
    const survivors = new Map<string, ExpectedQueue>();
    for (const queue of [...this.#deleted, ...this.queues.values()]) {
      if (!queue.durable || queue.declaredBlock > last || queue.deletedBlock <= last) continue;
      queue.deletedBlock = Number.POSITIVE_INFINITY;
      survivors.set(queue.name, queue);
    }
    this.#deleted = [];
    this.queues.clear();
    for (const [name, queue] of survivors) this.queues.set(name, queue);
    this.bindings = this.bindings.filter(
      ({ queue, addedBlock, removedBlock }) =>
        survivors.get(queue.name) === queue && addedBlock <= last && removedBlock > last,
    );
    for (const binding of this.bindings) {
      binding.addedBlock = NO_BLOCK;
      binding.removedBlock = Number.POSITIVE_INFINITY;
    }
    this.confirmedBlock = last;
    return survivors;
  }
}
