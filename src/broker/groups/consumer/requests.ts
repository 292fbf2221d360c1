import type { MemberProtocol } from '../classic/requests.ts';
import type { PartitionSet } from '../partition-sets.ts';

/** What a member says at each heartbeat; null is what it leaves out, as it is the same as before. */
export interface HeartbeatRequest {
  readonly memberId: string;
  /** 0: it joins; -1: it leaves; -2: it leaves, and will come back under the same name. */
  readonly epoch: number;
  readonly instanceId: string | null;
  readonly rackId: string | null;
  /** -1 if it leaves it out. */
  readonly rebalanceMs: number;
  readonly names: readonly string[] | null;
  readonly expression: string | null;
  readonly assignor: string | null;
  /** What it holds. */
  readonly owned: PartitionSet | null;
  readonly clientId: string;
  readonly host: string;
  /** Whether it may know of a stream that its expression matches. */
  maySee(name: string): boolean;
  /** Null from those that speak as this group does. */
  readonly classic: ClassicSide | null;
  /** Who asks; left out where no user does. */
  readonly user?: string;
}

/** A member that speaks as in a classic group, while the group is on its way from or to one. */
export interface ClassicSide {
  readonly sessionMs: number;
  readonly protocols: readonly MemberProtocol[];
}

export interface HeartbeatOutcome {
  readonly memberId: string;
  readonly epoch: number;
  /** Null if it is as the member knows it. */
  readonly assigned: PartitionSet | null;
}
