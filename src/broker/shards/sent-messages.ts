const FIRST_CAPACITY = 256;

/** Messages on their way to another shard, by their numbers, which follow each other: the token of each, and its bytes. */
export class SentMessages {
  #tokens = new Float64Array(FIRST_CAPACITY);
  #bytes = new Uint32Array(FIRST_CAPACITY);
  #mask = FIRST_CAPACITY - 1;
  /** Of the oldest, and of the next one. */
  first = 1;
  next = 1;

  get count(): number {
    return this.next - this.first;
  }

  add(token: number, bytes: number): void {
    if (this.next - this.first > this.#mask) this.#grow();
    const slot = this.next++ & this.#mask;
    this.#tokens[slot] = token;
    this.#bytes[slot] = bytes;
  }

  /** The oldest one is done with. Its token and bytes can be asked for until the next `add`. */
  remove(): number {
    return this.first++ & this.#mask;
  }

  tokenIn(slot: number): number {
    return this.#tokens[slot];
  }

  bytesIn(slot: number): number {
    return this.#bytes[slot];
  }

  #grow(): void {
    const capacity = (this.#mask + 1) * 2;
    const tokens = new Float64Array(capacity);
    const bytes = new Uint32Array(capacity);
    for (let number = this.first; number < this.next; number++) {
      tokens[number & (capacity - 1)] = this.#tokens[number & this.#mask];
      bytes[number & (capacity - 1)] = this.#bytes[number & this.#mask];
    }
    this.#tokens = tokens;
    this.#bytes = bytes;
    this.#mask = capacity - 1;
  }
}
