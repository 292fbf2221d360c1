/** A kind of thing that clients make and the broker keeps. */
export interface ObjectKindFacts {
  /** What one takes of the heap, in bytes, as measured; with a name of 20 characters. */
  readonly memoryBytes: number;
  /** How many a user may have who is no administrator. */
  readonly userMax: number;
  /** Of the metadata: each shard has all of them, and counts them itself. The rest is in one shard, and counted together. */
  readonly isCopied?: true;
}

/**
 * What is counted by user and by virtual host. The limits leave room for what honest clients do: Kafka Streams with its
 * internal topics, a reply queue for each worker of Celery, a mirror of another cluster.
 */
export const OBJECT_KINDS = {
  queues: { memoryBytes: 6000, userMax: 10_000, isCopied: true },
  exchanges: { memoryBytes: 1300, userMax: 5000, isCopied: true },
  bindings: { memoryBytes: 1500, userMax: 50_000, isCopied: true },
  channels: { memoryBytes: 6000, userMax: 50_000 },
  consumers: { memoryBytes: 2000, userMax: 50_000 },
  topics: { memoryBytes: 3600, userMax: 5000, isCopied: true },
  partitions: { memoryBytes: 3400, userMax: 20_000, isCopied: true },
  groups: { memoryBytes: 2500, userMax: 5000 },
  /** Groups for which something is set, be they there or not. */
  'group-configs': { memoryBytes: 1000, userMax: 5000, isCopied: true },
  members: { memoryBytes: 2000, userMax: 10_000 },
  /** A group's committed or pending offset in a partition. */
  offsets: { memoryBytes: 200, userMax: 200_000 },
  /** A partition as a share group reads it. */
  'share-partitions': { memoryBytes: 3000, userMax: 20_000 },
  'transactional-ids': { memoryBytes: 700, userMax: 10_000 },
  /** What a partition knows of a producer that numbers its records. At the limit those are forgotten that are silent. */
  producers: { memoryBytes: 500, userMax: 100_000 },
  /** A partition that a fetch session or a share session remembers between requests. */
  'session-partitions': { memoryBytes: 200, userMax: 200_000 },
  /** A record that a share group has handed out and is not done with. At the limit no more are handed out. */
  'records-in-flight': { memoryBytes: 65, userMax: 500_000 },
  /** Of a queue, beyond that without priority, made with the first message of it. At the limit it takes the next lower one. */
  'priority-levels': { memoryBytes: 4000, userMax: 10_000 },
  /** By which a queue knows a message again. At the limit the oldest are forgotten. */
  'deduplication-names': { memoryBytes: 250, userMax: 200_000 },
  policies: { memoryBytes: 2000, userMax: 1000, isCopied: true },
} as const satisfies { readonly [kind: string]: ObjectKindFacts };

export type ObjectKind = keyof typeof OBJECT_KINDS;

export const ALL_OBJECT_KINDS = Object.keys(OBJECT_KINDS) as readonly ObjectKind[];

/** The number of each kind, which is its place in an account. */
export const KIND_INDEX = Object.fromEntries(ALL_OBJECT_KINDS.map((kind, index) => [kind, index])) as {
  readonly [kind in ObjectKind]: number;
};

/** By `KIND_INDEX`: whether the kind is counted together with other shards. */
export const IS_COUNTED_TOGETHER: readonly boolean[] = Object.values(OBJECT_KINDS).map(
  (facts: ObjectKindFacts) => facts.isCopied !== true,
);

export function isObjectKind(text: string): text is ObjectKind {
  return Object.hasOwn(OBJECT_KINDS, text);
}
