import type { Json } from '../../../base/value-json.ts';
import type { ShardNote } from '../../doors/shard-link.ts';
import type { MovedShare, ShareOffset, StreamTargets } from './own-shares.ts';
import type { ShareGroupName } from './share-group-names.ts';
import { groupNames } from './share-operations.ts';

/*
 * What shard 0, which has the members of share groups, asks of a shard that has partitions, and tells it:
 *
 *     share.begin     the group begins on its partitions of these streams
 *     share.move      it begins anew at these offsets
 *     share.forget    it knows nothing of these streams any more
 *     share.offsets   how far groups are
 *     share.release   (told) what these members hold is for others
 *
 * and what is asked of shard 0:
 *
 *     share.dead-letter-topic   makes the topic that gets what the group gave up
 */

type GroupFields = ReturnType<typeof groupNames>;

export function nameOf(note: ShardNote): ShareGroupName {
  const { v, g, i = '' } = note as unknown as GroupFields;
  return { vhost: v, id: g, incarnation: i };
}

export function streamsOf(note: ShardNote): readonly string[] {
  return note.streams as readonly string[];
}

/** `[stream, [[partition, target], ...]]`, as there may be many. */
type Targets = readonly [string, StreamTargets['targets']];

export function moveQuestion(
  group: ShareGroupName,
  streams: readonly StreamTargets[],
  isWanted: boolean,
): ShardNote {
  const moves = streams.map(({ streamId, targets }): Targets => [streamId, targets]);
  return { op: 'share.move', ...groupNames(group), moves: moves as unknown as Json, isWanted };
}

export function targetsOf(note: ShardNote): StreamTargets[] {
  const moves = note.moves as unknown as readonly Targets[];
  return moves.map(([streamId, targets]) => ({ streamId, targets }));
}

type MovedRow = readonly [streamId: string, index: number, offset: number, previous: number | null];

export function movedRows(moved: readonly MovedShare[]): Json {
  return moved.map(({ streamId, index, offset, previous }): MovedRow => [streamId, index, offset, previous]);
}

export function movedOf(rows: Json): MovedShare[] {
  return (rows as unknown as readonly MovedRow[]).map(([streamId, index, offset, previous]) => ({
    streamId,
    index,
    offset,
    previous,
  }));
}

type OffsetRow = readonly [
  streamId: string,
  index: number,
  offset: number,
  endOffset: number,
  lag: number,
  inFlight: number,
];

export function offsetRows(offsets: readonly ShareOffset[]): Json {
  return offsets.map(
    ({ streamId, index, offset, endOffset, lag, inFlight }): OffsetRow => [
      streamId,
      index,
      offset,
      endOffset,
      lag,
      inFlight,
    ],
  );
}

export function offsetsOf(rows: Json): ShareOffset[] {
  return (rows as unknown as readonly OffsetRow[]).map(
    ([streamId, index, offset, endOffset, lag, inFlight]) => ({
      streamId,
      index,
      offset,
      endOffset,
      lag,
      inFlight,
    }),
  );
}
