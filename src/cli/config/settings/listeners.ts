import { addresses, advertisedAddress, hostName, integer, listenerPort } from '../setting-types.ts';
import { setting } from './definition.ts';

/** Where clients connect. */
export const LISTENERS = {
  host: setting({
    key: 'host',
    type: hostName,
    default: '127.0.0.1',
    description: 'Address of all listeners. 0.0.0.0 or :: stands for all addresses of the machine.',
  }),
  amqpPort: setting({
    key: 'amqp-port',
    type: listenerPort,
    default: 5672,
    description: 'Port for AMQP 0-9-1.',
  }),
  amqpsPort: setting({
    key: 'amqps-port',
    type: listenerPort,
    default: 'off',
    description:
      'Port for AMQP 0-9-1 over TLS (1.2 and up); 5671 is the usual one. Needs tls-cert and tls-key.',
  }),
  kafkaPort: setting({
    key: 'kafka-port',
    type: listenerPort,
    default: 9092,
    description: 'Port for the Kafka protocol.',
  }),
  kafkasPort: setting({
    key: 'kafkas-port',
    type: listenerPort,
    default: 'off',
    description:
      'Port for the Kafka protocol over TLS (1.2 and up); 9093 is the usual one. Needs tls-cert and tls-key.',
  }),
  kafkaShardPortStep: setting({
    key: 'kafka-shard-port-step',
    type: integer(1, 1000),
    default: 10,
    description:
      'With several shards, each is a broker of its own to Kafka clients: shard 0 has kafka-port and kafkas-port, and each next one ' +
      'both so much higher (9092, 9102, 9112). All have to be reachable. See docs/shards.md.',
  }),
  kafkaAdvertisedHost: setting({
    key: 'kafka-advertised-host',
    type: advertisedAddress,
    default: null,
    description:
      'Address that Kafka clients are given for this broker. none = the address that they have connected to. With several shards ' +
      'a port here is that of shard 0; those of others are as far from it as the ports that they listen on.',
  }),
  proxyProtocolFrom: setting({
    key: 'proxy-protocol-from',
    type: addresses,
    default: [],
    description:
      'Addresses of proxies that send the PROXY protocol, version 1 or 2. The client address in its header counts ' +
      'everywhere. These proxies have to send a header on all listeners; nobody else may.',
  }),
  mqttPort: setting({
    key: 'mqtt-port',
    type: listenerPort,
    default: 'off',
    unbuilt: true,
    description: 'Port for MQTT.',
  }),
  stompPort: setting({
    key: 'stomp-port',
    type: listenerPort,
    default: 'off',
    unbuilt: true,
    description: 'Port for STOMP.',
  }),
  httpPort: setting({
    key: 'http-port',
    type: listenerPort,
    default: 'off',
    unbuilt: true,
    description: 'Port for the HTTP API, metrics and the web console.',
  }),
};
