import { KindError } from '../../../base/expected-error.ts';

export type ShareErrorKind =
  /** The request makes no sense, whatever the state. */
  | 'invalid-request'
  /** Who asks does not hold the record. */
  | 'invalid-record-state';

/** A request on the records of a share group that is refused; nothing has changed. */
export class ShareError extends KindError<ShareErrorKind> {
  override name = 'ShareError';
}
