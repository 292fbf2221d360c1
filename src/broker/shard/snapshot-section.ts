/**
 * A part of the broker's durable state. Its changes are operations in the journal, JSON objects in UTF-8 that begin with
 * `{"op":"<prefix>.`; the snapshot has operations too.
 */
export interface SnapshotSection {
  readonly prefix: string;
  /** Does again, at recovery, what was journaled. */
  apply(operation: Uint8Array): void;
  /** Operations that make the present state from nothing. */
  snapshot(): Iterable<Uint8Array>;
  /** The journal was read: from here on there may be changes of one's own. */
  recovered?(): void;
  stop?(): void;
}

const START = '{"op":"';

/** Finds the part that an operation belongs to. */
export class SnapshotSections {
  readonly #parts: SnapshotSection[] = [];

  /** In the order in which they are restored. */
  add(part: SnapshotSection): void {
    this.#parts.push(part);
  }

  [Symbol.iterator](): IterableIterator<SnapshotSection> {
    return this.#parts.values();
  }

  /** Undefined for what is no part's, as the operations of the topology. */
  of(operation: Uint8Array): SnapshotSection | undefined {
    const head = Buffer.from(operation.buffer, operation.byteOffset, Math.min(operation.length, 40));
    const name = head.toString('latin1', START.length);
    return this.#parts.find(({ prefix }) => name.startsWith(`${prefix}.`));
  }

  /** Of all parts, in order. */
  snapshot(): string[] {
    const operations: string[] = [];
    for (const part of this.#parts) {
      for (const operation of part.snapshot()) operations.push(Buffer.from(operation).toString('utf8'));
    }
    return operations;
  }
}
