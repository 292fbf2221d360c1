import { type AnyQueue, localOf } from '../queues/any-queue.ts';
import type { PriorityLevel } from '../queues/priority-level.ts';
import type { Queue } from '../queues/queue.ts';
import type { RemoteQueue } from '../queues/remote-queue.ts';
import type { RemoteTarget } from '../shard/remote-publishing.ts';
import type { StreamPort } from '../topology/ports.ts';
import type { Route } from '../topology/route.ts';
import type { AppendTargets } from './atomic-append.ts';

/** A route as the store wants it: the log of each queue that a message goes to. */
export interface RouteTargets extends AppendTargets {
  /** Those of this shard. */
  readonly queues: readonly Queue[];
  readonly levels: readonly PriorityLevel[];
  /** Whether the same logs get every message, whatever its priority, no queue may refuse one, and there is no stream. */
  readonly isPlain: boolean;
  /** Whether one of the queues may refuse a message, or may have seen it before. */
  readonly needsAdmission: boolean;
}

const NO_REMOTES: readonly RemoteTarget[] = [];
const NO_STREAMS: readonly StreamPort[] = [];

/** By priority, with holes. */
const known = new WeakMap<Route<AnyQueue>, RouteTargets[]>();

/** Cached with the route: a change of a policy makes new routes. */
export function targetsOf(route: Route<AnyQueue>, priority = 0): RouteTargets {
  // The delay bucket of a message depends on the time at which it is published.
  if (route.delayMs > 0) return targetsIn(route.queues, priority, route.streams);
  let byPriority = known.get(route);
  if (byPriority === undefined) {
    byPriority = [];
    known.set(route, byPriority);
  }
  return byPriority[priority] ?? firstTargets(byPriority, route, priority);
}

/** Priorities whose messages go to the same levels have the same targets: a queue may have fewer levels than priorities. */
function firstTargets(byPriority: RouteTargets[], route: Route<AnyQueue>, priority: number): RouteTargets {
  const targets = targetsIn(route.queues, priority, route.streams);
  const same = byPriority.find((each) => each !== undefined && isSame(each.levels, targets.levels));
  byPriority[priority] = same ?? targets;
  return byPriority[priority];
}

function isSame(some: readonly PriorityLevel[], others: readonly PriorityLevel[]): boolean {
  return some.every((level, index) => level === others[index]);
}

/** For queues that were chosen for one message. */
export function targetsIn(
  all: readonly AnyQueue[],
  priority: number,
  streams: readonly StreamPort[] = NO_STREAMS,
): RouteTargets {
  const remotes = all.some((queue) => queue.isRemote) ? remotesOf(all) : NO_REMOTES;
  const queues = remotes.length === 0 ? (all as readonly Queue[]) : [...localOf(all)];
  const levels = queues.map((queue) => queue.levelFor(priority));
  const logs = levels.map((level) => level.log);
  const needsAdmission = queues.some((queue) => queue.isGuarded);
  return {
    queues,
    streams,
    remotes,
    levels,
    logs,
    durableLogs: logs.filter((log) => log.durable),
    isPlain:
      !needsAdmission &&
      streams.length === 0 &&
      remotes.length === 0 &&
      queues.every((queue) => queue.settings.maxPriority === 0),
    needsAdmission,
  };
}

/** By their shard: a message goes to each shard once. */
function remotesOf(queues: readonly AnyQueue[]): readonly RemoteTarget[] {
  const byShard = new Map<number, RemoteQueue[]>();
  for (const queue of queues) {
    if (!queue.isRemote) continue;
    const there = byShard.get(queue.shard) ?? [];
    byShard.set(queue.shard, there);
    there.push(queue);
  }
  return Array.from(byShard, ([shard, there]) => ({ shard, queues: there }));
}
