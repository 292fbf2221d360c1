import { mapped } from '../../../base/turn-time.ts';
import { CLUSTER_NAME } from '../../../broker/access/acl.ts';
import { BrokerError } from '../../../broker/errors.ts';
import { brokerConfig } from '../../../broker/streams/broker-config-table.ts';
import { checkBrokerConfigs } from '../../../broker/streams/broker-configs.ts';
import type { ConfigType } from '../../../broker/streams/config-value.ts';
import { CONFIG_RESOURCE_TYPE, CONFIG_SOURCE } from '../../../wire/kafka/constants.ts';
import { type Fault, fault } from '../fault.ts';
import type { RequestContext } from '../handlers/request-context.ts';
import { NODE_ID } from '../node-id.ts';
import { type ConfigEntry, type ConfigResource, changed } from './config-resource.ts';
import { clusterConfigs, dynamicConfigs } from './dynamic-broker-configs.ts';
import { TYPE_CODES } from './type-codes.ts';

/** Kafka's default of max.connections.per.ip: no limit. */
const INT32_MAX = 0x7fffffff;

/**
 * Kafka's dynamic settings of a broker and of the cluster, whose name is empty (KIP-226); and Sluice's settings and fixed
 * behaviour under the names of Kafka's broker configs, which are read-only.
 */
export const brokerConfigs: ConfigResource = {
  type: CONFIG_RESOURCE_TYPE.BROKER,

  list() {
    return mapped([NODE_ID], String);
  },

  describe(name, context) {
    if (!context.client.mayRule('describe-configs', 'cluster', CLUSTER_NAME)) {
      return fault('CLUSTER_AUTHORIZATION_FAILED');
    }
    if (name === '') return clusterConfigs(context);
    return (
      wrongBroker(name) ??
      [...fixed(context), ...dynamicConfigs(given(context), context)].sort((a, b) =>
        a.name < b.name ? -1 : 1,
      )
    );
  },

  alter(name, changes, isWhole, isValidation, context) {
    if (!context.client.mayRule('alter-configs', 'cluster', CLUSTER_NAME))
      return fault('CLUSTER_AUTHORIZATION_FAILED');
    const wrong = name === '' ? null : wrongBroker(name);
    if (wrong !== null) return wrong;
    const scope = name === '' ? 'cluster' : 'broker';
    const { brokerConfigs: configs, events } = context.broker;
    const after = changed(configs.of(scope), changes, isWhole, (each) => {
      const config = brokerConfig(each);
      return config?.type === 'list' ? (config.default ?? '') : null;
    });
    if (!(after instanceof Map)) return after;
    try {
      checkBrokerConfigs(scope, after);
      if (!isValidation) events.as(context.client.actor, () => configs.set(scope, after));
      return null;
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error;
      return fault('INVALID_REQUEST', error.message);
    }
  },
};

function wrongBroker(name: string): Fault | null {
  if (!/^-?\d{1,10}$/.test(name)) {
    return fault('INVALID_REQUEST', `Broker id must be an integer, but it is: ${name}`);
  }
  if (Number(name) === NODE_ID) return null;
  return fault(
    'INVALID_REQUEST',
    `Unexpected broker id, expected ${NODE_ID} or empty string, but received ${name}`,
  );
}

/** Dynamic settings that this broker was given at its start, or has as a fixed behaviour. */
function given(context: RequestContext): ReadonlyMap<string, string> {
  const { settings, broker } = context;
  return new Map([
    ['listeners', listenerOf(context)],
    ['max.connections', String(settings.maxConnections)],
    ['max.connections.per.ip', String(Math.min(settings.maxConnectionsPerAddress, INT32_MAX))],
    ['producer.id.expiration.ms', String(broker.transactions.settings.producerExpirationMs)],
  ]);
}

function fixed(context: RequestContext): ConfigEntry[] {
  const { settings, broker } = context;
  const transactions = broker.transactions.settings;
  const given = CONFIG_SOURCE.STATIC_BROKER;
  const usual = CONFIG_SOURCE.DEFAULT;
  return [
    entry('advertised.listeners', 'string', listenerOf(context), given),
    entry('auto.create.topics.enable', 'boolean', settings.createsTopics, given),
    entry('broker.id', 'int', NODE_ID, given),
    entry('connections.max.idle.ms', 'long', settings.idleTimeoutMs, usual),
    entry('default.replication.factor', 'int', 1, usual),
    entry('delete.topic.enable', 'boolean', true, usual),
    entry('log.dir', 'string', broker.shard.storage.directory, given),
    entry('log.dirs', 'string', broker.shard.storage.directory, given),
    entry('log.retention.hours', 'int', 168, usual),
    entry('node.id', 'int', NODE_ID, given),
    entry('num.partitions', 'int', settings.partitions, given),
    entry('offsets.topic.replication.factor', 'int', 1, usual),
    entry('process.roles', 'list', 'broker,controller', given),
    entry('socket.request.max.bytes', 'int', settings.requestBytesMax, usual),
    entry('transaction.max.timeout.ms', 'int', transactions.timeoutMsMax, usual),
    entry('transaction.state.log.min.isr', 'int', 1, usual),
    entry('transaction.state.log.replication.factor', 'int', 1, usual),
    entry('transactional.id.expiration.ms', 'int', transactions.idExpirationMs, usual),
  ];
}

function listenerOf({ advertised, isTls }: RequestContext): string {
  return `${isTls ? 'SSL' : 'PLAINTEXT'}://${advertised.host}:${advertised.port}`;
}

function entry(
  name: string,
  type: ConfigType,
  value: string | number | boolean,
  source: number,
): ConfigEntry {
  const text = String(value);
  return {
    name,
    value: text,
    readOnly: true,
    source,
    type: TYPE_CODES[type],
    documentation: 'Read-only: given to this broker at its start, or a fixed behaviour of it.',
    synonyms: [{ name, value: text, source }],
  };
}
