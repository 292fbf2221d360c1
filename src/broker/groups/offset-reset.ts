import type { AnyPartition } from '../streams/any-partition.ts';
import { offsetAtTime } from '../streams/consumers/offset-at-time.ts';
import type { PartitionOffsets } from '../streams/readable-partition.ts';
import type { CommittedOffset } from './committed-offsets.ts';

/** Where a group is to read on. */
export type ResetTarget =
  | { readonly to: 'earliest' | 'latest' }
  | { readonly to: 'offset'; readonly offset: number }
  /** Back, if it is negative. */
  | { readonly to: 'shift'; readonly by: number }
  /** The first record of this time, in milliseconds since the epoch, or of a later one. */
  | { readonly to: 'time'; readonly timeMs: number };

/** The offset that it comes to: one that there is. A time has to be looked up. `offsets`: where the partition is now. */
export function resetOffset(
  partition: AnyPartition,
  { startOffset, highWatermark }: Pick<PartitionOffsets, 'startOffset' | 'highWatermark'>,
  target: ResetTarget,
  present: Pick<CommittedOffset, 'offset'> | null,
): number | Promise<number> {
  const within = (offset: number) => Math.min(Math.max(offset, startOffset), highWatermark);
  switch (target.to) {
    case 'earliest':
      return startOffset;
    case 'latest':
      return highWatermark;
    case 'offset':
      return within(target.offset);
    case 'shift':
      return within((present?.offset ?? startOffset) + target.by);
    case 'time':
      return offsetAtTime(partition, target.timeMs).then(within);
  }
}
