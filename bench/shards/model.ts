/**
 * A model, and no measurement: what n shards on n cores would carry, from what a message costs one shard, and two when its clients
 * are in the other one. It leaves out what cores share (memory bandwidth, the disk, the kernel), so that it is an upper bound.
 */
export interface MeasuredCosts {
  /** Microseconds of one core for each message. */
  readonly oneShard: number;
  readonly sameShard: number;
  readonly otherShard: number;
}

export interface ModelRow {
  readonly shards: number;
  /** Times the throughput of one shard: with queues where their clients are, and with clients anywhere. */
  readonly together: number;
  readonly anywhere: number;
}

export function modelOf({ oneShard, sameShard, otherShard }: MeasuredCosts, shards: number): ModelRow {
  const isThere = 1 / shards;
  const anywhere = sameShard * isThere + otherShard * (1 - isThere);
  return { shards, together: (shards * oneShard) / sameShard, anywhere: (shards * oneShard) / anywhere };
}
