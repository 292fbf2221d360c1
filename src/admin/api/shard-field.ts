import type { Broker } from '../../broker/broker.ts';

/** The field `shard` of what is shown, where there are several. */
export function shardField(broker: Broker, shard: number): { readonly shard?: number } {
  return broker.allShards.count === 1 ? {} : { shard };
}
