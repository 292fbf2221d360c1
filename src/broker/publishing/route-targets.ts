import type { QueueLog } from '../../log/queues/queue-log.ts';
import type { PriorityLevel } from '../queues/priority-level.ts';
import type { Queue } from '../queues/queue.ts';
import type { StreamPort } from '../topology/ports.ts';
import type { Route } from '../topology/route.ts';

/** A route as the store wants it: the log of each queue that a message goes to. */
export interface Targets {
  readonly queues: readonly Queue[];
  readonly streams: readonly StreamPort[];
  readonly lanes: readonly PriorityLevel[];
  readonly logs: readonly QueueLog[];
  /** Those of `logs` that survive a restart. */
  readonly durableLogs: readonly QueueLog[];
  /** Whether the same logs get every message, whatever its priority, no queue may refuse one, and there is no stream. */
  readonly isPlain: boolean;
  /** Whether one of the queues may refuse a message. */
  readonly isGuarded: boolean;
}

const NO_STREAMS: readonly StreamPort[] = [];

const known = new WeakMap<Route<Queue>, Targets[]>();

/** What a policy may change is the same as long as the route is: its change makes new routes. */
export function targetsOf(route: Route<Queue>, priority = 0): Targets {
  // Where a message waits depends on when it begins to.
  if (route.delayMs > 0) return targetsIn(route.queues, priority, route.streams);
  let byPriority = known.get(route);
  if (byPriority === undefined) {
    byPriority = [];
    known.set(route, byPriority);
  }
  let targets = byPriority[priority];
  if (targets === undefined) {
    targets = targetsIn(route.queues, priority, route.streams);
    byPriority[priority] = targets;
  }
  return targets;
}

/** For queues that were chosen for one message. */
export function targetsIn(
  queues: readonly Queue[],
  priority: number,
  streams: readonly StreamPort[] = NO_STREAMS,
): Targets {
  const lanes = queues.map((queue) => queue.laneFor(priority));
  const logs = lanes.map((lane) => lane.log);
  const isGuarded = queues.some((queue) => queue.isGuarded);
  return {
    queues,
    streams,
    lanes,
    logs,
    durableLogs: logs.filter((log) => log.durable),
    isPlain: !isGuarded && streams.length === 0 && queues.every((queue) => queue.settings.maxPriority === 0),
    isGuarded,
  };
}
