import type { Work } from '../../../base/turn-time.ts';
import { type PartitionSet, PartitionSetBuilder } from '../partition-sets.ts';
import { type AssignorMember, type AssignorStream, inOrder } from './assignor.ts';

/**
 * Of each stream, neighbouring partitions to each member, in the order of the members: so that of streams with as many
 * partitions and the same readers, those with the same number go to the same member, as joins need them.
 */
export function* assignRanges(
  members: readonly AssignorMember[],
  streams: readonly AssignorStream[],
): Work<ReadonlyMap<string, PartitionSet>> {
  const ordered = inOrder(members);
  const parts = new Map(ordered.map(({ id }) => [id, new PartitionSetBuilder()]));
  for (const { id, partitionCount } of streams) {
    const readers = ordered.filter(({ streamIds }) => streamIds.has(id));
    if (readers.length === 0) continue;
    const least = Math.floor(partitionCount / readers.length);
    const extra = partitionCount % readers.length;
    let partition = 0;
    for (const [index, reader] of readers.entries()) {
      const end = partition + least + (index < extra ? 1 : 0);
      for (; partition < end; partition++) parts.get(reader.id)?.add(id, partition);
      yield;
    }
  }
  return new Map(Array.from(parts, ([id, { set }]) => [id, set]));
}
