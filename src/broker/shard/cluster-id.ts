import { randomBytes } from 'node:crypto';
import type { SnapshotSection } from './snapshot-section.ts';

/** Kafka's cluster id: a random name of this broker's data, by which clients notice that they reached another. Made once. */
export class ClusterId implements SnapshotSection {
  readonly prefix = 'cluster';
  readonly #record: (operation: Uint8Array) => void;
  #id = '';

  constructor(record: (operation: Uint8Array) => void) {
    this.#record = record;
  }

  /** A UUID, base64url without padding. */
  get id(): string {
    return this.#id;
  }

  apply(operation: Uint8Array): void {
    const { id } = JSON.parse(Buffer.from(operation).toString('utf8')) as { readonly id: string };
    this.#id = id;
  }

  *snapshot(): Iterable<Uint8Array> {
    if (this.#id !== '') yield this.#operation();
  }

  recovered(): void {
    if (this.#id !== '') return;
    this.#id = newId();
    this.#record(this.#operation());
  }

  #operation(): Uint8Array {
    return Buffer.from(JSON.stringify({ op: 'cluster.id', id: this.#id }), 'utf8');
  }
}

/** Not with a leading dash, which would look like an option on a command line. */
function newId(): string {
  for (;;) {
    const id = randomBytes(16).toString('base64url');
    if (!id.startsWith('-')) return id;
  }
}
