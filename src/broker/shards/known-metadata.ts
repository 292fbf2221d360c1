/** How far this shard knows the metadata: changes have numbers, in all shards the same. */
export interface KnownMetadata {
  /** Of the last change that is in effect here. */
  readonly number: number;
  /** Calls `run` when this change is in effect here: at once if it is. */
  whenKnown(number: number, run: () => void): void;
}

/** In a shard that follows. */
export class FollowedChanges implements KnownMetadata {
  number = 0;
  /** Of the last change that is known to be in effect in all shards. */
  #everywhere = 0;
  #waiting: { readonly number: number; readonly run: () => void }[] = [];

  whenKnown(number: number, run: () => void): void {
    if (number <= this.number) run();
    else this.#waiting.push({ number, run });
  }

  /** Whether what is known here is in effect in all shards, as far as this one was told. */
  get isEverywhere(): boolean {
    return this.#everywhere >= this.number;
  }

  /** All shards have applied this change, and those before it. */
  toldEverywhere(number: number): void {
    this.#everywhere = Math.max(this.#everywhere, number);
  }

  applied(number: number): void {
    this.number = number;
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = waiting.filter((each) => each.number > number);
    for (const each of waiting) if (each.number <= number) each.run();
  }
}
