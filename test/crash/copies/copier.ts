/** One partition that is copied into the partition with the same number of another topic. */
export interface CopyJob {
  readonly source: string;
  readonly target: string;
  readonly partition: number;
  readonly group: string;
  readonly transactionalId: string;
  readonly random: () => number;
}

/** A client that copies, as long as there is a broker, in transactions. */
export interface Copier {
  /** What went wrong, and not because the broker was killed; null if nothing has. */
  readonly error: unknown;
  /** There is a broker again, at this port. */
  brokerStarted(port: number): void;
  stop(): Promise<void>;
}
