import type { Partition } from '../streams/partition.ts';
import type { Owner } from './requests.ts';
import type { TransactionErrorKind } from './transaction-error.ts';

/** What a producer says with its records. */
export interface TransactionAdmission {
  readonly transactionalId: string | null;
  /**
   * Whether a partition becomes part of the transaction with its first records, and a transaction may begin with them
   * (KIP-890); otherwise that has to be said before.
   */
  readonly mayAdd: boolean;
  /** What the coordinator in another shard has refused. */
  readonly refused?: Refused;
}

/** Partitions that the coordinator has said are not in the transaction, and why not. */
export type Refused = ReadonlyMap<Partition, TransactionErrorKind>;

/** Whether partitions of another shard are in the open transaction of the owner: asked of the coordinator (KIP-890). */
export interface VerificationRequest {
  readonly owner: Owner;
  readonly mayAdd: boolean;
  readonly partitions: readonly Partition[];
}
