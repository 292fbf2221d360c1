import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { PROTOCOL_HEADER } from '../../../src/wire/amqp091/constants.ts';
import { apiVersions } from '../../../src/wire/kafka/messages/api-versions.ts';
import { RawClient, startOk } from '../../servers/amqp091/raw-client.ts';
import { KafkaClient } from '../../servers/kafka/kafka-client.ts';
import { amqpLogin } from '../amqp-login.ts';
import { type Behaviour, repeatedly, type Target, untilOver } from '../behaviour.ts';

/** What can be done with connections and their beginnings. */

/** Whose headers of the PROXY protocol are believed, on this machine. */
const PROXY_ADDRESS = '127.0.0.2';

function open(port: number, localAddress?: string): Socket {
  const socket = connect({
    host: '127.0.0.1',
    port,
    ...(localAddress === undefined ? {} : { localAddress }),
  });
  socket.on('error', () => undefined);
  return socket;
}

const proxyHeaders: readonly Buffer[] = [
  Buffer.from('PROXY TCP4 192.0.2.1 198.51.100.7 1 2\r\nAMQP\0\0\x09\x01', 'latin1'),
  Buffer.from('PROXY UNKNOWN\r\n', 'latin1'),
  Buffer.from(`PROXY TCP6 ${':'.repeat(80)}`, 'latin1'),
  Buffer.from(`PROXY ${'x'.repeat(200)}`, 'latin1'),
  Buffer.from('\r\n\r\n\0\r\nQUIT\n\x21\x11\x0f\xff', 'latin1'),
  Buffer.from('\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x01\x01', 'latin1'),
  Buffer.from('\r\n\r\n\0\r\nQUIT\n\xff\xff\xff\xff', 'latin1'),
  Buffer.from('\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00', 'latin1'),
  Buffer.from('PROXY', 'latin1'),
  Buffer.alloc(5000, 'P'),
];

const proxyGarbage: Behaviour = {
  name: 'proxy-garbage',
  title: 'a trusted proxy whose headers are broken, cut short, too long, or come a byte at a time',
  flags: ['--proxy-protocol-from', PROXY_ADDRESS],
  run: (target) =>
    repeatedly(target, 64, async (turn) => {
      const ports = [target.amqpPort, target.kafkaPort, target.amqpsPort];
      const socket = open(ports[turn % ports.length], PROXY_ADDRESS);
      await once(socket, 'connect');
      const header = proxyHeaders[turn % proxyHeaders.length];
      if (turn % 3 === 0) for (const byte of header) socket.write(Buffer.of(byte));
      else socket.write(header);
      socket.resume();
      await once(socket, 'close', { signal: AbortSignal.timeout(500) }).catch(() => undefined);
      socket.destroy();
    }),
};

const slowBytes: Behaviour = {
  name: 'slow-bytes',
  title: '500 connections to each port that send what is right, a byte every 200 ms',
  async run(target) {
    const kafka = Buffer.alloc(1004);
    kafka.writeInt32BE(1000);
    const starts: readonly [number, Uint8Array][] = [
      [target.amqpPort, PROTOCOL_HEADER],
      [target.kafkaPort, kafka],
      [target.amqpsPort, Buffer.from('160301020001fc0303', 'hex')],
    ];
    await repeatedly(target, 1500, async (turn) => {
      const [port, bytes] = starts[turn % starts.length];
      const socket = open(port);
      await once(socket, 'connect');
      socket.resume();
      for (const byte of bytes) {
        if (socket.destroyed || target.signal.aborted) break;
        socket.write(Buffer.of(byte));
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      socket.destroy();
    });
  },
};

function tls({ amqpsPort }: Target, options: object): TLSSocket {
  const socket = connectTls({ host: '127.0.0.1', port: amqpsPort, rejectUnauthorized: false, ...options });
  socket.on('error', () => undefined);
  return socket;
}

const resumption: Behaviour = {
  name: 'tls-resumption',
  title: 'TLS sessions that are resumed without end, 64 at a time',
  async run(target) {
    const first = tls(target, {});
    const [session] = await once(first, 'session');
    await repeatedly(target, 64, async () => {
      const socket = tls(target, { session });
      await Promise.race([once(socket, 'secureConnect'), once(socket, 'close')]);
      socket.destroy();
    });
  },
};

const renegotiation: Behaviour = {
  name: 'tls-renegotiation',
  title: 'TLS 1.2 connections that ask for another handshake again and again',
  run: (target) =>
    repeatedly(target, 20, async () => {
      const socket = tls(target, { maxVersion: 'TLSv1.2' });
      await once(socket, 'secureConnect');
      const closed = once(socket, 'close');
      const again = () => {
        socket.renegotiate({ rejectUnauthorized: false }, (error) =>
          error ? socket.destroy() : setImmediate(again),
        );
      };
      socket.on('error', () => socket.destroy());
      again();
      await closed;
    }),
};

const longProperties: Behaviour = {
  name: 'long-client-properties',
  title: 'logins with client properties of 100 KB and Kafka client ids of 30 KB, that then do wrong',
  run: (target) =>
    repeatedly(target, 20, async (turn) => {
      const long = `${turn}`.padEnd(30_000, 'n');
      using kafka = await KafkaClient.connect(target.kafkaPort, long);
      const software = { clientSoftwareName: 's'.repeat(30_000), clientSoftwareVersion: '1' };
      await kafka.request(apiVersions, 3, software).catch(() => undefined);
      kafka.socket.write(Buffer.from([0, 0, 0, 9, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0]));
      using client = await RawClient.connect(target.amqpPort);
      client.write(PROTOCOL_HEADER);
      await client.expect('connection.start');
      const login = startOk(target.user, target.password);
      const clientProperties = { product: long, version: long, platform: long, connection_name: long };
      client.method(0, { ...login, clientProperties });
      await client.next();
      client.write(Buffer.alloc(100, 0xff));
      await client.closed();
    }),
};

const heartbeats: Behaviour = {
  name: 'heartbeats',
  title: '2,000 connections with a heartbeat of one second, which the broker sends and waits for',
  async run(target) {
    const beat = Buffer.from([8, 0, 0, 0, 0, 0, 0, 0xce]);
    let count = 0;
    await repeatedly(target, 50, async () => {
      if (count >= 2000) return untilOver(target);
      count++;
      const client = await amqpLogin(target, 1);
      client.doNotParse();
      // Every other one never says anything again.
      if (count % 2 === 0) setInterval(() => client.write(beat), 1000).unref();
    });
  },
};

const closeStorm: Behaviour = {
  name: 'close-storm',
  title: '2,000 connections that have logged in close all at once, and come again',
  run: (target) =>
    repeatedly(target, 1, async () => {
      const clients: RawClient[] = [];
      await Promise.all(
        Array.from({ length: 50 }, async () => {
          while (clients.length < 2000 && !target.signal.aborted) clients.push(await amqpLogin(target));
        }),
      );
      for (const { socket } of clients) socket.resetAndDestroy();
    }),
};

export const HANDSHAKE_BEHAVIOURS: readonly Behaviour[] = [
  proxyGarbage,
  slowBytes,
  resumption,
  renegotiation,
  longProperties,
  heartbeats,
  closeStorm,
];
