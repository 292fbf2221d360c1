import { hostname } from 'node:os';
import type { Table } from '../../../base/value.ts';

/** RabbitMQ's extensions that a client understands: the table `capabilities` of its client-properties. */
export interface ClientCapabilities {
  readonly consumerCancelNotify: boolean;
  readonly connectionBlocked: boolean;
  readonly authenticationFailureClose: boolean;
}

export function clientCapabilities(properties: Table): ClientCapabilities {
  const { capabilities } = properties;
  const has = (name: string): boolean =>
    typeof capabilities === 'object' && capabilities !== null && (capabilities as Table)[name] === true;
  return {
    consumerCancelNotify: has('consumer_cancel_notify'),
    connectionBlocked: has('connection.blocked'),
    authenticationFailureClose: has('authentication_failure_close'),
  };
}

/** Server-properties of connection.start. Clients look into `capabilities` before they use an extension. */
export function serverProperties(version: string): Table {
  return {
    product: 'Sluice',
    version,
    platform: `Node.js ${process.versions.node}`,
    cluster_name: `sluice@${hostname()}`,
    capabilities: {
      publisher_confirms: true,
      exchange_exchange_bindings: true,
      'basic.nack': true,
      consumer_cancel_notify: true,
      'connection.blocked': true,
      consumer_priorities: true,
      authentication_failure_close: true,
      per_consumer_qos: true,
      direct_reply_to: true,
    },
  };
}
