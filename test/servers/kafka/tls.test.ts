import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { Kafka, logLevel } from 'kafkajs';
import type { KafkaServerOptions } from '../../../src/servers/kafka/options.ts';
import type { TlsOptions } from '../../../src/servers/listener/tls.ts';
import { listOffsets } from '../../../src/wire/kafka/messages/offsets.ts';
import { pem } from '../../support/certificates.ts';
import { KafkaClient } from './kafka-client.ts';
import { KafkaTestServer } from './test-server.ts';

const ALL = { configure: '.*', write: '.*', read: '.*' };

const ca = pem('authority.pem');
const certificate = { cert: pem('client.pem'), key: pem('client.key') };
const impostor = { cert: pem('impostor.pem'), key: pem('impostor.key') };

async function start(
  tls: Partial<TlsOptions> = {},
  options: Partial<KafkaServerOptions> = {},
): Promise<KafkaTestServer> {
  const test = await KafkaTestServer.start({
    refusedLoginDelayMs: 10,
    anonymousUser: null,
    ...options,
    tls: {
      cert: pem('server.pem'),
      key: pem('server.key'),
      ca,
      verify: 'none',
      loginFrom: 'common-name',
      ...tls,
    },
  });
  for (const name of ['ada', CERTIFIED]) {
    await test.broker.access.administration.addUser(name, name === 'ada' ? 'secret' : null);
    await test.broker.access.administration.setPermissions(name, '/', ALL);
  }
  return test;
}

/** The common name in the certificate of the client. */
const CERTIFIED = 'carol';

async function secured({ server }: KafkaTestServer, options: ConnectionOptions = {}): Promise<KafkaClient> {
  const socket = connectTls({
    host: '127.0.0.1',
    port: server.port,
    servername: 'localhost',
    ca,
    ...options,
  });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  return KafkaClient.over(socket);
}

async function isServed(client: KafkaClient): Promise<boolean> {
  return await client.request(listOffsets, 1, { replicaId: -1, topics: [] }).then(
    () => true,
    () => false,
  );
}

describe('the listener for Kafka over TLS', () => {
  it('lets in a client that we did not write, by each of the mechanisms', async () => {
    await using test = await start();
    for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512'] as const) {
      for (const password of ['secret', 'wrong']) {
        const kafka = new Kafka({
          clientId: 'secure',
          brokers: [`localhost:${test.server.port}`],
          ssl: { ca: [ca], host: '127.0.0.1', servername: 'localhost' },
          sasl: { mechanism: mechanism as 'plain', username: 'ada', password },
          logLevel: logLevel.NOTHING,
          retry: { retries: 0 },
        });
        const admin = kafka.admin();
        if (password === 'wrong') {
          await assert.rejects(admin.connect(), /invalid credentials|Invalid username or password/i);
        } else {
          await admin.connect();
          assert.deepEqual(
            Array.from(test.broker.connections, ({ user }) => user),
            ['ada'],
          );
          await admin.disconnect();
        }
      }
    }
  });

  it('takes a good certificate for a login, without any password', async () => {
    await using test = await start({ verify: 'optional' });
    using certified = await secured(test, certificate);
    assert.ok(await isServed(certified));
    const [session] = test.broker.connections;
    assert.deepEqual([session?.user, session?.describe().authMechanism], [CERTIFIED, 'TLS']);
    using nobody = await secured(test);
    assert.ok(!(await isServed(nobody)));
    using forged = await secured(test, impostor);
    assert.ok(!(await isServed(forged)));
  });

  it('takes no certificate for one if clients are not asked for it, or the user is not there', async () => {
    await using unasked = await start({ verify: 'none' });
    using one = await secured(unasked, certificate);
    assert.ok(!(await isServed(one)));
    await using asked = await start({ verify: 'required' });
    await asked.broker.access.administration.deleteUser(CERTIFIED);
    using other = await secured(asked, certificate);
    assert.ok(!(await isServed(other)));
  });

  it('has a new certificate for those who come when it is renewed, and keeps those who are there', async () => {
    await using test = await start({}, { anonymousUser: 'guest' });
    using before = await secured(test);
    assert.ok(await isServed(before));
    test.server.renewTls({ cert: pem('impostor.pem'), key: pem('impostor.key'), ca });
    await assert.rejects(secured(test, { ca: [ca], checkServerIdentity: () => undefined }), /certificate/);
    assert.ok(await isServed(before));
  });
});
