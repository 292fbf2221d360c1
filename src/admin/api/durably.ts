import type { AdminContext } from '../context.ts';
import type { ApiResponse } from '../response.ts';

/** The answer, when the change that was just made is as durable as the broker makes its changes. */
export function durably<A extends ApiResponse>({ broker }: AdminContext, answer: A): Promise<A> {
  const block = broker.metadataBlock;
  if (broker.isDurable(block)) return Promise.resolve(answer);
  return new Promise((resolve) => broker.whenDurable(block, { onDurable: () => resolve(answer) }));
}
