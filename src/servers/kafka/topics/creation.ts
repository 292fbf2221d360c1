import type { Stream } from '../../../broker/streams/stream.ts';
import { normalizeConfig } from '../../../broker/streams/topic-config-validation.ts';
import { type Fault, fault } from '../fault.ts';
import type { RequestContext } from '../handlers/request-context.ts';
import { collisionKey, topicNameProblem } from './topic-name.ts';
import type { TopicPlan } from './topic-plan.ts';

/** Why no topic of this name can be created: it is invalid, taken, or collides with another; null if it can. */
export function nameFault(name: string, context: RequestContext): Fault | null {
  const problem = topicNameProblem(name);
  if (problem !== null) return fault('INVALID_TOPIC_EXCEPTION', problem);
  const { streams } = context.broker;
  const { vhost } = context.client;
  if (streams.get(vhost, name) !== undefined) {
    return fault('TOPIC_ALREADY_EXISTS', `Topic '${name}' already exists.`);
  }
  if (!/[._]/.test(name)) return null;
  const key = collisionKey(name);
  const other = streams.list(vhost).find((stream) => collisionKey(stream.name) === key);
  if (other === undefined) return null;
  return fault('INVALID_TOPIC_EXCEPTION', `Topic '${name}' collides with existing topic: ${other.name}`);
}

/** @throws BrokerError if a limit of the broker refuses it */
export function createTopic(name: string, plan: TopicPlan, context: RequestContext): Stream {
  const { broker } = context;
  const configs = new Map<string, string>();
  for (const [key, value] of plan.configs) configs.set(key, normalizeConfig(key, value));
  const { vhost, actor } = context.client;
  return broker.events.as(actor, () =>
    broker.streams.create({ vhost, name, partitions: plan.partitions, configs, user: actor }),
  );
}
