import type { AdminContext } from '../context.ts';
import type { ApiResponse } from '../response.ts';

<<<<<<< HEAD
/** Resolves with the response once the change that was just made is durable. */
export async function durably<A extends ApiResponse>({ broker }: AdminContext, answer: A): Promise<A> {
  const { shard } = broker;
  return shard.durably(shard.metadataBlock, answer);
=======
/** The answer, when the change that was just made is as durable as the broker makes its changes. */
export function _durably<A extends ApiResponse>({ broker }: AdminContext, answer: A): Promise<A> {
  const block = broker.metadataBlock;
  if (broker.isDurable(block)) return Promise.resolve(answer);
  return new Promise((resolve) => broker.whenDurable(block, { onDurable: () => resolve(answer) }));
>>>>>>> eef0be6 (Comments of two files stay as they are: they are being changed elsewhere)
}
