import { KindError } from '../base/expected-error.ts';

/**
 * What can be wrong with a request to the broker. The servers translate the kind to their protocol's reply code
 * and prefix; the message names the thing and says what was found.
 */
export type BrokerErrorKind =
  | 'not-found'
  | 'access-refused'
  | 'precondition-failed'
  | 'resource-locked'
  | 'not-allowed'
  | 'resource-error'
  /** There are as many of these as there may be: see `budget/object-quotas.ts`. */
  | 'limit-reached'
  /** Memory or disk is short; it may work later. */
  | 'resource-short'
  | 'not-implemented'
  | 'internal-error';

export class BrokerError extends KindError<BrokerErrorKind> {
  override name = 'BrokerError';
}
