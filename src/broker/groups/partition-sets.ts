/** Partitions by the id of their stream. A set is not changed once others can see it: a new one takes its place. */
export type PartitionSet = ReadonlyMap<string, ReadonlySet<number>>;

/** The same as JSON has it. */
export interface PartitionLists {
  readonly [streamId: string]: readonly number[];
}

export const NO_PARTITIONS: PartitionSet = new Map();

/** Takes partitions one by one; what comes out has no empty parts. */
export class PartitionSetBuilder {
  readonly set = new Map<string, Set<number>>();

  add(streamId: string, partition: number): void {
    const partitions = this.set.get(streamId);
    if (partitions === undefined) this.set.set(streamId, new Set([partition]));
    else partitions.add(partition);
  }

  addAll(other: PartitionSet): this {
    for (const [streamId, partitions] of other) for (const each of partitions) this.add(streamId, each);
    return this;
  }
}

export function has(set: PartitionSet, streamId: string, partition: number): boolean {
  return set.get(streamId)?.has(partition) ?? false;
}

export function countOf(set: PartitionSet): number {
  let count = 0;
  for (const partitions of set.values()) count += partitions.size;
  return count;
}

/** Those for which it is true. */
function select(set: PartitionSet, isWanted: (streamId: string, partition: number) => boolean): PartitionSet {
  const builder = new PartitionSetBuilder();
  for (const [streamId, partitions] of set) {
    for (const partition of partitions) if (isWanted(streamId, partition)) builder.add(streamId, partition);
  }
  return builder.set;
}

export function intersect(left: PartitionSet, right: PartitionSet): PartitionSet {
  return select(left, (streamId, partition) => has(right, streamId, partition));
}

export function subtract(left: PartitionSet, right: PartitionSet): PartitionSet {
  return select(left, (streamId, partition) => !has(right, streamId, partition));
}

export function unite(left: PartitionSet, right: PartitionSet): PartitionSet {
  return new PartitionSetBuilder().addAll(left).addAll(right).set;
}

export function isSubset(inner: PartitionSet, outer: PartitionSet): boolean {
  for (const [streamId, partitions] of inner) {
    for (const partition of partitions) if (!has(outer, streamId, partition)) return false;
  }
  return true;
}

export function overlaps(left: PartitionSet, right: PartitionSet): boolean {
  for (const [streamId, partitions] of left) {
    for (const partition of partitions) if (has(right, streamId, partition)) return true;
  }
  return false;
}

export function equals(left: PartitionSet, right: PartitionSet): boolean {
  return left === right || (countOf(left) === countOf(right) && isSubset(left, right));
}

export function toLists(set: PartitionSet): PartitionLists {
  return Object.fromEntries(
    Array.from(set, ([streamId, partitions]) => [streamId, [...partitions].sort((a, b) => a - b)]),
  );
}

export function fromLists(lists: PartitionLists): PartitionSet {
  return new Map(Object.entries(lists).map(([streamId, partitions]) => [streamId, new Set(partitions)]));
}
