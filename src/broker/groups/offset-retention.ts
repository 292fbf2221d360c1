import type { Group } from './group.ts';
import { type PartitionSet, PartitionSetBuilder } from './partition-sets.ts';
import type { GroupDeps, GroupStream, MemberCodec } from './ports.ts';

/**
 * Which streams the members of a group read; null if there are members, and they do not say. Of an empty group nobody
 * reads anything.
 */
export function subscribesTo(
  { membership }: Group,
  codec: MemberCodec,
): ((stream: GroupStream) => boolean) | null {
  if (membership.isEmpty) return () => false;
  if (membership.type === 'consumer') return ({ id }) => membership.isSubscribed(id);
  const names = new Set<string>();
  for (const member of membership.roster.members.values()) {
    const [any] = member.protocols;
    const read = any === undefined ? null : codec.readSubscription(membership.protocolType, any.metadata);
    if (read === null) return null;
    for (const name of read.topics) names.add(name);
  }
  return ({ name }) => names.has(name);
}

/**
 * Offsets that are kept no longer (KIP-211): those of a group in which nobody is, some time after the last one left; of
 * one in which there is somebody, those of streams that it does not read any more.
 */
export function expiredOffsets(
  { membership, offsets, protocolType }: Group,
  isRead: ((stream: GroupStream) => boolean) | null,
  { streams, settings }: GroupDeps,
  nowMs: number,
): PartitionSet {
  const expired = new PartitionSetBuilder();
  if (isRead === null) return expired.set;
  const keepsFromEnd = membership.isEmpty && protocolType !== '' && membership.emptySinceMs !== null;
  for (const streamId of offsets.streamIds()) {
    const stream = streams.byId(streamId);
    if (stream !== undefined && isRead(stream)) continue;
    for (const [partition, { commitMs, expiresMs }] of offsets.of(streamId)) {
      if (offsets.isPending(streamId, partition)) continue;
      const sinceMs = keepsFromEnd ? Math.max(commitMs, membership.emptySinceMs ?? 0) : commitMs;
      if ((expiresMs ?? sinceMs + settings.offsetsRetentionMs) <= nowMs) expired.add(streamId, partition);
    }
  }
  return expired.set;
}

/** Nothing is left of it but its name. */
export function isUseless(group: Group): boolean {
  return group.isEmpty && group.offsets.isEmpty;
}
