import type { Row, Rows } from '../../base/counter.ts';
import {
  ALL_OBJECT_KINDS,
  IS_COUNTED_TOGETHER,
  KIND_INDEX,
  OBJECT_KINDS,
  type ObjectKind,
} from './object-kinds.ts';

/**
 * What one user, or one virtual host, has. An object holds on to the account of the user who made it. When the user is
 * deleted the account is closed: somebody who comes later under the same name does not pay for what was there.
 */
export class ObjectAccount {
  readonly name: string;
  isClosed = false;
  /**
   * What all of it takes of the heap, in bytes, by the measures of `object-kinds.ts`. In this shard alone: the heap of
   * another thread is another one.
   */
  memoryBytes = 0;
  readonly #counts = new Array<number>(ALL_OBJECT_KINDS.length).fill(0);
  /** Null where there is one shard. */
  readonly #rows: Rows | null;
  readonly #prefix: string;
  /** Null while there is nothing here. */
  #row: Row | null = null;

  /** `prefix` and the name: under which other shards count what belongs to the same. */
  constructor(name: string, rows: Rows | null, prefix: string) {
    this.name = name;
    this.#rows = rows;
    this.#prefix = prefix;
  }

  /** For the journal: null when the user is not there any more. */
  get openName(): string | null {
    return this.isClosed ? null : this.name;
  }

  /** In this shard. */
  get isEmpty(): boolean {
    return this.#counts.every((count) => count === 0);
  }

  /** In all shards, of the kinds that are counted together. */
  count(kind: ObjectKind): number {
    const index = KIND_INDEX[kind];
    if (this.#rows === null || !IS_COUNTED_TOGETHER[index]) return this.#counts[index];
    // Of a closed account others know nothing: it is one of this shard.
    if (this.isClosed) return this.#counts[index];
    return (
      this.#counts[index] + (this.#row?.others(index) ?? this.#rows.others(this.#prefix + this.name, index))
    );
  }

  /** `difference` is below 0 for what is gone. */
  change(kind: ObjectKind, difference: number): void {
    const index = KIND_INDEX[kind];
    this.#counts[index] += difference;
    this.memoryBytes += difference * OBJECT_KINDS[kind].memoryBytes;
    if (this.#rows === null || this.isClosed) return;
    this.#row ??= this.#rows.claim(this.#prefix + this.name);
    this.#row.add(index, difference);
  }

  /** The user is deleted, and others are told nothing of this any more. */
  close(): void {
    this.isClosed = true;
    if (this.#row === null) return;
    for (let index = 0; index < this.#counts.length; index++) this.#row.add(index, -this.#counts[index]);
    this.letGo();
  }

  /** It is empty. */
  letGo(): void {
    this.#row?.release();
    this.#row = null;
  }
}
