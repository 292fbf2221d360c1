import { KindError } from '../../base/expected-error.ts';

/** What can be wrong with a request to a group. The servers translate the kind to their protocol's code. */
export type GroupErrorKind =
  | 'invalid-request'
  | 'invalid-group-id'
  | 'invalid-session-timeout'
  | 'group-not-found'
  | 'group-not-empty'
  | 'group-full'
  | 'group-is-subscribed'
  | 'unknown-member'
  | 'member-id-required'
  | 'fenced-instance'
  | 'unreleased-instance'
  | 'illegal-generation'
  | 'inconsistent-protocol'
  | 'rebalance-in-progress'
  | 'fenced-epoch'
  | 'stale-epoch'
  | 'unsupported-assignor'
  | 'invalid-expression'
  | 'unsupported-version'
  /** The user has as many groups, members or offsets as it may have. */
  | 'limit-reached'
  /** Memory or disk is short; it may work later. */
  | 'unavailable';

/** A request that a group refuses; nothing has changed. */
export class GroupError extends KindError<GroupErrorKind> {
  override name = 'GroupError';
}
