import type { OwnerNames } from '../topology/ports.ts';

/** A connection of another shard. */
class RemoteOwner {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/**
 * Connections that own exclusive queues, by names of the form `shard:number`. Those of this shard are known by themselves, those of
 * others stand for connections there.
 */
export class Owners implements OwnerNames {
  readonly #shard: number;
  #nextNumber = 1;
  readonly #names = new Map<object, string>();
  readonly #byName = new Map<string, object>();

  constructor(shard: number) {
    this.#shard = shard;
  }

  get size(): number {
    return this.#byName.size;
  }

  nameOf(owner: object): string {
    const known = this.#names.get(owner);
    if (known !== undefined) return known;
    const name = `${this.#shard}:${this.#nextNumber++}`;
    this.#remember(name, owner);
    return name;
  }

  ownerNamed(name: string): object {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const owner = new RemoteOwner(name);
    this.#remember(name, owner);
    return owner;
  }

  /** Whether it stands for a connection of another shard. */
  isRemote(owner: object): boolean {
    return owner instanceof RemoteOwner;
  }

  /** Null if nothing was ever said of it. */
  knownName(owner: object): string | null {
    return this.#names.get(owner) ?? null;
  }

  /** It is gone, with all that it owned. */
  forget(owner: object): void {
    const name = this.#names.get(owner);
    if (name === undefined) return;
    this.#names.delete(owner);
    this.#byName.delete(name);
  }

  #remember(name: string, owner: object): void {
    this.#names.set(owner, name);
    this.#byName.set(name, owner);
  }
}
