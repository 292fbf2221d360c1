import type { Broker } from '../../broker/broker.ts';
import { ALL_SETTINGS, type Configuration, type SettingName } from '../config/settings.ts';

/** A setting that does not do what it says, as things are: a slip looks the same as what is to be made later. */
export interface UnmetSetting {
  readonly setting: string;
  readonly message: string;
}

/** To be told in the log at each start. `origins` says which settings were given. */
export function unmetSettings(
  configuration: Configuration,
  origins: ReadonlyMap<SettingName, string>,
  broker: Broker,
): UnmetSetting[] {
  const { kafkaPort, kafkasPort, amqpsPort, kafkaVhost, kafkaAnonymousUser: anonymous } = configuration;
  const found: UnmetSetting[] = [];
  const hasKafka = kafkaPort !== 'off' || kafkasPort !== 'off';
  if (hasKafka && broker.vhosts.get(kafkaVhost) === undefined) {
    const message =
      `there is no virtual host '${kafkaVhost}': Kafka clients that name no other cannot do anything. ` +
      `Add it with 'sluice vhosts add ${kafkaVhost}'`;
    found.push({ setting: 'kafka-vhost', message });
  }
  const name = anonymous === 'auto' ? null : anonymous.name;
  if (hasKafka && name !== null && !broker.access.hasUser(name)) {
    const message =
      `there is no user '${name}': Kafka clients that do not log in cannot do anything. ` +
      `Add it with 'sluice users add ${name} --no-password'`;
    found.push({ setting: 'kafka-anonymous-user', message });
  }
  if (amqpsPort !== 'off' || kafkasPort !== 'off') return found;
  for (const { key, name } of ALL_SETTINGS) {
    if (!key.startsWith('tls-') || origins.get(name) === 'default') continue;
    found.push({ setting: key, message: `${key} has no effect: amqps-port and kafkas-port are off` });
  }
  return found;
}
