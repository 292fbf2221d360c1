import { normalizeConfig, validateConfigs } from '../../../broker/streams/topic-config-validation.ts';
import { SHOWN_CONFIGS, type TopicConfig, topicConfig } from '../../../broker/streams/topic-configs.ts';
import { CONFIG_RESOURCE_TYPE, CONFIG_SOURCE } from '../../../wire/kafka/constants.ts';
import { type Fault, fault, faultOf } from '../fault.ts';
import type { RequestContext } from '../handlers/request-context.ts';
import { topicNameProblem } from '../topics/topic-name.ts';
import { describableTopics, topicByName } from '../topics/topics.ts';
import {
  type ConfigChange,
  type ConfigEntry,
  type ConfigResource,
  type ConfigSynonym,
  changed,
} from './config-resource.ts';
import { setForBroker } from './dynamic-broker-configs.ts';
import { TYPE_CODES } from './type-codes.ts';

export const topicConfigs: ConfigResource = {
  type: CONFIG_RESOURCE_TYPE.TOPIC,

  *list(context) {
    return (yield* describableTopics(context)).map(({ name }) => name);
  },

  describe(name, context) {
    if (!context.isAllowed('describe-configs', 'topic', name)) return fault('TOPIC_AUTHORIZATION_FAILED');
    const problem = topicNameProblem(name);
    if (problem !== null) return fault('INVALID_TOPIC_EXCEPTION', problem);
    const stream = topicByName(context, name);
    return stream === undefined
      ? fault('UNKNOWN_TOPIC_OR_PARTITION')
      : describedTopicConfigs(stream.configs, context);
  },

  alter(name, changes, isWhole, isValidation, context) {
    if (!context.isAllowed('alter-configs', 'topic', name)) return fault('TOPIC_AUTHORIZATION_FAILED');
    const problem = topicNameProblem(name);
    if (problem !== null) return fault('INVALID_TOPIC_EXCEPTION', problem);
    const stream = topicByName(context, name);
    if (stream === undefined) {
      return fault('UNKNOWN_TOPIC_OR_PARTITION', `The topic '${name}' does not exist.`);
    }
    const configs = configsAfter(stream.configs, changes, isWhole);
    if (!(configs instanceof Map)) return configs;
    if (isValidation) return null;
    const { streams, events } = context.broker;
    try {
      events.as(context.client.actor, () => streams.configure(stream, configs));
      return null;
    } catch (error) {
      return faultOf(error);
    }
  },
};

function configsAfter(
  before: ReadonlyMap<string, string>,
  changes: readonly ConfigChange[],
  isWhole: boolean,
): Map<string, string> | Fault {
  const after = changed(before, changes, isWhole, (name) => {
    const config = topicConfig(name);
    return config?.type === 'list' ? config.default : null;
  });
  if (!(after instanceof Map)) return after;
  const problem = validateConfigs(after);
  if (problem !== null) return fault('INVALID_CONFIG', problem);
  return new Map([...after].map(([name, value]) => [name, normalizeConfig(name, value)]));
}

/** All configs of a topic, of which those in `set` are its own. */
export function describedTopicConfigs(
  set: ReadonlyMap<string, string>,
  context: RequestContext,
): ConfigEntry[] {
  const hidden = [...set.keys()].flatMap((name) => {
    const config = topicConfig(name);
    return config?.isHidden === true ? [config] : [];
  });
  return [...SHOWN_CONFIGS, ...hidden].map((config) => entryOf(config, set.get(config.name), context));
}

function entryOf(config: TopicConfig, own: string | undefined, context: RequestContext): ConfigEntry {
  const { name, type, description, brokerName } = config;
  const synonyms: ConfigSynonym[] =
    own === undefined ? [] : [{ name, value: own, source: CONFIG_SOURCE.TOPIC }];
  if (brokerName !== null) {
    for (const each of setForBroker(brokerName, context)) synonyms.push(each);
    synonyms.push({ name: brokerName, value: config.default, source: CONFIG_SOURCE.DEFAULT });
  }
  const { value, source } = synonyms[0] ?? { value: config.default, source: CONFIG_SOURCE.DEFAULT };
  return {
    name,
    value,
    readOnly: false,
    source,
    type: TYPE_CODES[type],
    documentation: description,
    synonyms,
  };
}
