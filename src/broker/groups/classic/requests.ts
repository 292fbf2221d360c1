import type { GroupErrorKind } from '../group-error.ts';

/** A way to divide the partitions, and what the member tells the leader for it. */
export interface MemberProtocol {
  readonly name: string;
  /** Kept: a copy, not a view of what was received. */
  readonly metadata: Buffer;
}

export interface JoinRequest {
  /** Empty from who is new. */
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly host: string;
  readonly sessionMs: number;
  readonly rebalanceMs: number;
  readonly protocolType: string;
  readonly protocols: readonly MemberProtocol[];
  /** Who is new is told its id first and joins with that (KIP-394), so that nobody is in it who never heard of it. */
  readonly requiresKnownId: boolean;
  /** A leader that comes back can be told that there is nothing to divide (KIP-814). */
  readonly canSkipAssignment: boolean;
  /** Who asks; left out where no user does. */
  readonly user?: string;
}

export interface JoinedMember {
  readonly id: string;
  readonly instanceId: string | null;
  readonly metadata: Buffer;
}

export interface JoinOutcome {
  readonly error: GroupErrorKind | null;
  readonly memberId: string;
  readonly generation: number;
  readonly protocolType: string | null;
  readonly protocol: string | null;
  readonly leader: string;
  readonly skipAssignment: boolean;
  /** For the leader: all of them. */
  readonly members: readonly JoinedMember[];
}

export interface MemberRequest {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly generation: number;
}

export interface SyncRequest extends MemberRequest {
  /** Null from those that do not say. */
  readonly protocolType: string | null;
  readonly protocol: string | null;
  /** From the leader. */
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[];
}

export interface SyncOutcome {
  readonly error: GroupErrorKind | null;
  readonly protocolType: string | null;
  readonly protocol: string | null;
  readonly assignment: Buffer;
}

const NOTHING = Buffer.alloc(0);

export function joinFailed(error: GroupErrorKind, memberId: string): JoinOutcome {
  return {
    error,
    memberId,
    generation: -1,
    protocolType: null,
    protocol: null,
    leader: '',
    skipAssignment: false,
    members: [],
  };
}

export function syncFailed(error: GroupErrorKind): SyncOutcome {
  return { error, protocolType: null, protocol: null, assignment: NOTHING };
}
