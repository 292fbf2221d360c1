import type { Work } from '../../../base/turn-time.ts';
import type { RequestContext } from '../handlers/request-context.ts';
import type { PendingResponse } from './pending-response.ts';

/** Begins the work of a request. If it does not end at once, the next request of the connection waits until it does. */
export function runWork(
  steps: Work<void>,
  pending: PendingResponse,
  { client, broker }: RequestContext,
): void {
  const owner = { protocol: 'Kafka', request: pending.api.name, user: client.actor };
  try {
    const done = broker.shard.turnTime.run(steps, owner);
    if (!(done instanceof Promise)) return;
    done.catch((error) => pending.fail(error)).finally(client.hold());
  } catch (error) {
    pending.fail(error);
  }
}
