import { HistoryError } from './expected-queue.ts';
import { STREAM } from './outbox-node.ts';

/** How a message leaves its shard. */
export type Way = 'dead-letter' | 'delay' | 'tx';

/** What became of a message, as far as its publisher knows. */
export interface Fate {
  readonly id: number;
  readonly way: Way;
  readonly from: number;
  /** The shards whose queues get it. */
  readonly to: readonly number[];
  /** Whether the stream gets it. */
  readonly isLogged: boolean;
  readonly persistent: boolean;
  /** Of a tx: its messages. */
  readonly together: readonly number[];
  /** Crashes before it was published. */
  readonly crashes: number;
  isConfirmed: boolean;
  /** Among all that is appended to a shard; a transaction is when it commits. */
  order: number;
}

/** What has left shards for each other, and what has to be where in the end. */
export class OutboxHistory {
  readonly fates: Fate[] = [];
  crashes = 0;
  readonly #isForgetful: boolean;
  #order = 0;
  /** What each target has, and how often. */
  readonly #arrived = new Map<string, ReadonlyMap<number, number>>();

  /** `isForgetful`: what is confirmed need not be on the disk. */
  constructor(isForgetful: boolean) {
    this.#isForgetful = isForgetful;
  }

  add(fate: Omit<Fate, 'id' | 'crashes' | 'isConfirmed' | 'order'>): Fate {
    const added = {
      ...fate,
      id: this.fates.length,
      crashes: this.crashes,
      isConfirmed: false,
      order: this.#order++,
    };
    this.fates.push(added);
    return added;
  }

  /** These are appended now, together. */
  committed(fates: readonly Fate[]): void {
    for (const fate of fates) fate.order = this.#order++;
  }

  /** A queue has these messages, in this order, or a stream has them in its partitions, and those that it has to have. */
  checkTarget(name: string, parts: readonly (readonly number[])[], isFor: (fate: Fate) => boolean): void {
    const ids = parts.flat();
    const counts = new Map<number, number>();
    for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
    this.#arrived.set(name, counts);
    for (const fate of this.fates) {
      const count = counts.get(fate.id) ?? 0;
      if (count > 0 && !isFor(fate)) throw new HistoryError(`${name} has ${fate.id}, which is not for it`);
      if (!isFor(fate)) continue;
      // What the disk forgot at the source comes again.
      if (count > 1 && !this.#isForgetful)
        throw new HistoryError(`${name} has message ${fate.id} ${count} times`);
      if (count === 0 && this.#mustCome(fate))
        throw new HistoryError(
          `${name} does not have message ${fate.id}, ${JSON.stringify(fate)}, of ${this.crashes} crashes`,
        );
    }
    if (!this.#isForgetful) for (const part of parts) this.#checkOrder(name, part);
  }

  #mustCome({ isConfirmed, persistent, crashes }: Fate): boolean {
    const isUndisturbed = crashes === this.crashes;
    return isConfirmed && (isUndisturbed || (persistent && !this.#isForgetful));
  }

  #checkOrder(name: string, ids: readonly number[]): void {
    const last = new Map<string, number>();
    for (const id of ids) {
      const { way, from, persistent, order } = this.fates[id];
      if (way === 'delay' || !persistent) continue;
      const source = `${way} of ${from}`;
      const before = last.get(source);
      if (before !== undefined && order < this.fates[before].order)
        throw new HistoryError(`${name} has message ${id} behind message ${before} of the same source`);
      last.set(source, id);
    }
  }

  /** A transaction is everywhere, or nowhere; so is a message for several queues. */
  checkTogether(): void {
    for (const fate of this.fates) {
      if (!fate.persistent) continue;
      const members = fate.way === 'tx' ? fate.together : [fate.id];
      const found = members.flatMap((id) =>
        targetsOf(this.fates[id]).map((name) => this.#arrived.get(name)?.has(id) === true),
      );
      if (this.#isForgetful && fate.crashes !== this.crashes) continue;
      if (found.some((each) => each !== found[0]))
        throw new HistoryError(`message ${fate.id} is split: ${members} arrived ${found}`);
    }
  }
}

function targetsOf({ to, isLogged }: Fate): string[] {
  const queues = to.flatMap((number) => [`t${number}`, `u${number}`]);
  return isLogged ? [...queues, STREAM] : queues;
}
