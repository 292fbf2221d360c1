import type { ClassicGroup } from './classic/classic-group.ts';
import { CLASSIC_CONSUMERS, type ClassicMembers } from './consumer/classic-members.ts';
import type { ConsumerGroup } from './consumer/consumer-group.ts';
import { toText } from './consumer/consumer-member.ts';
import type { ConsumerChange } from './consumer/ports.ts';
import type { ClassicGroupSet } from './operations.ts';
import { PartitionSetBuilder, toLists } from './partition-sets.ts';
import type { GroupStreams, MemberCodec } from './ports.ts';

/**
 * What a classic group is as one in which the broker divides: the same members, with what they have. Null if it is no
 * group of consumers, or what they tell one another is not understood.
 */
export function upgraded(
  classic: ClassicGroup,
  vhost: string,
  streams: GroupStreams,
  codec: MemberCodec,
): ConsumerChange | null {
  const { generation, protocolType, protocol, roster } = classic;
  if (protocolType !== CLASSIC_CONSUMERS) return null;
  const members: ConsumerChange['members'][number][] = [];
  // What a leader gave to two has the first of them.
  const taken = new PartitionSetBuilder();
  for (const member of roster.members.values()) {
    const metadata = member.metadataFor(protocol ?? member.protocols[0]?.name ?? '');
    const subscription = codec.readSubscription(protocolType, metadata);
    if (subscription === null) return null;
    const assigned = new PartitionSetBuilder();
    for (const { topic, partitions } of codec.readAssignment(protocolType, member.assignment)) {
      const stream = streams.get(vhost, topic);
      for (const partition of partitions) {
        if (stream === undefined || taken.set.get(stream.id)?.has(partition)) continue;
        assigned.add(stream.id, partition);
        taken.add(stream.id, partition);
      }
    }
    const { id, instanceId, clientId, host, sessionMs, rebalanceMs, protocols } = member;
    const lists = toLists(assigned.set);
    members.push({
      id,
      instanceId,
      clientId,
      host,
      rebalanceMs,
      rackId: subscription.rackId,
      names: subscription.topics,
      expression: null,
      assignor: null,
      epoch: generation,
      previousEpoch: generation,
      state: 'stable',
      assigned: lists,
      revoking: {},
      target: lists,
      classic: toText({ sessionMs, protocols }),
    });
  }
  return {
    epoch: classic.latestGeneration,
    targetEpoch: generation,
    assignor: 'uniform',
    topicsHash: '',
    emptySinceMs: null,
    members,
    gone: [],
  };
}

/** What a group is as a classic one, of whose members nobody speaks otherwise any more. */
export function downgraded(
  group: ConsumerGroup,
  members: ClassicMembers,
  codec: MemberCodec,
): Omit<ClassicGroupSet, 'op' | 'v' | 'g'> {
  const all = [...group.members.values()];
  const [first] = all;
  const protocol =
    first?.classic?.protocols.find(({ name }) =>
      all.every(({ classic }) => classic?.protocols.some((other) => other.name === name)),
    )?.name ?? null;
  return {
    // Not that of the group, to which nobody has come yet: so they are told to join again, and not fenced off.
    generation: all.reduce((latest, { epoch }) => Math.max(latest, epoch), 0),
    protocolType: CLASSIC_CONSUMERS,
    protocol,
    leader: first?.id ?? null,
    emptySinceMs: null,
    after: group.epoch,
    members: all.map((member) => {
      const { id, instanceId, clientId, host, classic } = member;
      const metadata = classic?.protocols.find(({ name }) => name === protocol)?.metadata ?? Buffer.alloc(0);
      return {
        id,
        instanceId,
        clientId,
        host,
        sessionMs: classic?.sessionMs ?? 0,
        rebalanceMs: member.wishes.rebalanceMs,
        metadata: metadata.toString('base64'),
        assignment: codec.writeAssignment(metadata, members.toNames(member.owned)).toString('base64'),
      };
    }),
  };
}
