import { awaited, type Work } from '../../../base/turn-time.ts';
import type { ObjectQuotas } from '../../budget/object-quotas.ts';
import { ownPartition } from '../../streams/any-partition.ts';
import type { Streams } from '../../streams/streams.ts';
import { refuse } from '../group-quotas.ts';
import { type ResetTarget, resetOffset } from '../offset-reset.ts';
import type { ShareGroup } from './share-group.ts';
import type { SharePartitions } from './share-partitions.ts';

/** Where a group is to begin on partitions of a stream. */
export interface StreamTargets {
  readonly streamId: string;
  readonly targets: readonly (readonly [index: number, target: ResetTarget])[];
}

/** Where a group begins now, and before: null if it did not read the partition. */
export interface MovedShare {
  readonly streamId: string;
  readonly index: number;
  readonly offset: number;
  readonly previous: number | null;
}

/** How far a group is on a partition. */
export interface ShareOffset {
  readonly streamId: string;
  readonly index: number;
  /** The share-partition start offset (KIP-932), or the first that retention has left. */
  readonly offset: number;
  readonly endOffset: number;
  /** Records that are not done with. */
  readonly lag: number;
  readonly inFlight: number;
}

/** Whose offsets are asked for: of these streams, or, with null, of all that it reads. */
export interface AskedShares<Group> {
  readonly group: Group;
  readonly streamIds: readonly string[] | null;
}

export interface OwnSharesDeps {
  readonly streams: Streams;
  readonly quotas: ObjectQuotas;
  readonly partitions: SharePartitions;
  /** Journals what is not journaled with the partitions. */
  forgotten(group: ShareGroup, streamId: string): void;
}

/** What administrators see and change of the partitions of this shard that share groups read. */
export class OwnShares {
  readonly #deps: OwnSharesDeps;

  constructor(deps: OwnSharesDeps) {
    this.#deps = deps;
  }

  /**
   * The group begins at these offsets, with `isWanted`; otherwise they are found out and nothing changes. Partitions that are not
   * in this shard are left out. `check`: throws what stands against it when they are found.
   * @throws GroupError limit-reached, unavailable
   */
  *move(
    group: ShareGroup,
    streams: readonly StreamTargets[],
    isWanted: boolean,
    check: () => void,
  ): Work<MovedShare[]> {
    const moved: MovedShare[] = [];
    for (const { streamId, targets } of streams) {
      for (const [index, target] of targets) {
        const partition = ownPartition(this.#deps.streams.byId(streamId)?.partitions[index]);
        if (partition === undefined) continue;
        const share = group.readers.get(streamId)?.get(index)?.share;
        const present = share === undefined ? null : { offset: share.startOffset };
        const offset = yield* awaited(resetOffset(partition, partition, target, present));
        moved.push({ streamId, index, offset, previous: present?.offset ?? null });
        yield;
      }
    }
    if (!isWanted || group.isRemoved) return moved;
    check();
    this.#start(group, moved);
    return moved;
  }

  /** All at once, as nobody may join the group meanwhile. */
  #start(group: ShareGroup, moved: readonly MovedShare[]): void {
    const { streams, quotas, partitions } = this.#deps;
    const added = moved.filter(({ previous }) => previous === null).length;
    if (added > 0) refuse(quotas.refusal('share-partitions', group.account, group.vhost, added));
    for (const { streamId, index, offset } of moved) {
      const stream = streams.byId(streamId);
      if (stream !== undefined) partitions.startAt(group, stream, index, offset);
    }
  }

  /** The group knows nothing of the stream any more. */
  forget(group: ShareGroup, streamId: string): void {
    if (!group.readers.has(streamId)) return;
    this.#deps.forgotten(group, streamId);
    this.#deps.partitions.forget(group, streamId);
  }

  /** Of these streams, or of all, in the order of the partitions. */
  *offsets(group: ShareGroup, streamIds: readonly string[] | null): Work<ShareOffset[]> {
    const offsets: ShareOffset[] = [];
    for (const streamId of streamIds ?? [...group.readers.keys()]) {
      const readers = [...(group.readers.get(streamId) ?? [])].sort(([a], [b]) => a - b);
      for (const [index, { share, partition }] of readers) {
        const { startOffset, highWatermark } = partition;
        offsets.push({
          streamId,
          index,
          offset: Math.max(share.startOffset, startOffset),
          endOffset: highWatermark,
          lag: share.settled.missingIn(startOffset, highWatermark),
          inFlight: share.inFlight,
        });
        yield;
      }
      yield;
    }
    return offsets;
  }
}
