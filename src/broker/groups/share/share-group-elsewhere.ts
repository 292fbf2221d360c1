import type { ShareGroupName } from './share-group-names.ts';

/** A share group's partitions in other shards, as the group sees them, which is in shard 0. */
export interface ShareGroupElsewhere {
  /** Whether the group is not known to have begun on all partitions that other shards have of the stream. */
  isMissing(group: ShareGroupName, streamId: string): boolean;
  /** It begins on those. Resolves when that is durable there; never rejects. */
  begin(group: ShareGroupName, streamIds: readonly string[]): Promise<void>;
  /** What the members hold there is for others. */
  release(group: ShareGroupName, memberIds: readonly string[]): void;
}
