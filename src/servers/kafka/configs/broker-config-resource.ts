import { mapped } from '../../../base/turn-time.ts';
import { CLUSTER_NAME } from '../../../broker/access/acl.ts';
import { BrokerError } from '../../../broker/errors.ts';
import { brokerConfig } from '../../../broker/streams/broker-config-table.ts';
import { checkBrokerConfigs } from '../../../broker/streams/broker-configs.ts';
import type { ConfigType } from '../../../broker/streams/config-value.ts';
import { CONFIG_RESOURCE_TYPE, CONFIG_SOURCE } from '../../../wire/kafka/constants.ts';
import { type Fault, fault } from '../fault.ts';
import type { RequestContext } from '../handlers/request-context.ts';
import { NODE_ID, nodeIdOf, shardOfNode } from '../node-id.ts';
import { type ConfigEntry, type ConfigResource, changed } from './config-resource.ts';
import { clusterConfigs, dynamicConfigs } from './dynamic-broker-configs.ts';
import { TYPE_CODES } from './type-codes.ts';

/** Kafka's default of max.connections.per.ip: no limit. */
const INT32_MAX = 0x7fffffff;

/**
 * Kafka's dynamic settings of a broker and of the cluster, whose name is empty (KIP-226): brokers that are shards of one process have
 * the same ones, under whichever id they were set. And Sluice's settings and fixed
 * behaviour under the names of Kafka's broker configs, which are read-only.
 */
export const brokerConfigs: ConfigResource = {
  type: CONFIG_RESOURCE_TYPE.BROKER,

  list({ brokers }) {
    return mapped(brokers, ({ nodeId }) => String(nodeId));
  },

  describe(name, context) {
    if (!context.client.mayRule('describe-configs', 'cluster', CLUSTER_NAME)) {
      return fault('CLUSTER_AUTHORIZATION_FAILED');
    }
    if (name === '') return clusterConfigs(context);
    const shard = shardNamed(name, context);
    if (typeof shard !== 'number') return shard;
    return [...fixed(shard, context), ...dynamicConfigs(given(shard, context), context)].sort((a, b) =>
      a.name < b.name ? -1 : 1,
    );
  },

  alter(name, changes, isWhole, isValidation, context) {
    if (!context.client.mayRule('alter-configs', 'cluster', CLUSTER_NAME))
      return fault('CLUSTER_AUTHORIZATION_FAILED');
    const shard = name === '' ? 0 : shardNamed(name, context);
    if (typeof shard !== 'number') return shard;
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

/** The shard that is this broker. */
function shardNamed(name: string, { brokerCount }: RequestContext): number | Fault {
  if (!/^-?\d{1,10}$/.test(name)) {
    return fault('INVALID_REQUEST', `Broker id must be an integer, but it is: ${name}`);
  }
  const shard = shardOfNode(Number(name), brokerCount);
  if (shard !== null) return shard;
  const last = nodeIdOf(brokerCount - 1);
  const expected = brokerCount === 1 ? `${NODE_ID}` : `${NODE_ID} to ${last}`;
  return fault(
    'INVALID_REQUEST',
    `Unexpected broker id, expected ${expected} or empty string, but received ${name}`,
  );
}

/** Dynamic settings that this broker was given at its start, or has as a fixed behaviour. */
function given(shard: number, context: RequestContext): ReadonlyMap<string, string> {
  const { settings, broker } = context;
  return new Map([
    ['listeners', listenerOf(shard, context)],
    ['max.connections', String(settings.maxConnections)],
    ['max.connections.per.ip', String(Math.min(settings.maxConnectionsPerAddress, INT32_MAX))],
    ['producer.id.expiration.ms', String(broker.transactions.settings.producerExpirationMs)],
  ]);
}

function fixed(shard: number, context: RequestContext): ConfigEntry[] {
  const { settings, broker } = context;
  const transactions = broker.transactions.settings;
  const given = CONFIG_SOURCE.STATIC_BROKER;
  const usual = CONFIG_SOURCE.DEFAULT;
  return [
    entry('advertised.listeners', 'string', listenerOf(shard, context), given),
    entry('auto.create.topics.enable', 'boolean', settings.createsTopics, given),
    entry('broker.id', 'int', nodeIdOf(shard), given),
    entry('connections.max.idle.ms', 'long', settings.idleTimeoutMs, usual),
    entry('default.replication.factor', 'int', 1, usual),
    entry('delete.topic.enable', 'boolean', true, usual),
    // Of another shard it is known there.
    ...(shard === context.shard ? directories(broker.shard.storage.directory) : []),
    entry('log.retention.hours', 'int', 168, usual),
    entry('node.id', 'int', nodeIdOf(shard), given),
    entry('num.partitions', 'int', settings.partitions, given),
    entry('offsets.topic.replication.factor', 'int', 1, usual),
    entry('process.roles', 'list', shard === 0 ? 'broker,controller' : 'broker', given),
    entry('socket.request.max.bytes', 'int', settings.requestBytesMax, usual),
    entry('transaction.max.timeout.ms', 'int', transactions.timeoutMsMax, usual),
    entry('transaction.state.log.min.isr', 'int', 1, usual),
    entry('transaction.state.log.replication.factor', 'int', 1, usual),
    entry('transactional.id.expiration.ms', 'int', transactions.idExpirationMs, usual),
  ];
}

function directories(directory: string): ConfigEntry[] {
  const given = CONFIG_SOURCE.STATIC_BROKER;
  return [entry('log.dir', 'string', directory, given), entry('log.dirs', 'string', directory, given)];
}

function listenerOf(shard: number, { brokers, isTls }: RequestContext): string {
  const { host, port } = brokers[shard];
  return `${isTls ? 'SSL' : 'PLAINTEXT'}://${host}:${port}`;
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
