import { CLUSTER_NAME } from '../../../broker/access/acl.ts';
import { type ConfigType, TOPIC_CONFIGS } from '../../../broker/streams/topic-configs.ts';
import { CONFIG_OPERATION, CONFIG_RESOURCE_TYPE, CONFIG_SOURCE } from '../../../wire/kafka/constants.ts';
import { type Fault, fault } from '../fault.ts';
import type { RequestContext } from '../handlers/request-context.ts';
import { NODE_ID } from '../node-id.ts';
import type { ConfigEntry, ConfigResource } from './config-resource.ts';
import { TYPE_CODES } from './topic-config-resource.ts';

/** Kafka's default of max.connections.per.ip: no limit. */
const INT32_MAX = 0x7fffffff;

/** Sluice's settings and fixed behaviour under the names of Kafka's broker configs. */
export const brokerConfigs: ConfigResource = {
  type: CONFIG_RESOURCE_TYPE.BROKER,

  list() {
    return [String(NODE_ID)];
  },

  describe(name, context) {
    if (!context.client.mayRule('describe-configs', 'cluster', CLUSTER_NAME)) {
      return fault('CLUSTER_AUTHORIZATION_FAILED');
    }
    // The empty name asks for cluster-wide dynamic configs (KIP-226), of which there are none.
    if (name === '') return [];
    return (
      wrongBroker(name) ?? [...own(context), ...defaultsOfTopics()].sort((a, b) => (a.name < b.name ? -1 : 1))
    );
  },

  alter(name, changes, _isWhole, _isValidation, context) {
    if (!context.client.mayRule('alter-configs', 'cluster', CLUSTER_NAME))
      return fault('CLUSTER_AUTHORIZATION_FAILED');
    const wrong = name === '' ? null : wrongBroker(name);
    if (wrong !== null) return wrong;
    // Deleting a config that is not set succeeds: Kafka's tools do it when they clean up.
    const wanted = changes.filter(({ operation }) => operation !== CONFIG_OPERATION.DELETE);
    if (wanted.length === 0) return null;
    const names = wanted.map((change) => change.name).join(', ');
    return fault(
      'INVALID_REQUEST',
      `Cannot update these configs dynamically: Set(${names}): the settings of this broker are given at its start`,
    );
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

function own(context: RequestContext): ConfigEntry[] {
  const { settings, broker, isTls } = context;
  const transactions = broker.transactions.settings;
  const { host, port } = context.advertised;
  const listener = `${isTls ? 'SSL' : 'PLAINTEXT'}://${host}:${port}`;
  const fixed = CONFIG_SOURCE.STATIC_BROKER;
  const usual = CONFIG_SOURCE.DEFAULT;
  return [
    entry('advertised.listeners', 'string', listener, fixed),
    entry('auto.create.topics.enable', 'boolean', settings.createsTopics, fixed),
    entry('broker.id', 'int', NODE_ID, fixed),
    entry('connections.max.idle.ms', 'long', settings.idleTimeoutMs, usual),
    entry('default.replication.factor', 'int', 1, usual),
    entry('delete.topic.enable', 'boolean', true, usual),
    entry('listeners', 'string', listener, fixed),
    entry('log.dir', 'string', broker.shard.storage.directory, fixed),
    entry('log.dirs', 'string', broker.shard.storage.directory, fixed),
    entry('log.retention.hours', 'int', 168, usual),
    entry('max.connections', 'int', settings.maxConnections, fixed),
    entry('max.connections.per.ip', 'int', Math.min(settings.maxConnectionsPerAddress, INT32_MAX), fixed),
    entry('node.id', 'int', NODE_ID, fixed),
    entry('num.partitions', 'int', settings.partitions, fixed),
    entry('offsets.topic.replication.factor', 'int', 1, usual),
    entry('process.roles', 'list', 'broker,controller', fixed),
    entry('producer.id.expiration.ms', 'int', transactions.producerExpirationMs, usual),
    entry('socket.request.max.bytes', 'int', settings.requestBytesMax, usual),
    entry('transaction.max.timeout.ms', 'int', transactions.timeoutMsMax, usual),
    entry('transaction.state.log.min.isr', 'int', 1, usual),
    entry('transaction.state.log.replication.factor', 'int', 1, usual),
    entry('transactional.id.expiration.ms', 'int', transactions.idExpirationMs, usual),
  ];
}

function defaultsOfTopics(): ConfigEntry[] {
  return TOPIC_CONFIGS.flatMap(({ brokerName, type, default: value, description }) =>
    brokerName === null ? [] : [entry(brokerName, type, value, CONFIG_SOURCE.DEFAULT, description)],
  );
}

function entry(
  name: string,
  type: ConfigType,
  value: string | number | boolean,
  source: number,
  documentation = '',
): ConfigEntry {
  const text = String(value);
  return {
    name,
    value: text,
    readOnly: true,
    source,
    type: TYPE_CODES[type],
    documentation,
    synonyms: [{ name, value: text, source }],
  };
}
