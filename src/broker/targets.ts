import type { MessageLog } from '../log/message-log.ts';
import type { Queue } from './queue.ts';
import type { Route } from './topology/routing.ts';

/** A route as the store wants it. */
export interface Targets {
  readonly queues: readonly Queue[];
  readonly logs: readonly MessageLog[];
  /** Those of `logs` that survive a restart. */
  readonly durableLogs: readonly MessageLog[];
}

const known = new WeakMap<Route<Queue>, Targets>();

export function targetsOf(route: Route<Queue>): Targets {
  let targets = known.get(route);
  if (targets === undefined) {
    const logs = route.queues.map((queue) => queue.log);
    targets = { queues: route.queues, logs, durableLogs: logs.filter((log) => log.durable) };
    known.set(route, targets);
  }
  return targets;
}
