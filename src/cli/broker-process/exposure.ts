import type { Broker } from '../../broker/broker.ts';
import { isLoopbackAddress } from '../../servers/listener/loopback.ts';
import type { Configuration } from '../config/settings.ts';

/** What is open to others that an operator may not have meant to open: a warning each, with what to do about it. */
export interface Exposure {
  readonly listener: string;
  readonly message: string;
}

const GUEST = 'guest';

/** Whether nobody but this machine can connect. A name but `localhost` may be any address. */
export function isLocalHost(host: string): boolean {
  return host === 'localhost' || isLoopbackAddress(host);
}

/** Who stands for Kafka clients that have not logged in; null: nobody. */
export function anonymousUserOf({
  kafkaAnonymousUser: setting,
  host,
  proxyProtocolFrom,
}: Configuration): string | null {
  if (setting !== 'auto') return setting.name;
  return isLocalHost(host) && proxyProtocolFrom.length === 0 ? GUEST : null;
}

/** To be told in the log at each start. */
export function exposuresOf(configuration: Configuration, { access }: Broker): Exposure[] {
  const found: Exposure[] = [];
  const { host, loopbackUsers, amqpPort, kafkaPort, kafkasPort } = configuration;
  const isOpen = !isLocalHost(host) || configuration.proxyProtocolFrom.length > 0;
  if (isOpen) {
    for (const [name, port] of [
      ['amqp', amqpPort],
      ['kafka', kafkaPort],
    ] as const) {
      if (port === 'off') continue;
      const message =
        `${name}-port accepts connections without TLS from outside this machine: passwords and messages can be read on the ` +
        `way. Set ${name}s-port, tls-cert and tls-key, and ${name}-port = off; or host = 127.0.0.1`;
      found.push({ listener: name, message });
    }
  }
  if (isOpen && access.hasDefaultPassword(GUEST)) {
    const from = loopbackUsers.includes(GUEST)
      ? 'from this machine, which a proxy or a container on it counts as'
      : 'from anywhere, as loopback-users does not have it';
    const message =
      `user guest has the password that everybody knows, and may log in ${from}: set another with ` +
      `'sluice users set guest --password', or 'sluice users delete guest'`;
    found.push({ listener: 'all', message });
  }
  const anonymous = anonymousUserOf(configuration);
  if (anonymous !== null && (kafkaPort !== 'off' || kafkasPort !== 'off')) {
    const from = loopbackUsers.includes(anonymous) || !isOpen ? 'from this machine' : 'from anywhere';
    const message =
      `Kafka clients ${from} need not log in: they have the permissions of user ${anonymous}, without its tags. ` +
      'Set kafka-anonymous-user = none where they should';
    found.push({ listener: 'kafka', message });
  }
  return found;
}
