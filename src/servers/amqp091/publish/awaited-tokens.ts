/** No entry. */
export const NONE = -1;

/** What a message waits for that is not told yet. */
export const AWAITED = 0;
export const SAFE = 1;
export const REFUSED_LATE = 2;
export type TokenState = typeof AWAITED | typeof SAFE | typeof REFUSED_LATE;

const FIRST_CAPACITY = 16;

/**
 * The messages of a channel whose wait is a token (see `Waits`), in the order of their sequence numbers. Each has an entry in
 * flat arrays, which is used again once it is removed, so that a token that is late keeps no others.
 *
 *     order:   first ⇄ entry ⇄ entry ⇄ last         #next, #previous
 *     table:   token ─▶ entry ─▶ entry              #heads, #chain: those that are awaited
 *     free:    entry ─▶ entry                       #next
 */
export class AwaitedTokens {
  /** Entries. */
  count = 0;
  /** Of them, those whose token has not answered. */
  awaitedCount = 0;
  /** The entry with the lowest sequence number. */
  first = NONE;
  #last = NONE;
  #firstFree = NONE;
  /** Entries that were ever used. */
  #used = 0;
  #tokens = new Float64Array(FIRST_CAPACITY);
  #sequences = new Float64Array(FIRST_CAPACITY);
  #states = new Uint8Array(FIRST_CAPACITY);
  #next = new Int32Array(FIRST_CAPACITY);
  #previous = new Int32Array(FIRST_CAPACITY);
  #chain = new Int32Array(FIRST_CAPACITY);
  #heads = new Int32Array(FIRST_CAPACITY).fill(NONE);

  /** Entries that there is memory for, of 33 bytes each. */
  get capacity(): number {
    return this.#tokens.length;
  }

  /** `sequence` is larger than that of any other. Returns the entry. */
  add(token: number, sequence: number): number {
    const entry = this.#takeEntry();
    this.#tokens[entry] = token;
    this.#sequences[entry] = sequence;
    this.#states[entry] = AWAITED;
    this.#enterTable(entry);
    this.#next[entry] = NONE;
    this.#previous[entry] = this.#last;
    if (this.#last === NONE) this.first = entry;
    else this.#next[this.#last] = entry;
    this.#last = entry;
    this.count++;
    this.awaitedCount++;
    return entry;
  }

  /** The token has answered. Returns its entry, which stays where it is. */
  answered(token: number, isRefused: boolean): number {
    const entry = this.#leaveTable(token);
    this.#states[entry] = isRefused ? REFUSED_LATE : SAFE;
    this.awaitedCount--;
    return entry;
  }

  sequenceOf(entry: number): number {
    return this.#sequences[entry];
  }

  stateOf(entry: number): TokenState {
    return this.#states[entry] as TokenState;
  }

  /** The entry with the next larger sequence number. */
  after(entry: number): number {
    return this.#next[entry];
  }

  /** One whose token has answered. */
  remove(entry: number): void {
    const next = this.#next[entry];
    const previous = this.#previous[entry];
    if (previous === NONE) this.first = next;
    else this.#next[previous] = next;
    if (next === NONE) this.#last = previous;
    else this.#previous[next] = previous;
    this.#next[entry] = this.#firstFree;
    this.#firstFree = entry;
    this.count--;
  }

  /** Those that have not answered. */
  *awaited(): Generator<number, undefined> {
    for (let entry = this.first; entry !== NONE; entry = this.#next[entry]) {
      if (this.#states[entry] === AWAITED) yield this.#tokens[entry];
    }
  }

  /** Neighbouring slots are in different chains: they are the low bits of a token. */
  #headOf(token: number): number {
    return -token & (this.#heads.length - 1);
  }

  #enterTable(entry: number): void {
    const head = this.#headOf(this.#tokens[entry]);
    this.#chain[entry] = this.#heads[head];
    this.#heads[head] = entry;
  }

  #leaveTable(token: number): number {
    const head = this.#headOf(token);
    let before = NONE;
    let entry = this.#heads[head];
    while (entry !== NONE && this.#tokens[entry] !== token) {
      before = entry;
      entry = this.#chain[entry];
    }
    if (entry === NONE) throw new Error(`token ${token} was answered, and nobody waits for it`);
    if (before === NONE) this.#heads[head] = this.#chain[entry];
    else this.#chain[before] = this.#chain[entry];
    return entry;
  }

  #takeEntry(): number {
    const entry = this.#firstFree;
    if (entry === NONE) {
      if (this.#used === this.capacity) this.#grow();
      return this.#used++;
    }
    this.#firstFree = this.#next[entry];
    return entry;
  }

  /** All entries are in use. */
  #grow(): void {
    const capacity = this.capacity * 2;
    const tokens = new Float64Array(capacity);
    tokens.set(this.#tokens);
    this.#tokens = tokens;
    const sequences = new Float64Array(capacity);
    sequences.set(this.#sequences);
    this.#sequences = sequences;
    const states = new Uint8Array(capacity);
    states.set(this.#states);
    this.#states = states;
    const next = new Int32Array(capacity);
    next.set(this.#next);
    this.#next = next;
    const previous = new Int32Array(capacity);
    previous.set(this.#previous);
    this.#previous = previous;
    this.#chain = new Int32Array(capacity);
    this.#heads = new Int32Array(capacity).fill(NONE);
    for (let entry = this.first; entry !== NONE; entry = next[entry]) {
      if (states[entry] === AWAITED) this.#enterTable(entry);
    }
  }
}
