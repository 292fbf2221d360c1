import type { Work } from '../../../base/turn-time.ts';
import { tally } from '../../../base/work-collections.ts';
import { CLUSTER_NAME } from '../../../broker/access/acl.ts';
import type { Stream } from '../../../broker/streams/stream.ts';
import { type ResponseInput, ZERO_UUID } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { createTopics } from '../../../wire/kafka/messages/topics.ts';
import { describedTopicConfigs } from '../configs/topic-config-resource.ts';
import { durable } from '../durably.ts';
import { codesOf, type Fault, fault, faultOf } from '../fault.ts';
import type { ApiHandler } from '../handler.ts';
import { createTopicInSteps, nameFault } from '../topics/creation.ts';
import { type CreatableTopic, planTopic, type TopicPlan } from '../topics/topic-plan.ts';
import type { RequestContext } from './request-context.ts';

type Result = ResponseInput<typeof createTopics>['topics'][number];
type Configs = NonNullable<Result['configs']>;

const PARTITIONS_OF_REQUEST_MAX = 10_000;

export const createTopicsHandler: ApiHandler<typeof createTopics> = {
  api: createTopics,
  minVersion: 2,
  maxVersion: 7,
  home: 'controller',
  *handle({ topics, validateOnly }, context) {
    const counts = yield* tally(topics, ({ name }) => name);
    const seen = new Set<string>();
    const results: Result[] = [];
    let left = PARTITIONS_OF_REQUEST_MAX;
    // Of all topics without configs of their own: some forty entries.
    let usual: Configs | null = null;
    for (const topic of topics) {
      yield;
      // One result for all entries with the same name.
      if (seen.has(topic.name)) continue;
      seen.add(topic.name);
      const isDouble = (counts.get(topic.name) ?? 0) > 1;
      const plan = isDouble
        ? fault('INVALID_REQUEST', 'Duplicate topic name.')
        : yield* check(topic, context, left);
      if ('error' in plan) {
        results.push(refused(topic.name, plan));
        continue;
      }
      left -= plan.partitions;
      const configs = plan.configs.size === 0 ? (usual ??= describe(plan, context)) : describe(plan, context);
      results.push(yield* create(topic.name, plan, configs, validateOnly, context));
    }
    yield durable(context.broker);
    return { throttleTimeMs: 0, topics: results };
  },
};

function* check(
  topic: CreatableTopic,
  context: RequestContext,
  partitionsLeft: number,
): Work<TopicPlan | Fault> {
  const { name } = topic;
  if (!context.isAllowed('create', 'cluster', CLUSTER_NAME) && !context.isAllowed('create', 'topic', name)) {
    return fault('TOPIC_AUTHORIZATION_FAILED');
  }
  const wrong = nameFault(name, context);
  if (wrong !== null) return wrong;
  const plan = yield* planTopic(topic, context.settings.partitions, context.brokerCount);
  if ('error' in plan || plan.partitions <= partitionsLeft) return plan;
  return fault('POLICY_VIOLATION', 'Excessively large number of partitions per request.');
}

function* create(
  name: string,
  plan: TopicPlan,
  configs: Configs,
  isValidation: boolean,
  context: RequestContext,
): Work<Result> {
  let stream: Stream | null = null;
  if (!isValidation) {
    try {
      stream = yield* createTopicInSteps(name, plan, context);
    } catch (error) {
      return refused(name, faultOf(error));
    }
  }
  const created = { name, topicId: stream?.id ?? ZERO_UUID, ...codesOf(null) };
  if (!context.isAllowed('describe-configs', 'topic', name)) {
    return { ...created, configs: null, topicConfigErrorCode: ERROR_CODES.TOPIC_AUTHORIZATION_FAILED };
  }
  return { ...created, numPartitions: plan.partitions, replicationFactor: 1, configs };
}

function describe(plan: TopicPlan, context: RequestContext): Configs {
  return describedTopicConfigs(plan.configs, context).map(({ name, value, readOnly, source }) => ({
    name,
    value,
    readOnly,
    configSource: source,
    isSensitive: false,
  }));
}

function refused(name: string, reason: Fault): Result {
  return { name, ...codesOf(reason), configs: null };
}
