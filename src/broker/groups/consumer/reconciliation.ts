import {
  intersect,
  NO_PARTITIONS,
  overlaps,
  type PartitionSet,
  PartitionSetBuilder,
  subtract,
  unite,
} from '../partition-sets.ts';
import type { Position } from './consumer-member.ts';

export interface Destination {
  readonly epoch: number;
  readonly target: PartitionSet;
}

/**
 * The next step of a member from where it is to where it shall be (KIP-848, "Assignment Process"): it first lets go of
 * what is not its own any more, and says so; only then it comes to the new epoch, and gets what others do not hold any
 * longer.
 *
 *     stable ──target has less──▶ unrevoked ──it let go──▶ stable, or unreleased: others still hold what it shall have
 *
 * `reported` is what the member says it holds; null if it did not say. `isFree` is false for what anybody holds.
 * Returns the same object if nothing is to be done.
 */
export function nextPosition(
  present: Position,
  destination: Destination,
  reported: PartitionSet | null,
  isFree: (streamId: string, partition: number) => boolean,
): Position {
  if (present.state === 'stable' && present.epoch === destination.epoch) return present;
  if (present.state === 'unrevoked' && stillHolds(reported, present.revoking)) return present;
  const assigned = intersect(present.assigned, destination.target);
  const revoking = subtract(present.assigned, destination.target);
  if (revoking.size > 0 && stillHolds(reported, revoking)) {
    return { epoch: present.epoch, state: 'unrevoked', assigned, revoking };
  }
  // What it has just let go of is free now, unless it is to come back to it at once.
  const wanted = subtract(destination.target, assigned);
  const free = new PartitionSetBuilder();
  let isComplete = true;
  for (const [streamId, partitions] of wanted) {
    for (const partition of partitions) {
      if (isFree(streamId, partition)) free.add(streamId, partition);
      else isComplete = false;
    }
  }
  const isNothingNew =
    !isComplete &&
    free.set.size === 0 &&
    present.state === 'unreleased' &&
    present.epoch === destination.epoch &&
    revoking.size === 0;
  if (isNothingNew) return present;
  return {
    epoch: destination.epoch,
    state: isComplete ? 'stable' : 'unreleased',
    assigned: free.set.size === 0 ? assigned : unite(assigned, free.set),
    revoking: NO_PARTITIONS,
  };
}

function stillHolds(reported: PartitionSet | null, partitions: PartitionSet): boolean {
  return reported === null || overlaps(reported, partitions);
}
