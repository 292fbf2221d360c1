/**
 * A section of a snapshot, and the durable state behind it. Its changes are operations in the journal, JSON objects in UTF-8 that begin with
 * `{"op":"<prefix>.`; the snapshot has operations too.
 */
export interface SnapshotSection {
  readonly prefix: string;
  /** What it does of its own, once the journal is read, adds to queues: not in a shard that is held. */
  readonly fillsQueues?: boolean;
  /** Does again, at recovery, what was journaled. */
  apply(operation: Uint8Array): void;
  /** Operations that make the present state from nothing. */
  snapshot(): Iterable<Uint8Array>;
  /** The journal was read: from here on there may be changes of one's own. */
  recovered?(): void;
  stop?(): void;
}

const START = '{"op":"';
const BEGINNING_BYTES = 40;

/** Whether the operation is one of the section. */
export function isOf({ prefix }: Pick<SnapshotSection, 'prefix'>, operation: Uint8Array): boolean {
  return nameOf(operation).startsWith(`${prefix}.`);
}

/** The beginning of the value of `op`, and what comes after it. */
function nameOf({ buffer, byteOffset, length }: Uint8Array): string {
  const beginning = Buffer.from(buffer, byteOffset, Math.min(length, BEGINNING_BYTES));
  return beginning.toString('latin1', START.length);
}

/** Finds the section that an operation belongs to. */
export class SnapshotSections {
  readonly #sections: readonly SnapshotSection[];

  /** In the order in which they are restored. */
  constructor(sections: readonly SnapshotSection[]) {
    this.#sections = sections;
  }

  [Symbol.iterator](): IterableIterator<SnapshotSection> {
    return this.#sections.values();
  }

  /** Undefined for an operation of none of them, as those of the topology. */
  of(operation: Uint8Array): SnapshotSection | undefined {
    const name = nameOf(operation);
    return this.#sections.find(({ prefix }) => name.startsWith(`${prefix}.`));
  }

  /** Of all sections, in order. */
  snapshot(): string[] {
    const operations: string[] = [];
    for (const section of this.#sections) {
      for (const operation of section.snapshot()) operations.push(textOf(operation));
    }
    return operations;
  }
}

/** Without a copy of the bytes: there are megabytes of them. */
function textOf({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString('utf8');
}
