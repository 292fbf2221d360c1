import { filtered } from '../../../base/turn-time.ts';
import { BrokerError } from '../../../broker/errors.ts';
import { checkGroupConfigs, GROUP_CONFIGS } from '../../../broker/groups/group-configs.ts';
import { CONFIG_RESOURCE_TYPE, CONFIG_SOURCE } from '../../../wire/kafka/constants.ts';
import { type Fault, fault } from '../fault.ts';
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
    const { vhost, actor } = context.client;
    const after = changed(configs.of(vhost, name), changes, isWhole, () => null);
    if (!(after instanceof Map)) return after;
    try {
      if (isValidation) checkGroupConfigs(after);
      else events.as(actor, () => configs.set(vhost, name, after));
      return null;
    } catch (error) {
      return invalid(error);
    }
  },
};

function invalid(error: unknown): Fault {
  if (!(error instanceof BrokerError)) throw error;
  return fault('INVALID_CONFIG', error.message);
}
