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
  #waiting: { readonly number: number; readonly run: () => void }[] = [];

  whenKnown(number: number, run: () => void): void {
    if (number <= this.number) run();
    else this.#waiting.push({ number, run });
  }

  applied(number: number): void {
    this.number = number;
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = waiting.filter((each) => each.number > number);
    for (const each of waiting) if (each.number <= number) each.run();
  }
}
