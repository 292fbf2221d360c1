import type { Work } from '../../base/turn-time.ts';
import type { AdminContext } from '../context.ts';

const OWNER = { protocol: 'HTTP', request: 'administration', user: 'administrator' };

/** Does the work on behalf of the administrator, while others go on. */
export async function inSteps<T>({ broker, actor }: AdminContext, work: Work<T>): Promise<T> {
  return await broker.shard.turnTime.run(broker.events.inSteps(actor, work), OWNER);
}
