import type { Work } from '../../../base/turn-time.ts';
import type { Stream } from '../../../broker/streams/stream.ts';
import type { StreamSpec } from '../../../broker/streams/streams.ts';
import { normalizeConfig } from '../../../broker/streams/topic-config-validation.ts';
import { type Fault, fault } from '../fault.ts';
import type { RequestContext } from '../handlers/request-context.ts';
import { topicNameProblem } from './topic-name.ts';
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
  // Kafka's metric names do not tell these two characters apart.
  const other = streams.similar(vhost, name);
  if (other === undefined) return null;
  return fault('INVALID_TOPIC_EXCEPTION', `Topic '${name}' collides with existing topic: ${other.name}`);
}

/** @throws BrokerError if a limit of the broker refuses it */
export function createTopic(
  name: string,
  plan: TopicPlan,
  context: RequestContext,
  prepared: Stream | null = null,
): Stream {
  const { broker } = context;
  const spec = specOf(name, plan, context);
  return broker.events.as(spec.user, () => broker.streams.create(spec, prepared));
}

/** A topic of more partitions is made in steps. */
export const PARTITIONS_AT_ONCE_MAX = 16;

/** As `createTopic`. */
export function* createTopicInSteps(name: string, plan: TopicPlan, context: RequestContext): Work<Stream> {
  const isLarge = plan.partitions > PARTITIONS_AT_ONCE_MAX;
  const { streams } = context.broker;
  return createTopic(
    name,
    plan,
    context,
    isLarge ? yield* streams.prepare(specOf(name, plan, context)) : null,
  );
}

function specOf(
  name: string,
  plan: TopicPlan,
  { client }: RequestContext,
): StreamSpec & { readonly user: string } {
  const configs = new Map<string, string>();
  for (const [key, value] of plan.configs) configs.set(key, normalizeConfig(key, value));
  const { vhost, actor: user } = client;
  return {
    vhost,
    name,
    partitions: plan.partitions,
    shards: plan.shards ?? 'spread',
    configs,
    user,
  };
}
