import { GroupError, type GroupErrorKind } from '../../../broker/groups/group-error.ts';
import { ERROR_CODES, type ErrorCode, type ErrorName } from '../../../wire/kafka/error-codes.ts';

const NAMES: { readonly [kind in GroupErrorKind]: ErrorName } = {
  'invalid-request': 'INVALID_REQUEST',
  'invalid-group-id': 'INVALID_GROUP_ID',
  'invalid-session-timeout': 'INVALID_SESSION_TIMEOUT',
  'group-not-found': 'GROUP_ID_NOT_FOUND',
  'group-not-empty': 'NON_EMPTY_GROUP',
  'group-full': 'GROUP_MAX_SIZE_REACHED',
  'group-is-subscribed': 'GROUP_SUBSCRIBED_TO_TOPIC',
  'unknown-member': 'UNKNOWN_MEMBER_ID',
  'member-id-required': 'MEMBER_ID_REQUIRED',
  'fenced-instance': 'FENCED_INSTANCE_ID',
  'unreleased-instance': 'UNRELEASED_INSTANCE_ID',
  'illegal-generation': 'ILLEGAL_GENERATION',
  'inconsistent-protocol': 'INCONSISTENT_GROUP_PROTOCOL',
  'rebalance-in-progress': 'REBALANCE_IN_PROGRESS',
  'fenced-epoch': 'FENCED_MEMBER_EPOCH',
  'stale-epoch': 'STALE_MEMBER_EPOCH',
  'unsupported-assignor': 'UNSUPPORTED_ASSIGNOR',
  'invalid-expression': 'INVALID_REGULAR_EXPRESSION',
  'unsupported-version': 'UNSUPPORTED_VERSION',
  // The one of a limit of groups that clients know, and give up for.
  'limit-reached': 'GROUP_MAX_SIZE_REACHED',
  // Clients try again.
  unavailable: 'COORDINATOR_NOT_AVAILABLE',
};

export function groupErrorCode(kind: GroupErrorKind | null): ErrorCode {
  return kind === null ? ERROR_CODES.NONE : ERROR_CODES[NAMES[kind]];
}

/** Narrows to a GroupError, which the response tells; rethrows any other error. */
export function groupErrorOf(error: unknown): GroupError {
  if (error instanceof GroupError) return error;
  throw error;
}
