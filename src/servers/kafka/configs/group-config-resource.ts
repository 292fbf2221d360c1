import { filtered } from '../../../base/turn-time.ts';
import { BrokerError } from '../../../broker/errors.ts';
import { deadLetterProblem, type SettingOwner } from '../../../broker/groups/dead-letter-owner.ts';
import { checkGroupConfigs, GROUP_CONFIGS } from '../../../broker/groups/group-configs.ts';
import { DEAD_LETTER_TOPIC } from '../../../broker/groups/share/share-settings.ts';
import { CONFIG_RESOURCE_TYPE, CONFIG_SOURCE } from '../../../wire/kafka/constants.ts';
import { ANONYMOUS } from '../connection/identity.ts';
import { type Fault, fault, faultOf } from '../fault.ts';
import type { RequestContext } from '../handlers/request-context.ts';
import { type ConfigResource, changed } from './config-resource.ts';
import { TYPE_CODES } from './type-codes.ts';

/** Configs of groups (KIP-848); a group can have them before it exists. */
export const groupConfigs: ConfigResource = {
  type: CONFIG_RESOURCE_TYPE.GROUP,

  list(context) {
    const names = context.broker.groupConfigs.list(context.client.vhost);
    return filtered(names, (name) => context.isAllowed('describe-configs', 'group', name));
  },

  describe(name, context) {
    if (!context.isAllowed('describe-configs', 'group', name)) return fault('GROUP_AUTHORIZATION_FAILED');
    if (name === '') return fault('INVALID_REQUEST', 'Group name must not be empty');
    const set = context.broker.groupConfigs.of(context.client.vhost, name);
    return [...GROUP_CONFIGS.values()].map((config) => {
      const own = set.get(config.name);
      const usual = { name: config.name, value: config.defaultValue, source: CONFIG_SOURCE.DEFAULT };
      return {
        name: config.name,
        value: own ?? config.defaultValue,
        readOnly: false,
        source: own === undefined ? CONFIG_SOURCE.DEFAULT : CONFIG_SOURCE.GROUP,
        type: TYPE_CODES[config.type],
        documentation: config.documentation,
        synonyms:
          own === undefined
            ? [usual]
            : [{ name: config.name, value: own, source: CONFIG_SOURCE.GROUP }, usual],
      };
    });
  },

  alter(name, changes, isWhole, isValidation, context) {
    if (!context.isAllowed('alter-configs', 'group', name)) return fault('GROUP_AUTHORIZATION_FAILED');
    if (name === '') return fault('INVALID_REQUEST', 'Group name must not be empty');
    const { groupConfigs: configs, events } = context.broker;
    const { vhost, actor, identity } = context.client;
    const user = identity?.user.name ?? null;
    const after = changed(configs.of(vhost, name), changes, isWhole, () => null);
    if (!(after instanceof Map)) return after;
    try {
      checkGroupConfigs(after);
      const owner = ownerOf(context);
      const topic = after.get(DEAD_LETTER_TOPIC) ?? '';
      if (topic !== '' && topic !== configs.of(vhost, name).get(DEAD_LETTER_TOPIC)) {
        const problem = topicProblem(topic, owner, context);
        if (problem !== null) return fault('TOPIC_AUTHORIZATION_FAILED', `${DEAD_LETTER_TOPIC}: ${problem}`);
      }
      if (!isValidation) events.as(actor, () => configs.set(vhost, name, after, owner, user));
      return null;
    } catch (error) {
      return invalid(error);
    }
  },
};

/** A group's dead-letter topic is written with the rights of whoever set it. */
function ownerOf({ client }: RequestContext): SettingOwner {
  const { identity, address } = client;
  return {
    user: identity?.user.name ?? '',
    host: address,
    anonymousAs: identity?.mechanism === ANONYMOUS ? ANONYMOUS : null,
  };
}

function topicProblem(topic: string, owner: SettingOwner, { broker, client }: RequestContext): string | null {
  const stream = broker.streams.get(client.vhost, topic);
  if (stream?.isInternal === true) return 'the broker alone writes there';
  return deadLetterProblem(broker.access, client.vhost, topic, stream, owner);
}

function invalid(error: unknown): Fault {
  if (!(error instanceof BrokerError)) throw error;
  if (error.kind === 'limit-reached' || error.kind === 'resource-short') return faultOf(error);
  return fault('INVALID_CONFIG', error.message);
}
