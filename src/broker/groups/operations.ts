import type { PartitionLists } from './partition-sets.ts';

/**
 * Changes of groups, as the journal and the snapshot have them. Vhost and name of the group are `v` and `g` in all of
 * them: commits are many. They say what is, not what to do: to apply one twice is to apply it once.
 */
export type GroupOperation =
  | ClassicGroupSet
  | ConsumerGroupChanged
  | OffsetsCommitted
  | OffsetsForgotten
  | GroupDeleted
  | OffsetsPending
  | GroupOwned
  | TransactionCompleted;

/** All of a group whose members divide the partitions among themselves. */
export interface ClassicGroupSet {
  readonly op: 'group.classic';
  readonly v: string;
  readonly g: string;
  readonly generation: number;
  readonly protocolType: string;
  readonly protocol: string | null;
  readonly leader: string | null;
  /** Since when nobody is in it, in milliseconds since the epoch. */
  readonly emptySinceMs: number | null;
  /** Its members have to join again, in a generation after this one: it was a group of the other kind. */
  readonly after?: number;
  readonly members: readonly ClassicMemberState[];
}

export interface ClassicMemberState {
  readonly id: string;
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly host: string;
  readonly sessionMs: number;
  readonly rebalanceMs: number;
  /** Of the protocol that was selected, in base64, as is the assignment. */
  readonly metadata: string;
  readonly assignment: string;
}

/** What changed in a group in which the broker divides the partitions. */
export interface ConsumerGroupChanged {
  readonly op: 'group.consumer';
  readonly v: string;
  readonly g: string;
  readonly epoch: number;
  readonly targetEpoch: number;
  readonly assignor: string;
  /** Which partitions there were when the epoch began. */
  readonly topicsHash: string;
  readonly emptySinceMs: number | null;
  /** Members that are new or changed, whole. */
  readonly members: readonly ConsumerMemberState[];
  readonly gone: readonly string[];
}

export interface ConsumerMemberState {
  readonly id: string;
  readonly instanceId: string | null;
  readonly rackId: string | null;
  readonly clientId: string;
  readonly host: string;
  readonly rebalanceMs: number;
  readonly names: readonly string[];
  readonly expression: string | null;
  readonly assignor: string | null;
  readonly epoch: number;
  readonly previousEpoch: number;
  readonly state: 'stable' | 'unrevoked' | 'unreleased';
  readonly assigned: PartitionLists;
  readonly revoking: PartitionLists;
  readonly target: PartitionLists;
  /** Of one that still speaks as in a classic group; metadata in base64. */
  readonly classic?: {
    readonly sessionMs: number;
    readonly protocols: readonly { readonly name: string; readonly metadata: string }[];
  };
}

/** `[partition, offset, leader epoch, metadata, expiry]`; what is at the end may be left out: -1, '', none. */
export type OffsetRow = readonly [
  partition: number,
  offset: number,
  leaderEpoch?: number,
  metadata?: string,
  expiresMs?: number,
];

/** By the id of the stream. */
export interface OffsetRows {
  readonly [streamId: string]: readonly OffsetRow[];
}

export interface OffsetsCommitted {
  readonly op: 'group.commit';
  readonly v: string;
  readonly g: string;
  /** When, in milliseconds since the epoch. */
  readonly t: number;
  readonly o: OffsetRows;
}

/** Offsets that count when the transaction of this producer is committed. */
export interface OffsetsPending {
  readonly op: 'group.pending';
  readonly v: string;
  readonly g: string;
  readonly t: number;
  readonly producer: number;
  readonly o: OffsetRows;
}

export interface TransactionCompleted {
  readonly op: 'group.complete';
  readonly producer: number;
  readonly committed: boolean;
}

export interface OffsetsForgotten {
  readonly op: 'group.forget';
  readonly v: string;
  readonly g: string;
  readonly o: PartitionLists;
}

/** Before all else that is said of a group: the user who began with it. */
export interface GroupOwned {
  readonly op: 'group.owner';
  readonly v: string;
  readonly g: string;
  readonly u: string;
}

export interface GroupDeleted {
  readonly op: 'group.delete';
  readonly v: string;
  readonly g: string;
}

/** JSON in UTF-8; `op` comes first, by which the journal's reader finds out whose it is. */
export function encodeGroupOperation(operation: GroupOperation): Uint8Array {
  return Buffer.from(JSON.stringify(operation), 'utf8');
}

export function decodeGroupOperation(bytes: Uint8Array): GroupOperation {
  return JSON.parse(
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'),
  ) as GroupOperation;
}
