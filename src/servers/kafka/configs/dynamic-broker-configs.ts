import {
  BROKER_CONFIGS,
  type BrokerConfig,
  brokerConfig,
} from '../../../broker/streams/broker-config-table.ts';
import type { BrokerConfigScope } from '../../../broker/streams/broker-configs.ts';
import { CONFIG_SOURCE } from '../../../wire/kafka/constants.ts';
import type { RequestContext } from '../handlers/request-context.ts';
import type { ConfigEntry, ConfigSynonym } from './config-resource.ts';
import { TYPE_CODES } from './type-codes.ts';

/** In the order in which they go before one another. */
const SCOPES: readonly (readonly [BrokerConfigScope, number])[] = [
  ['broker', CONFIG_SOURCE.DYNAMIC_BROKER],
  ['cluster', CONFIG_SOURCE.DYNAMIC_DEFAULT_BROKER],
];

/** What was set while the broker ran, what goes before first (KIP-226). */
export function setForBroker(name: string, { broker }: RequestContext): ConfigSynonym[] {
  return SCOPES.flatMap(([scope, source]) => {
    const value = broker.brokerConfigs.of(scope).get(name);
    return value === undefined ? [] : [{ name, value: shown(name, value), source }];
  });
}

/** All dynamic settings of the broker. `given`: those that this broker was given at its start, by Kafka's names. */
export function dynamicConfigs(given: ReadonlyMap<string, string>, context: RequestContext): ConfigEntry[] {
  const { brokerConfigs } = context.broker;
  const ofListeners = new Set(
    [...brokerConfigs.of('broker').keys(), ...brokerConfigs.of('cluster').keys()].filter((name) =>
      name.startsWith('listener.name.'),
    ),
  );
  const all = [...BROKER_CONFIGS, ...Array.from(ofListeners, (name) => brokerConfig(name) as BrokerConfig)];
  return all.map((config) => {
    const { name } = config;
    const own = given.get(name);
    const synonyms = setForBroker(name, context);
    if (own !== undefined) synonyms.push({ name, value: own, source: CONFIG_SOURCE.STATIC_BROKER });
    else if (config.default !== null && !ofListeners.has(name)) {
      synonyms.push({ name, value: config.default, source: CONFIG_SOURCE.DEFAULT });
    }
    return entryOf(config, synonyms);
  });
}

/** What is set for all brokers of the cluster. */
export function clusterConfigs({ broker }: RequestContext): ConfigEntry[] {
  return Array.from(broker.brokerConfigs.of('cluster'), ([name, value]) =>
    entryOf(brokerConfig(name) as BrokerConfig, [
      { name, value: shown(name, value), source: CONFIG_SOURCE.DYNAMIC_DEFAULT_BROKER },
    ]),
  );
}

function entryOf(config: BrokerConfig, synonyms: readonly ConfigSynonym[]): ConfigEntry {
  const { name, type, effect, description } = config;
  const { value, source } = synonyms[0] ?? { value: config.default, source: CONFIG_SOURCE.DEFAULT };
  return {
    name,
    value,
    isSensitive: type === 'password',
    readOnly: false,
    source,
    type: TYPE_CODES[type],
    documentation: effect === 'has-effect' ? description : `Kept and shown, without effect. ${description}`,
    synonyms,
  };
}

/** Secrets are told to nobody. */
function shown(name: string, value: string): string | null {
  return brokerConfig(name)?.type === 'password' ? null : value;
}
