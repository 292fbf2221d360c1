import type { CommitRequest } from './offset-commit.ts';

/**
 * Offsets that are committed with a transaction: `Groups` is this. Whoever coordinates transactions uses it so:
 *
 * 1. `addPending` when a member says how far its transaction has read. It is journaled by itself, and answered when
 *    the block that it returns is durable. `isStable` of a partition is false from here on: who asks for stable
 *    offsets is told to come again.
 * 2. `complete` when the transaction ends, within its atomic append, together with the control records in
 *    the partitions: it takes at most `COMPLETE_BYTES` of the journal. To complete what was never begun does nothing,
 *    and takes nothing.
 *
 * Both survive a restart: what was pending is so again, until the transaction, which is recovered too, ends. A producer
 * is in one transaction at a time, so that its id says which.
 */
export interface TransactionalOffsets {
  /** Members are checked as with other commits. @throws GroupError */
  addPending(producerId: number, request: CommitRequest): number;
  complete(producerId: number, isCommitted: boolean): void;
  hasPending(producerId: number): boolean;
}

/** Of the journal, at most, for the end of one transaction. */
export const COMPLETE_BYTES = 128;
