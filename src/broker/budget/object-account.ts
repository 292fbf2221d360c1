import { ALL_OBJECT_KINDS, KIND_INDEX, OBJECT_KINDS, type ObjectKind } from './object-kinds.ts';

/**
 * What one user, or one virtual host, has. An object holds on to the account of the user who made it. When the user is
 * deleted the account is closed: somebody who comes later under the same name does not pay for what was there.
 */
export class ObjectAccount {
  readonly name: string;
  isClosed = false;
  /** What all of it takes of the heap, in bytes, by the measures of `object-kinds.ts`. */
  memoryBytes = 0;
  readonly #counts = new Array<number>(ALL_OBJECT_KINDS.length).fill(0);

  constructor(name: string) {
    this.name = name;
  }

  /** For the journal: null when the user is not there any more. */
  get openName(): string | null {
    return this.isClosed ? null : this.name;
  }

  get isEmpty(): boolean {
    return this.#counts.every((count) => count === 0);
  }

  count(kind: ObjectKind): number {
    return this.#counts[KIND_INDEX[kind]];
  }

  /** `difference` is below 0 for what is gone. */
  change(kind: ObjectKind, difference: number): void {
    this.#counts[KIND_INDEX[kind]] += difference;
    this.memoryBytes += difference * OBJECT_KINDS[kind].memoryBytes;
  }
}
