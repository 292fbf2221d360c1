import type { ConsumerMemberState } from '../operations.ts';
import { fromLists, NO_PARTITIONS, type PartitionSet, toLists, unite } from '../partition-sets.ts';
import type { ClassicSide, HeartbeatRequest } from './requests.ts';

export type ReconciliationState = ConsumerMemberState['state'];

/** Of a static member that has left and may come back. */
export const AWAY_EPOCH = -2;

/** What a member says of itself when it joins, or when it has changed. */
export interface MemberWishes {
  readonly rackId: string | null;
  readonly rebalanceMs: number;
  /** Streams by their names, and by an expression for names. */
  readonly names: ReadonlySet<string>;
  readonly expression: string | null;
  readonly assignor: string | null;
}

/** Where a member is on its way to its target. */
export interface Position {
  readonly epoch: number;
  readonly state: ReconciliationState;
  readonly assigned: PartitionSet;
  readonly revoking: PartitionSet;
}

/**
 * One client in a group in which the broker divides the partitions (KIP-848). It owns `assigned`, and `revoking` too
 * until it has said that it let go of them; `target` is what it shall have in the end.
 */
export class ConsumerMember {
  readonly id: string;
  readonly instanceId: string | null;
  clientId: string;
  host: string;
  wishes: MemberWishes;
  classic: ClassicSide | null = null;
  epoch = 0;
  previousEpoch = 0;
  state: ReconciliationState = 'stable';
  assigned: PartitionSet = NO_PARTITIONS;
  revoking: PartitionSet = NO_PARTITIONS;
  target: PartitionSet = NO_PARTITIONS;
  /** Null after a restart, until it is heard: then it sees what it has. */
  maySee: ((name: string) => boolean) | null = null;
  /** When it has been silent for too long, and when it should have let go of something; by the monotonic clock. */
  deadlineMs = Number.POSITIVE_INFINITY;
  revokeDueMs = Number.POSITIVE_INFINITY;

  constructor(id: string, instanceId: string | null, clientId: string, host: string, wishes: MemberWishes) {
    this.id = id;
    this.instanceId = instanceId;
    this.clientId = clientId;
    this.host = host;
    this.wishes = wishes;
  }

  /** What nobody else may have. */
  get owned(): PartitionSet {
    return this.revoking.size === 0 ? this.assigned : unite(this.assigned, this.revoking);
  }

  /** It has lost all that it had. */
  startAgain(): void {
    this.epoch = 0;
    this.previousEpoch = 0;
    this.state = 'stable';
    this.assigned = NO_PARTITIONS;
    this.revoking = NO_PARTITIONS;
    this.revokeDueMs = Number.POSITIVE_INFINITY;
  }

  moveTo({ epoch, state, assigned, revoking }: Position): void {
    if (epoch !== this.epoch) {
      this.previousEpoch = this.epoch;
      this.epoch = epoch;
    }
    this.state = state;
    this.assigned = assigned;
    this.revoking = revoking;
  }

  isReconciled(targetEpoch: number): boolean {
    return this.state === 'stable' && this.epoch === targetEpoch;
  }

  stateToKeep(): ConsumerMemberState {
    const { id, instanceId, clientId, host, epoch, previousEpoch, state, classic } = this;
    const { rackId, rebalanceMs, names, expression, assignor } = this.wishes;
    return {
      id,
      instanceId,
      rackId,
      clientId,
      host,
      rebalanceMs,
      names: [...names],
      expression,
      assignor,
      epoch,
      previousEpoch,
      state,
      assigned: toLists(this.assigned),
      revoking: toLists(this.revoking),
      target: toLists(this.target),
      ...(classic === null ? {} : { classic: toText(classic) }),
    };
  }

  static restore(kept: ConsumerMemberState): ConsumerMember {
    const { rackId, rebalanceMs, expression, assignor } = kept;
    const wishes = { rackId, rebalanceMs, names: new Set(kept.names), expression, assignor };
    const member = new ConsumerMember(kept.id, kept.instanceId, kept.clientId, kept.host, wishes);
    member.epoch = kept.epoch;
    member.previousEpoch = kept.previousEpoch;
    member.state = kept.state;
    member.assigned = fromLists(kept.assigned);
    member.revoking = fromLists(kept.revoking);
    member.target = fromLists(kept.target);
    if (kept.classic !== undefined) member.classic = fromText(kept.classic);
    return member;
  }
}

export function toText({ sessionMs, protocols }: ClassicSide): NonNullable<ConsumerMemberState['classic']> {
  return {
    sessionMs,
    protocols: protocols.map(({ name, metadata }) => ({ name, metadata: metadata.toString('base64') })),
  };
}

function fromText({ sessionMs, protocols }: NonNullable<ConsumerMemberState['classic']>): ClassicSide {
  return {
    sessionMs,
    protocols: protocols.map(({ name, metadata }) => ({ name, metadata: Buffer.from(metadata, 'base64') })),
  };
}

/** What a heartbeat leaves out is as it was before. */
export function wishesOf(request: HeartbeatRequest, before: MemberWishes | null): MemberWishes {
  const { rackId, rebalanceMs, names, expression, assignor } = request;
  return {
    rackId: rackId ?? before?.rackId ?? null,
    rebalanceMs: rebalanceMs === -1 && before !== null ? before.rebalanceMs : rebalanceMs,
    names: names === null && before !== null ? before.names : new Set(names ?? []),
    expression: expression ?? before?.expression ?? null,
    assignor: assignor ?? before?.assignor ?? null,
  };
}

export function sameWishes(left: MemberWishes, right: MemberWishes): boolean {
  return (
    left.rackId === right.rackId &&
    left.rebalanceMs === right.rebalanceMs &&
    left.assignor === right.assignor &&
    left.expression === right.expression &&
    sameNames(left.names, right.names)
  );
}

/** Whether they would be given the same. */
export function sameSubscription(left: MemberWishes, right: MemberWishes): boolean {
  return (
    left.expression === right.expression &&
    left.assignor === right.assignor &&
    sameNames(left.names, right.names)
  );
}

function sameNames(left: ReadonlySet<string>, right: ReadonlySet<string>): boolean {
  return left === right || (left.size === right.size && [...left].every((name) => right.has(name)));
}
