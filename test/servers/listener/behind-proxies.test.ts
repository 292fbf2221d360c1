import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import { describe, it } from 'node:test';
import { connect } from 'amqplib';
import { Kafka, type KafkaConfig, logLevel, Partitioners } from 'kafkajs';
import type { Broker } from '../../../src/broker/broker.ts';
import type { ConnectionInfo } from '../../../src/broker/connections/connection-info.ts';
import type { BrokerEvent } from '../../../src/broker/events/events.ts';
import type { Log } from '../../../src/servers/amqp091/options.ts';
import { TrustedProxies } from '../../../src/servers/listener/trusted-proxies.ts';
import { PROTOCOL_HEADER } from '../../../src/wire/amqp091/constants.ts';
import { apiVersions } from '../../../src/wire/kafka/messages/api-versions.ts';
import { pem } from '../../support/certificates.ts';
import { until } from '../../support/until.ts';
import { RawClient } from '../amqp091/raw-client.ts';
import { TestServer } from '../amqp091/test-server.ts';
import { KafkaClient } from '../kafka/kafka-client.ts';
import { KafkaTestServer } from '../kafka/test-server.ts';
import { HeaderProxy, proxyHeaderV1, proxyHeaderV2 } from './header-proxy.ts';

const ALL = { configure: '.*', write: '.*', read: '.*' };
const trustedProxies = new TrustedProxies(['127.0.0.1']);
const FAR = { address: '203.0.113.9', port: 40_001 };
const NEAR = { address: '127.0.0.1', port: 40_002 };
/** Of proxies that are elsewhere. */
const elsewhere = new TrustedProxies(['192.0.2.0/24']);

const ca = pem('authority.pem');
const tls = {
  cert: pem('server.pem'),
  key: pem('server.key'),
  ca,
  verify: 'none',
  loginFrom: 'common-name',
} as const;

async function addAda({ access }: Broker): Promise<void> {
  await access.administration.addUser('ada', 'secret');
  await access.administration.setPermissions('ada', '/', ALL);
}

function listed({ connections }: Broker): ConnectionInfo[] {
  return Array.from(connections, (connection) => connection.describe());
}

function logins({ events }: Broker): BrokerEvent[] {
  const heard: BrokerEvent[] = [];
  events.listen((event) => {
    if (event.name.startsWith('user.authentication.')) heard.push(event);
  });
  return heard;
}

function kafka(port: number, options: Partial<KafkaConfig> = {}): Kafka {
  return new Kafka({
    brokers: [`127.0.0.1:${port}`],
    logLevel: logLevel.NOTHING,
    retry: { retries: 0 },
    ...options,
  });
}

const ADA = { mechanism: 'plain', username: 'ada', password: 'secret' } as const;

interface LoggedFields {
  readonly reason?: string;
}

async function isConnected(port: number, options: Partial<KafkaConfig> = {}): Promise<boolean> {
  const admin = kafka(port, options).admin();
  try {
    await admin.connect();
    await admin.listTopics();
    return true;
  } catch {
    return false;
  } finally {
    await admin.disconnect();
  }
}

describe('AMQP behind a proxy', () => {
  for (const version of [1, 2] as const) {
    it(`knows clients by a header of version ${version}: guest is let in from this machine only`, async () => {
      await using test = await TestServer.start({ trustedProxies, refusedLoginDelayMs: 1 });
      await addAda(test.broker);
      const heard = logins(test.broker);
      await using proxy = await HeaderProxy.start(test.server.port, version, FAR);
      await assert.rejects(connect(`amqp://guest:guest@127.0.0.1:${proxy.port}`), /ACCESS.REFUSED/);
      const ada = await connect(`amqp://ada:secret@127.0.0.1:${proxy.port}`);
      const channel = await ada.createConfirmChannel();
      await channel.assertQueue('q');
      channel.sendToQueue('q', Buffer.alloc(300_000, 'x'));
      await channel.waitForConfirms();
      const message = await channel.get('q', { noAck: true });
      assert.ok(message !== false && message.content.length === 300_000);
      const { peer, local, name } = listed(test.broker)[0];
      assert.deepEqual(peer, { host: FAR.address, port: FAR.port });
      assert.deepEqual(local, { host: '127.0.0.1', port: proxy.port });
      assert.equal(name, `203.0.113.9:40001 -> 127.0.0.1:${proxy.port}`);
      await ada.close();
      proxy.client = NEAR;
      await (await connect(`amqp://guest:guest@127.0.0.1:${proxy.port}`)).close();
      assert.deepEqual(
        heard.map(({ name, fields }) => [name.split('.')[2], fields.name, fields.peer_host]),
        [
          ['failure', 'guest', '203.0.113.9'],
          ['success', 'ada', '203.0.113.9'],
          ['success', 'guest', '127.0.0.1'],
        ],
      );
    });
  }

  it('takes the header before TLS', async () => {
    await using test = await TestServer.start({ trustedProxies, tls });
    await addAda(test.broker);
    for (const version of [1, 2] as const) {
      await using proxy = await HeaderProxy.start(test.server.port, version, FAR);
      const ada = await connect(`amqps://ada:secret@localhost:${proxy.port}`, { ca, host: '127.0.0.1' });
      const { peer, tls: info } = listed(test.broker)[0];
      assert.equal(peer.host, FAR.address);
      assert.ok(info !== null);
      await ada.close();
      await until(() => listed(test.broker).length === 0);
    }
  });

  it('takes a header for garbage that comes from anybody else, and answers as AMQP has it (AMQP 4.2.2)', async () => {
    await using test = await TestServer.start({ trustedProxies: elsewhere });
    for (const header of [proxyHeaderV1(NEAR, FAR), proxyHeaderV2(NEAR, FAR)]) {
      using client = await test.raw();
      client.doNotParse();
      client.write(Buffer.concat([header, PROTOCOL_HEADER]));
      client.socket.end();
      await client.closed();
      assert.deepEqual(Buffer.concat(client.chunks), Buffer.from(PROTOCOL_HEADER));
    }
  });

  it('has a limit of connections for one address, that of the client', async () => {
    await using test = await TestServer.start({ trustedProxies, maxConnectionsPerAddress: 1 });
    await addAda(test.broker);
    await using proxy = await HeaderProxy.start(test.server.port, 1, FAR);
    const url = `amqp://ada:secret@127.0.0.1:${proxy.port}`;
    const first = await connect(url);
    await assert.rejects(connect(url));
    proxy.client = { ...FAR, address: '203.0.113.10' };
    await (await connect(url)).close();
    proxy.client = FAR;
    await first.close();
    await until(() => test.server.connectionCount === 0);
    await (await connect(url)).close();
  });

  it('drops a proxy that sends half a header and no more, after the deadline', async () => {
    await using test = await TestServer.start({ trustedProxies, handshakeTimeoutMs: 100 });
    for (const header of [proxyHeaderV1(FAR, NEAR), proxyHeaderV2(FAR, NEAR)]) {
      using client = await test.raw();
      const startedAt = performance.now();
      client.write(header.subarray(0, header.length / 2));
      await client.closed();
      assert.ok(performance.now() - startedAt >= 90);
      assert.equal(client.bytesCount, 0);
    }
  });

  it('does not give a proxy longer for the header and the handshake than others for the handshake', async () => {
    await using test = await TestServer.start({ trustedProxies, handshakeTimeoutMs: 1200 });
    using client = await test.raw();
    await new Promise((resolve) => setTimeout(resolve, 600));
    // Who comes now has as long as the first one would have, if its time began anew.
    using later = await test.raw();
    client.write(Buffer.concat([proxyHeaderV1(FAR, NEAR), PROTOCOL_HEADER]));
    await client.expect('connection.start');
    await client.closed();
    assert.equal(later.isClosed, false);
  });
});

describe('Kafka behind a proxy', () => {
  for (const version of [1, 2] as const) {
    it(`knows clients by a header of version ${version}: the anonymous guest is served on this machine only`, async () => {
      await using test = await KafkaTestServer.start({ trustedProxies, refusedLoginDelayMs: 1 });
      await addAda(test.broker);
      const heard = logins(test.broker);
      await using proxy = await HeaderProxy.start(test.server.port, version, FAR);
      assert.equal(await isConnected(proxy.port), false);
      const ada = kafka(proxy.port, { sasl: ADA });
      const producer = ada.producer({ createPartitioner: Partitioners.DefaultPartitioner });
      await producer.connect();
      // The address of the broker in Metadata is the proxy's: the client produces through it too.
      await producer.send({ topic: 't', messages: [{ value: 'x'.repeat(100_000) }] });
      const { peer, local } = listed(test.broker)[0];
      assert.deepEqual(peer, { host: FAR.address, port: FAR.port });
      assert.deepEqual(local, { host: '127.0.0.1', port: proxy.port });
      const admin = ada.admin();
      await admin.connect();
      const { brokers } = await admin.describeCluster();
      assert.deepEqual(
        brokers.map(({ host, port }) => [host, port]),
        [['127.0.0.1', proxy.port]],
      );
      await admin.disconnect();
      await producer.disconnect();
      assert.equal(heard[0]?.fields.peer_host, FAR.address);
      proxy.client = NEAR;
      assert.equal(await isConnected(proxy.port), true);
    });
  }

  it('takes the header before TLS', async () => {
    await using test = await KafkaTestServer.start({ trustedProxies, tls });
    await addAda(test.broker);
    for (const version of [1, 2] as const) {
      await using proxy = await HeaderProxy.start(test.server.port, version, FAR);
      const ssl = { ca, servername: 'localhost' };
      const heard = logins(test.broker);
      assert.equal(await isConnected(proxy.port, { ssl, sasl: ADA }), true);
      assert.deepEqual([heard[0]?.fields.peer_host, heard[0]?.fields.ssl], [FAR.address, true]);
    }
  });

  it('takes a header for garbage that comes from anybody else, and closes the connection', async () => {
    await using test = await KafkaTestServer.start({ trustedProxies: elsewhere });
    await using proxy = await HeaderProxy.start(test.server.port, 1, NEAR);
    assert.equal(await isConnected(proxy.port), false);
    for (const header of [proxyHeaderV1(NEAR, FAR), proxyHeaderV2(NEAR, FAR)]) {
      using client = await test.connect();
      client.socket.write(header);
      await client.closed();
    }
  });

  it('has a limit of connections for one address, that of the client', async () => {
    await using test = await KafkaTestServer.start({ trustedProxies, maxConnectionsPerAddress: 1 });
    const socket = connectSocket(test.server.port, '127.0.0.1');
    socket.write(proxyHeaderV1(FAR, NEAR));
    using first = KafkaClient.over(socket);
    await until(() => test.server.connectionCount === 1);
    await using proxy = await HeaderProxy.start(test.server.port, 2, FAR);
    using second = await KafkaClient.connect(proxy.port);
    await second.closed();
    proxy.client = { ...FAR, address: '203.0.113.10' };
    using other = await KafkaClient.connect(proxy.port);
    await until(() => test.server.connectionCount === 2);
    assert.deepEqual([first.isClosed, other.isClosed], [false, false]);
  });

  it('has quotas of new connections for the address of the client (KIP-612)', async () => {
    await using test = await KafkaTestServer.start({ trustedProxies });
    await test.broker.access.quotas.alter({ ip: FAR.address }, { connection_creation_rate: 1 });
    await using proxy = await HeaderProxy.start(test.server.port, 2, FAR);
    const served = async (client: typeof FAR): Promise<number> => {
      proxy.client = client;
      const clients = await Promise.all([1, 2, 3, 4].map(() => KafkaClient.connect(proxy.port)));
      const asked = clients.map((each) => each.request(apiVersions, 0, {}));
      const answers = await Promise.allSettled(asked);
      for (const { socket } of clients) socket.destroy();
      return answers.filter(({ status }) => status === 'fulfilled').length;
    };
    assert.equal(await served({ ...FAR, address: '203.0.113.10' }), 4);
    assert.equal(await served(FAR), 1);
  });

  it('drops a proxy that sends half a header and no more, after the deadline', async () => {
    await using test = await KafkaTestServer.start({ trustedProxies, handshakeTimeoutMs: 100 });
    const socket = connectSocket(test.server.port, '127.0.0.1');
    socket.write('PROXY TCP4 203');
    const startedAt = performance.now();
    socket.on('error', () => undefined).resume();
    await once(socket, 'close');
    assert.ok(performance.now() - startedAt >= 90);
  });
});

describe('a connection without a proxy', () => {
  it('counts for its own address, over AMQP and Kafka alike', async () => {
    await using amqp = await TestServer.start({ maxConnectionsPerAddress: 2 });
    await using kafkaServer = await KafkaTestServer.start({ maxConnectionsPerAddress: 2 });
    for (const { port } of [amqp.server, kafkaServer.server]) {
      const sockets = [0, 1, 2].map(() => connectSocket(port, '127.0.0.1').on('error', () => undefined));
      await once(sockets[2].resume(), 'close');
      assert.deepEqual(
        sockets.map(({ destroyed }) => destroyed),
        [false, false, true],
      );
      for (const socket of sockets) socket.destroy();
    }
  });

  it('is told why its AMQP handshake was refused, and the log says it once', async () => {
    const logged: unknown[] = [];
    const note = (fields: object, text?: string) => void logged.push([(fields as LoggedFields).reason, text]);
    const log: Log = { debug: () => undefined, info: note, warn: note, error: note };
    await using test = await TestServer.start({ handshakeTimeoutMs: 500, log });
    const socket = connectSocket({ port: test.server.port, host: '127.0.0.1', allowHalfOpen: true });
    using client = RawClient.over(socket);
    client.write(PROTOCOL_HEADER);
    await client.expect('connection.start');
    client.method(0, { name: 'connection.open', virtualHost: '/' });
    const { replyText } = await client.expect('connection.close');
    await new Promise((resolve) => setTimeout(resolve, 600));
    // The broker has destroyed its socket: what is sent now is answered with a reset, and fails then.
    const timer = setInterval(() => socket.write('x'), 10);
    await client.closed().finally(() => clearInterval(timer));
    assert.deepEqual(logged, [[replyText, 'handshake not finished']]);
  });
});
