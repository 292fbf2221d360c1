import type { ObjectAccount } from '../budget/object-account.ts';
import type { PartitionPlace } from './partition-place.ts';
import type { StreamSettings } from './stream-settings.ts';

/** The stream that a partition belongs to, as far as the partition and those who hold it need it. */
export interface PartitionOwner {
  readonly vhost: string;
  readonly name: string;
  readonly id: string;
  /** Of the user who made it; null if that is not known. */
  readonly account?: ObjectAccount | null;
  readonly isRemoved: boolean;
  readonly settings: StreamSettings;
  readonly partitions: readonly PartitionPlace[];
}
