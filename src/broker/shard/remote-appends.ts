/** How records get to partitions of other shards, without an outbox: it is their publisher who waits for them. */
export interface RemoteAppends {
  /** Sends a record to a partition, by the id of its log; `content` is kept. One part of the token is its answer; 0 for no token. */
  append(shard: number, logId: number, content: Buffer, token: number): void;
  /** Whether so much is on its way to one of these shards that publishers had better wait. */
  mustPause(shards: readonly number[]): boolean;
  /** `listener` is called once, when that may have changed. */
  onResume(shards: readonly number[], listener: () => void): void;
}
