import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { PROTOCOL_HEADER } from '../../../src/wire/amqp091/constants.ts';
import { RawClient, startOk } from '../../servers/amqp091/raw-client.ts';
import { type Behaviour, repeatedly, type Target, untilOver } from '../behaviour.ts';

/** Behaviours of whoever may connect, before any login. */

function open(port: number): Socket {
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => undefined);
  return socket;
}

const idle: Behaviour = {
  name: 'idle-sockets',
  title: '1,500 connections to each port that never say a word',
  async run(target) {
    const sockets = Array.from({ length: 1500 }, () => [
      open(target.amqpPort),
      open(target.kafkaPort),
    ]).flat();
    await untilOver(target);
    for (const socket of sockets) socket.destroy();
  },
};

const churn: Behaviour = {
  name: 'connection-churn',
  title: 'connections that are opened, say the protocol header and are reset, as fast as they can',
  run: (target) =>
    repeatedly(target, 16, async () => {
      const socket = open(target.amqpPort);
      await once(socket, 'connect');
      socket.write(PROTOCOL_HEADER);
      await once(socket, 'data');
      socket.resetAndDestroy();
    }),
};

const tlsFlood: Behaviour = {
  name: 'tls-handshakes',
  title: 'TLS handshakes without end, 64 at a time',
  run: (target) =>
    repeatedly(target, 64, async () => {
      const socket = connectTls({ host: '127.0.0.1', port: target.amqpsPort, rejectUnauthorized: false });
      socket.on('error', () => undefined);
      await Promise.race([once(socket, 'secureConnect'), once(socket, 'close')]);
      socket.destroy();
    }),
};

async function tryLogin({ amqpPort }: Target, user: string, password: string): Promise<void> {
  using client = await RawClient.connect(amqpPort);
  client.write(PROTOCOL_HEADER);
  await client.expect('connection.start');
  client.method(0, startOk(user, password));
  await client.closed();
}

const wrongPasswords: Behaviour = {
  name: 'wrong-passwords',
  title: '350 connections at a time that log in with wrong passwords',
  run: (target) => repeatedly(target, 350, (turn) => tryLogin(target, target.user, `wrong-${turn}`)),
};

const longNames: Behaviour = {
  name: 'log-flood',
  title: 'failed logins with user names of 100 KB: what the log takes of it',
  run: (target) => repeatedly(target, 20, (turn) => tryLogin(target, `${turn}${'n'.repeat(100_000)}`, 'x')),
};

const garbage: Behaviour = {
  name: 'garbage',
  title: 'random bytes to both ports, as fast as connections can be made',
  run: (target) =>
    repeatedly(target, 16, async (turn) => {
      const socket = open(turn % 2 === 0 ? target.amqpPort : target.kafkaPort);
      await once(socket, 'connect');
      socket.write(Buffer.from(Array.from({ length: 500 }, () => Math.floor(Math.random() * 256))));
      await once(socket, 'close', { signal: AbortSignal.timeout(1000) }).catch(() => undefined);
      socket.destroy();
    }),
};

export const SOCKET_BEHAVIOURS: readonly Behaviour[] = [
  idle,
  churn,
  tlsFlood,
  wrongPasswords,
  longNames,
  garbage,
];
