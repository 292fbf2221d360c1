import type { Json } from '../../base/value-json.ts';
import type { ResetTarget } from '../../broker/groups/offset-reset.ts';
import type { ShareOffset } from '../../broker/groups/share/own-shares.ts';
import type { ShareGroup } from '../../broker/groups/share/share-group.ts';
import type { Stream } from '../../broker/streams/stream.ts';
import type { AdminContext } from '../context.ts';

type View = { readonly [field: string]: Json };

/** Of these groups: the shards that have partitions are asked once for all of them. */
export async function shareSummaries(
  { broker }: AdminContext,
  groups: readonly ShareGroup[],
): Promise<readonly View[]> {
  if (groups.length === 0) return [];
  const asked = groups.map((group) => ({ group, streamIds: null }));
  const offsets = await broker.shard.turnTime.run(broker.shareGroups.offsets(asked));
  return groups.map((group) => summary(group, offsets.get(group) ?? []));
}

export async function shareDetails(context: AdminContext, group: ShareGroup): Promise<View> {
  const { shard, shareGroups } = context.broker;
  const found = await shard.turnTime.run(shareGroups.offsets([{ group, streamIds: null }]));
  const offsets = found.get(group) ?? [];
  return {
    ...summary(group, offsets),
    generation: group.epoch,
    assignor: 'simple',
    member_details: membersOf(context, group),
    offsets: views(context, offsets),
  };
}

function summary(
  { id: name, vhost, state, protocolType, members }: ShareGroup,
  offsets: readonly ShareOffset[],
): View {
  const lag = offsets.reduce((sum, each) => sum + each.lag, 0);
  return { name, vhost, type: 'share', state, protocol_type: protocolType, members: members.size, lag };
}

/** The share-partition start offset (KIP-932), and as lag the number of records that are not acknowledged yet. */
function views({ broker }: AdminContext, offsets: readonly ShareOffset[]): View[] {
  return offsets.flatMap(({ streamId, index, offset, endOffset, lag, inFlight }) => {
    const stream = broker.streams.byId(streamId);
    if (stream === undefined) return [];
    const { name } = stream;
    return [{ stream: name, partition: index, offset, end_offset: endOffset, lag, in_flight: inFlight }];
  });
}

/** Where the group begins from now on, or would begin, on partitions of the stream. @throws GroupError */
export async function resetShares(
  { broker }: AdminContext,
  group: ShareGroup,
  stream: Stream,
  indexes: readonly number[],
  target: ResetTarget,
  isWanted: boolean,
): Promise<View[]> {
  const targets = indexes.map((index) => [index, target] as const);
  const work = broker.shareGroups.move(group, [{ streamId: stream.id, targets }], isWanted);
  const moved = await broker.shard.turnTime.run(work);
  return moved.map(({ index, offset, previous }) => ({
    stream: stream.name,
    partition: index,
    offset,
    previous_offset: previous,
  }));
}

function membersOf({ broker }: AdminContext, { members }: ShareGroup): View[] {
  return Array.from(members.values(), (member) => ({
    id: member.id,
    instance_id: null,
    client_id: member.clientId,
    host: member.host,
    epoch: member.epoch,
    partitions: Array.from(member.assignment, ([streamId, partitions]) => ({
      stream: broker.streams.byId(streamId)?.name ?? null,
      partitions: [...partitions],
    })),
  }));
}
