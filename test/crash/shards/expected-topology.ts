import type { MetadataOperation } from '../../../src/broker/topology/metadata.ts';
import { HistoryError } from '../expected-queue.ts';

const NEVER = Number.POSITIVE_INFINITY;

/** A durable queue, as shard 0 has journaled it. */
export interface DeclaredQueue {
  readonly id: number;
  readonly name: string;
  readonly home: number;
  declaredBlock: number;
  deletedBlock: number;
}

interface DeclaredBinding {
  readonly text: string;
  readonly queue: DeclaredQueue;
  addedBlock: number;
  removedBlock: number;
}

/** One change, in the order in which shard 0 journaled them. */
export interface Change {
  readonly op: MetadataOperation['op'];
  /** Of the queue, or of the binding as text. */
  readonly name: string;
  readonly queue: DeclaredQueue;
  readonly block: number;
}

/** What the history says of the metadata: what shard 0 has journaled, and in which block. */
export class ExpectedTopology {
  /** All changes of this life. */
  changes: Change[] = [];
  /** Those that are there now, by name. */
  readonly queues = new Map<string, DeclaredQueue>();
  #all: DeclaredQueue[] = [];
  #bindings: DeclaredBinding[] = [];

  journaled(operation: MetadataOperation, block: number): void {
    if (operation.op === 'queue.declare') {
      const { id, name, shard: home = 0 } = operation;
      const queue = { id, name, home, declaredBlock: block, deletedBlock: NEVER };
      this.queues.set(name, queue);
      this.#all.push(queue);
      this.#changed(operation.op, name, queue, block);
    } else if (operation.op === 'queue.delete') {
      const queue = this.#queue(operation.name);
      queue.deletedBlock = block;
      this.queues.delete(queue.name);
      for (const binding of this.#bindings) {
        if (binding.queue === queue) binding.removedBlock = Math.min(binding.removedBlock, block);
      }
      this.#changed(operation.op, queue.name, queue, block);
    } else if (operation.op === 'binding.add' || operation.op === 'binding.remove') {
      const queue = this.#queue(operation.destination);
      const text = bindingText(operation);
      const existing = this.#bindings.find((each) => each.text === text && each.removedBlock === NEVER);
      if (operation.op === 'binding.add') {
        this.#bindings.push({ text, queue, addedBlock: block, removedBlock: NEVER });
      } else if (existing !== undefined) existing.removedBlock = block;
      this.#changed(operation.op, text, queue, block);
    }
  }

  /** Whether shard 0 has journaled such a queue, be it deleted or not. */
  knows(id: number): boolean {
    return this.#all.some((queue) => queue.id === id);
  }

  /** After a restart that found the journal of shard 0 up to `last`: what there has to be. */
  restarted(last: number): {
    readonly queues: readonly DeclaredQueue[];
    readonly bindings: readonly string[];
  } {
    this.#all = this.#all.filter((queue) => queue.declaredBlock <= last && queue.deletedBlock > last);
    this.#bindings = this.#bindings.filter(
      ({ queue, addedBlock, removedBlock }) =>
        this.#all.includes(queue) && addedBlock <= last && removedBlock > last,
    );
    this.queues.clear();
    for (const queue of this.#all) {
      queue.declaredBlock = 0;
      queue.deletedBlock = NEVER;
      this.queues.set(queue.name, queue);
    }
    for (const binding of this.#bindings) {
      binding.addedBlock = 0;
      binding.removedBlock = NEVER;
    }
    this.changes = [];
    return { queues: this.#all, bindings: this.#bindings.map(({ text }) => text).sort() };
  }

  #queue(name: string): DeclaredQueue {
    const queue = this.queues.get(name);
    if (queue === undefined) throw new HistoryError(`shard 0 changes queue ${name}, which is not there`);
    return queue;
  }

  #changed(op: Change['op'], name: string, queue: DeclaredQueue, block: number): void {
    this.changes.push({ op, name, queue, block });
  }
}

export function bindingText({
  source,
  routingKey,
  destination,
}: {
  readonly source: string;
  readonly routingKey: string;
  readonly destination: string;
}): string {
  return `${source} ${routingKey} ${destination}`;
}
