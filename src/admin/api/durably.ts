import type { AdminContext } from '../context.ts';
import type { ApiResponse } from '../response.ts';

/** The answer, when the change that was just made is as durable as the broker makes its changes. */
export async function durably<A extends ApiResponse>({ broker }: AdminContext, answer: A): Promise<A> {
  const { shard } = broker;
  return shard.durably(shard.metadataBlock, answer);
}
