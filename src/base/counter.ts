/** A number of which each shard has a part. A shard changes its own, and sees those of the others as they are by now. */
export interface Counter {
  /** The part of this shard. */
  set(own: number): void;
  /** What all others have, in all. */
  readonly others: number;
  /** What that of the others has who has most. */
  readonly largestOther: number;
}

/** Where there is one shard: what it has is all there is, and nobody else need know. */
export const ALONE_COUNTER: Counter = { set: () => undefined, others: 0, largestOther: 0 };

/** The counters of one name, for as long as somebody holds them. */
export interface Row {
  /** To the part of this shard. */
  add(column: number, difference: number): void;
  /** What all other shards have. */
  others(column: number): number;
  /** Once, when all that was added is taken back. */
  release(): void;
}

/** Counters by names that come and go: of users, virtual hosts, addresses. */
export interface Rows {
  /** To be released. Whoever holds it alone goes on counting where the table has no room: what it counts nobody else sees. */
  claim(name: string): Row;
  /** What the other shards have in the row of this name, which need not be claimed. */
  others(name: string, column: number): number;
}

export const ALONE_ROW: Row = { add: () => undefined, others: () => 0, release: () => undefined };

/** Where there is one shard. */
export const ALONE_ROWS: Rows = { claim: () => ALONE_ROW, others: () => 0 };
