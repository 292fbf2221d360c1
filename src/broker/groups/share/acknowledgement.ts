/** What a member says of records that it holds. */
export const ACKNOWLEDGE = { gap: 0, accept: 1, release: 2, reject: 3, renew: 4 } as const;

/** One type for all offsets from `firstOffset` to `lastOffset`, or one for each. */
export interface Acknowledgement {
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly types: readonly number[];
}

/** Why a record is given up; these words stand in the headers of dead records. */
export type GiveUpReason = 'rejected' | 'delivery_limit';

export interface GivenUp {
  readonly offset: number;
  readonly reason: GiveUpReason;
  /** How often it was handed out. */
  readonly deliveries: number;
}
