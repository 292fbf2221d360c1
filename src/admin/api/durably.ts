import type { AdminContext } from '../context.ts';
import type { ApiResponse } from '../response.ts';

/** Resolves with the response once the change that was just made is durable. */
export async function durably<A extends ApiResponse>({ broker }: AdminContext, answer: A): Promise<A> {
  await broker.metadataIsSafe();
  return answer;
}
