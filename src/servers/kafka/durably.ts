import type { Broker } from '../../broker/broker.ts';

/** The response, at once if this block of the journal is durable, else a promise of it. */
export function whenDurable<T>(broker: Broker, block: number, response: T): T | Promise<T> {
  return broker.shard.durably(block, response);
}

/** For a response that tells of changes which were just journaled: all of them are durable, and in effect in all shards. */
export async function durable(broker: Broker): Promise<void> {
  await broker.shard.durable();
  await broker.metadataIsSafe();
}

/** For a response that tells of a group's members: its last journaled membership is durable. */
export function whenMembersDurable<T>(
  broker: Broker,
  vhost: string,
  group: string,
  response: T,
): T | Promise<T> {
  return whenDurable(broker, broker.groups.find(vhost, group)?.membershipBlock ?? 0, response);
}
