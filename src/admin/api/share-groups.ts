import type { Json } from '../../base/value-json.ts';
import type { ShareGroup } from '../../broker/groups/share/share-group.ts';
import type { AdminContext } from '../context.ts';

type View = { readonly [field: string]: Json };

export function shareSummary(context: AdminContext, group: ShareGroup): View {
  const { id: name, vhost, state, protocolType, members } = group;
  const lag = offsetsOf(context, group).reduce((sum, each) => sum + each.lag, 0);
  return { name, vhost, type: 'share', state, protocol_type: protocolType, members: members.size, lag };
}

export function shareDetails(context: AdminContext, group: ShareGroup): View {
  return {
    ...shareSummary(context, group),
    generation: group.epoch,
    assignor: 'simple',
    member_details: membersOf(context, group),
    offsets: offsetsOf(context, group),
  };
}

interface OffsetView {
  readonly [field: string]: Json;
  readonly lag: number;
}

/** The share-partition start offset (KIP-932), and as lag the number of records that are not acknowledged yet. */
function offsetsOf({ broker }: AdminContext, group: ShareGroup): OffsetView[] {
  return [...group.readers].flatMap(([streamId, readers]) => {
    const stream = broker.streams.byId(streamId);
    if (stream === undefined) return [];
    return Array.from(readers, ([index, { share, partition }]) => ({
      stream: stream.name,
      partition: index,
      offset: Math.max(share.startOffset, partition.startOffset),
      end_offset: partition.highWatermark,
      lag: share.settled.missingIn(partition.startOffset, partition.highWatermark),
      in_flight: share.inFlight,
    }));
  });
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
