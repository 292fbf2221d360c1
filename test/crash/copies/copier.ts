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
  /** What it is doing, for whoever wants to know why it does nothing. */
  describe(): string;
  /** There is a broker again, at this port. */
  brokerStarted(port: number): void;
  stop(): Promise<void>;
}
