import {
  type JoinOutcome,
  type JoinRequest,
  joinFailed,
  type MemberRequest,
  type SyncOutcome,
  type SyncRequest,
  syncFailed,
} from '../classic/requests.ts';
import { GroupError, type GroupErrorKind } from '../group-error.ts';
import type { GroupSettings } from '../group-settings.ts';
import { type PartitionSet, PartitionSetBuilder } from '../partition-sets.ts';
import type { GroupStreams, MemberCodec, NamedPartitions } from '../ports.ts';
import type { ConsumerGroup } from './consumer-group.ts';
import type { ConsumerMember } from './consumer-member.ts';

export const CLASSIC_CONSUMERS = 'consumer';

export interface ClassicMembersDeps {
  readonly group: ConsumerGroup;
  readonly vhost: string;
  readonly streams: GroupStreams;
  readonly settings: GroupSettings;
  codec(): MemberCodec;
  newId(prefix: string): string;
}

/**
 * Members of a consumer group that still speak as in a classic one, while an application is brought from one to the
 * other (KIP-848, "Online Upgrade"). Nobody leads: the broker divides. Each joins by itself, in the generation that is
 * its epoch, and is told to join again when there is something new for it.
 */
export class ClassicMembers {
  readonly #deps: ClassicMembersDeps;
  /** Clients that were told their ids and have not joined yet. */
  readonly #expected = new Set<string>();

  constructor(deps: ClassicMembersDeps) {
    this.#deps = deps;
  }

  join(request: JoinRequest): JoinOutcome {
    const { group, settings } = this.#deps;
    const { memberId, instanceId, sessionMs } = request;
    if (sessionMs < settings.sessionTimeoutMsMin || sessionMs > settings.sessionTimeoutMsMax) {
      return joinFailed('invalid-session-timeout', memberId);
    }
    const [protocol] = request.protocols;
    const subscription =
      request.protocolType !== CLASSIC_CONSUMERS || protocol === undefined
        ? null
        : this.#deps.codec().readSubscription(request.protocolType, protocol.metadata);
    if (protocol === undefined || subscription === null) return joinFailed('inconsistent-protocol', memberId);
    const known = group.members.get(memberId);
    const refusal = this.#refusalOfId(request, known);
    if (refusal !== null) return refusal;
    const id = memberId === '' ? this.#deps.newId(instanceId ?? request.clientId) : memberId;
    this.#expected.delete(id);
    try {
      group.heartbeat({
        memberId: id,
        epoch: known?.epoch ?? 0,
        instanceId,
        rackId: subscription.rackId,
        rebalanceMs: request.rebalanceMs,
        names: subscription.topics,
        expression: null,
        assignor: null,
        owned: this.#toSet(subscription.ownedPartitions),
        clientId: request.clientId,
        host: request.host,
        maySee: () => true,
        classic: { sessionMs, protocols: request.protocols },
      });
    } catch (error) {
      if (!(error instanceof GroupError)) throw error;
      return joinFailed(error.kind, memberId);
    }
    const member = group.members.get(id) as ConsumerMember;
    // Until it asks for its part; what it shall let go of has its time already.
    if (member.state !== 'unrevoked') member.revokeDueMs = Number.POSITIVE_INFINITY;
    group.expects(member);
    return {
      error: null,
      memberId: id,
      generation: member.epoch,
      protocolType: CLASSIC_CONSUMERS,
      protocol: protocol.name,
      leader: '',
      skipAssignment: false,
      members: [],
    };
  }

  sync(request: SyncRequest): SyncOutcome {
    const member = this.#check(request);
    if (typeof member === 'string') return syncFailed(member);
    const { group } = this.#deps;
    group.heard(member);
    if (group.epoch > member.epoch && member.state !== 'unrevoked') {
      group.expects(member);
      return syncFailed('rebalance-in-progress');
    }
    if (member.state !== 'unrevoked') member.revokeDueMs = Number.POSITIVE_INFINITY;
    const [protocol] = member.classic?.protocols ?? [];
    return {
      error: null,
      protocolType: CLASSIC_CONSUMERS,
      protocol: protocol?.name ?? null,
      assignment: this.#deps
        .codec()
        .writeAssignment(protocol?.metadata ?? Buffer.alloc(0), this.toNames(member.assigned)),
    };
  }

  /** It joins again if it has to catch up, to let go of something, or if what it waits for is free. */
  heartbeat(request: MemberRequest): GroupErrorKind | null {
    const member = this.#check(request);
    if (typeof member === 'string') return member;
    const { group } = this.#deps;
    group.heard(member);
    const isBehind =
      member.epoch < group.epoch ||
      member.state === 'unrevoked' ||
      (member.state === 'unreleased' && group.hasNews(member));
    if (!isBehind) return null;
    group.expects(member);
    return 'rebalance-in-progress';
  }

  toNames(partitions: PartitionSet): NamedPartitions[] {
    return Array.from(partitions, ([streamId, indexes]) => ({
      topic: this.#deps.streams.byId(streamId)?.name ?? '',
      partitions: [...indexes].sort((a, b) => a - b),
    })).filter(({ topic }) => topic !== '');
  }

  #refusalOfId(request: JoinRequest, known: ConsumerMember | undefined): JoinOutcome | null {
    const { memberId, instanceId } = request;
    if (instanceId !== null) {
      const { staticMembers } = this.#deps.group;
      const refusal = memberId === '' ? null : staticMembers.refusalOf(memberId, instanceId);
      return refusal === null ? null : joinFailed(refusal, memberId);
    }
    if (memberId === '') {
      if (!request.requiresKnownId) return null;
      const id = this.#deps.newId(request.clientId);
      this.#expected.add(id);
      return joinFailed('member-id-required', id);
    }
    return known !== undefined || this.#expected.has(memberId)
      ? null
      : joinFailed('unknown-member', memberId);
  }

  #check({ memberId, instanceId, generation }: MemberRequest): ConsumerMember | GroupErrorKind {
    const { group } = this.#deps;
    const refusal = group.staticMembers.refusalOf(memberId, instanceId);
    if (refusal !== null) return refusal;
    const member = group.members.get(memberId);
    if (member === undefined || member.classic === null) return 'unknown-member';
    return member.epoch === generation ? member : 'illegal-generation';
  }

  #toSet(named: readonly NamedPartitions[]): PartitionSet {
    const builder = new PartitionSetBuilder();
    for (const { topic, partitions } of named) {
      const stream = this.#deps.streams.get(this.#deps.vhost, topic);
      if (stream === undefined) continue;
      for (const partition of partitions) builder.add(stream.id, partition);
    }
    return builder.set;
  }
}
