import type { Work } from '../../../base/turn-time.ts';
import type { PartitionSet } from '../partition-sets.ts';

export interface AssignorMember {
  readonly id: string;
  readonly instanceId: string | null;
  /** Ids of the streams that it reads, all of which are there. */
  readonly streamIds: ReadonlySet<string>;
  /** What it was given the last time. */
  readonly target: PartitionSet;
}

export interface AssignorStream {
  readonly id: string;
  readonly partitionCount: number;
}

/** Divides all partitions of these streams among those who read them, in steps: there may be very many of both. */
export type Assignor = (
  members: readonly AssignorMember[],
  streams: readonly AssignorStream[],
) => Work<ReadonlyMap<string, PartitionSet>>;

/** The same order each time: members that keep their names first, by name; then the others by their ids. */
export function inOrder(members: readonly AssignorMember[]): AssignorMember[] {
  return [...members].sort((a, b) => {
    if (a.instanceId !== null && b.instanceId !== null) return compare(a.instanceId, b.instanceId);
    if (a.instanceId !== null || b.instanceId !== null) return a.instanceId !== null ? -1 : 1;
    return compare(a.id, b.id);
  });
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
