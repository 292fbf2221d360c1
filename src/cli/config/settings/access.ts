import { anonymousUser, duration, names, objectLimits, text } from '../setting-types.ts';
import { setting } from './definition.ts';

/** Who may connect as whom, and how much each may have. */
export const ACCESS = {
  loopbackUsers: setting({
    key: 'loopback-users',
    type: names,
    default: ['guest'],
    description: 'Users who may connect from this machine only.',
  }),
  kafkaAnonymousUser: setting({
    key: 'kafka-anonymous-user',
    type: anonymousUser,
    default: 'auto',
    description:
      'User of the Kafka clients that do not log in. They have its permissions and none of its tags. none = everybody has ' +
      'to log in. auto = guest while all listeners are on this machine alone and proxy-protocol-from is empty, else none. ' +
      'A user in loopback-users admits them from this machine only. The log warns at the start while it is on.',
  }),
  userLimits: setting({
    key: 'user-limits',
    type: objectLimits,
    default: {},
    description:
      'How much of each kind one user may have who is no administrator, where that is to be other than usual: see ' +
      '[Objects](operations.md#objects). `sluice limits set` sets it for one user.',
  }),
  administratorLimits: setting({
    key: 'administrator-limits',
    type: objectLimits,
    default: {},
    description: 'The same for users with the tag administrator. Usually it is 20 times as much.',
  }),
  vhostLimits: setting({
    key: 'vhost-limits',
    type: objectLimits,
    default: {},
    description:
      'The same for all that is in one virtual host, whoever made it. Usually it is 40 times as much.',
  }),
  kafkaVhost: setting({
    key: 'kafka-vhost',
    type: text('NAME', 'the name of a virtual host'),
    default: '/',
    description: 'Virtual host of Kafka clients. A client that logs in as vhost:user names another one.',
  }),
  kafkaReauthenticationSeconds: setting({
    key: 'kafka-max-reauth',
    type: duration('s', { min: 1, max: 31_536_000, zero: 'for ever' }),
    default: 0,
    description:
      'Time after which Kafka clients have to log in again (SASL, KIP-368). They do so on the same connection.',
  }),
};
