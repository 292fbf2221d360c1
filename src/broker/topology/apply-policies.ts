import type { MatchedKind } from '../policies/apply-to.ts';
import type { AppliedPolicies, Policies } from '../policies/policies.ts';
import type { TopologyQueue } from '../queues/queue-port.ts';
import { settingsFrom } from '../queues/queue-settings.ts';
import type { Exchange } from './exchange.ts';
import { queueTypeOf } from './queue-arguments.ts';
import type { TopologyObserver } from './topology-observer.ts';

/** The policies of a virtual host, and who is told what they come to. */
export interface PolicyScope<Q extends TopologyQueue> {
  readonly policies: Policies;
  readonly observer: TopologyObserver<Q> | null;
}

type NamedQueue = Pick<TopologyQueue, 'name' | 'arguments'>;

/** What policies come to for a queue, now. */
export function appliedToQueue(policies: Policies, queue: NamedQueue): AppliedPolicies {
  return policies.appliedTo(kindOf(queue), queue.name);
}

/** Streams are exchanges to policies. */
export function kindOf(queue: NamedQueue): MatchedKind {
  return queueTypeOf(queue.arguments) === 'quorum' ? 'quorum' : 'classic';
}

export function appliedToExchange<Q extends TopologyQueue>(
  policies: Policies,
  exchange: Exchange<Q>,
): AppliedPolicies {
  return policies.appliedTo('exchange', exchange.name);
}

/** For a queue that is new, or that another policy may count for now. */
export function configureQueue(policies: Policies, queue: TopologyQueue): void {
  queue.configure(settingsFrom(queue.arguments, appliedToQueue(policies, queue).definition));
}

/** Returns whether anything is different now. */
export function configureExchange<Q extends TopologyQueue>(
  { policies, observer }: PolicyScope<Q>,
  exchange: Exchange<Q>,
): boolean {
  const before = exchange.alternate;
  const { definition } = appliedToExchange(policies, exchange);
  const alternate = definition['alternate-exchange'];
  exchange.setPolicy({ alternateExchange: typeof alternate === 'string' ? alternate : null });
  observer?.exchangeConfigured(exchange, definition);
  return exchange.alternate !== before;
}
