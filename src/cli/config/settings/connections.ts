import { duration, integer, size } from '../setting-types.ts';
import { KIB, MIB, setting } from './definition.ts';

/** How many connections there may be, how long they may be silent, and what they may send. */
export const CONNECTIONS = {
  maxConnections: setting({
    key: 'max-connections',
    type: integer(1, 1_000_000),
    default: 65_536,
    description:
      'Most connections of one listener. More are closed at once. All listeners together have no more than the descriptors ' +
      'of the process (ulimit -n) allow, less those that files need; the log says so at the start.',
  }),
  maxConnectionsPerAddress: setting({
    key: 'max-connections-per-address',
    type: integer(0, 1_000_000, '0 = no limit'),
    default: 0,
    description: 'Most connections from one client address to one listener. More are closed at once.',
  }),
  connectionRatePerAddress: setting({
    key: 'connection-rate-per-address',
    type: integer(0, 1_000_000, 'connections a second; 0 = no limit'),
    default: 2000,
    description:
      'Connections beyond this rate from one client address, or one /64 network of IPv6, are closed at once. The use of 30 ' +
      'seconds may come in one burst; a connection whose handshake or login fails counts as 41. Raise it where more ' +
      'clients than that come back at once from behind one address.',
  }),
  unfinishedInputTimeoutSeconds: setting({
    key: 'unfinished-input-timeout',
    type: duration('s', { min: 1, max: 3600 }),
    default: 30,
    description:
      'A client that has sent a part of a frame, a message or a request, and nothing more of it for this time, is disconnected.',
  }),
  handshakeTimeoutSeconds: setting({
    key: 'handshake-timeout',
    type: duration('s', { min: 0.1, max: 3600 }),
    default: 10,
    description: 'Time that a client has for its handshake. After it the connection is closed.',
  }),
  heartbeatSeconds: setting({
    key: 'heartbeat',
    type: duration('s', { min: 1, max: 65_535, zero: 'none', isWhole: true }),
    default: 60,
    description:
      'Heartbeat interval offered to AMQP clients. A client that is silent for two intervals is disconnected.',
  }),
  channelMax: setting({
    key: 'channel-max',
    type: integer(1, 65_535),
    default: 2047,
    description: 'Most channels of one AMQP connection.',
  }),
  frameMaxBytes: setting({
    key: 'frame-max',
    type: size(4 * KIB, 16 * MIB),
    default: 128 * KIB,
    description: 'Largest AMQP frame. Clients may negotiate a smaller one.',
  }),
  maxMessageBytes: setting({
    key: 'max-message-size',
    type: size(KIB, 512 * MIB),
    default: 128 * MIB,
    description: 'Largest body of a message.',
  }),
};
