import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { HANDLERS as AMQP_HANDLERS } from '../../src/servers/amqp091/handlers/table.ts';
import { HANDLERS } from '../../src/servers/kafka/handlers/table.ts';
import { TrustedProxies } from '../../src/servers/listener/trusted-proxies.ts';
import type { Api } from '../../src/wire/kafka/declaration.ts';
import { AccessServer, publish } from '../access/access-server.ts';
import type { KafkaClient } from '../servers/kafka/kafka-client.ts';
import { errorsIn, OTHERWISE, SECRET, sample } from '../servers/kafka/sample-requests.ts';
import { AMQP_OPERATIONS, amqpAllows, amqpRefusal } from './amqp-operations.ts';
import { KAFKA_NEEDS, kafkaAllows } from './kafka-needs.ts';
import { page } from './page.ts';
import { SUBJECTS, type Subject } from './subjects.ts';

const PAGE = fileURLToPath(new URL('../../docs/design/access-matrix.md', import.meta.url));
const LOGIN: ReadonlySet<string> = new Set(['SaslHandshake', 'SaslAuthenticate', 'ApiVersions']);

async function start(): Promise<AccessServer> {
  const test = await AccessServer.start();
  const { administration } = test.broker.access;
  await administration.createVhost('other');
  await administration.setPermissions('guest', '/', { configure: '.*', write: '.*', read: '.*' });
  const channel = await (await test.amqp('guest')).createChannel();
  await channel.assertExchange('secret', 'topic');
  await channel.assertExchange('secret.x', 'fanout');
  await channel.assertQueue('secret.q');
  await channel.assertQueue('secret.s', { arguments: { 'x-queue-type': 'stream' } });
  return test;
}

async function putMessage(test: AccessServer): Promise<void> {
  await test.refusal('guest', (channel) => publish(channel, '', 'secret.q'));
}

/** Each API that is served, asked in its newest version for things that are called `secret`. */
async function kafkaOutcomes(test: AccessServer, subject: Subject): Promise<Map<string, boolean>> {
  const { streams } = test.broker;
  const outcomes = new Map<string, boolean>();
  let client: KafkaClient | null = null;
  for (const handler of HANDLERS) {
    const { api } = handler as { readonly api: Api };
    if (LOGIN.has(api.name)) continue;
    const stream =
      streams.get('/', SECRET) ??
      streams.create({ vhost: '/', name: SECRET, partitions: 1, configs: new Map() });
    if (client === null || client.isClosed) {
      client = await test.kafka(subject.isAnonymous === true ? null : subject.name);
    }
    const { groups, shareGroups } = test.broker;
    if (api.name === 'DeleteShareGroupOffsets' && groups.find('/', SECRET) === undefined) {
      shareGroups.ensure('/', SECRET);
    }
    const version = handler.maxVersion;
    const request = {
      ...sample(api.request.fields, version, stream.id),
      ...OTHERWISE[`${api.name} v${version}`]?.(stream.id),
    };
    const response = await client.request(api, version, request as never).catch(String);
    const refused = [...errorsIn(response)].some((error) => error.endsWith('_AUTHORIZATION_FAILED'));
    outcomes.set(api.name, !refused);
  }
  return outcomes;
}

describe('the matrix of rights, protocols and operations', () => {
  it('has every Kafka API that is served', () => {
    const served = HANDLERS.map(({ api }) => api.name).filter((name) => !LOGIN.has(name));
    assert.deepEqual(Object.keys(KAFKA_NEEDS).sort(), served.sort());
  });

  it('has every AMQP method that clients send', () => {
    // What opens and closes a channel is tried with each; the others are not methods of a channel.
    const opening = new Set(['channel.open', 'channel.close']);
    const taken = [...Object.keys(AMQP_HANDLERS), 'basic.publish', 'connection.update-secret'];
    const tried = new Set(AMQP_OPERATIONS.map(({ name }) => name.split(',', 1)[0]));
    assert.deepEqual([...tried].sort(), taken.filter((name) => !opening.has(name)).sort());
  });

  it('is the page in the documentation', () => {
    if (process.env.UPDATE_PAGE !== undefined) writeFileSync(PAGE, page());
    assert.equal(readFileSync(PAGE, 'utf8'), page(), 'UPDATE_PAGE=1 writes it anew');
  });

  for (const subject of SUBJECTS) {
    it(`holds for a user with: ${subject.name}`, async () => {
      await using test = await start();
      await test.addUser(subject.name, subject.rights);
      if (subject.isRefused === true) {
        await assert.rejects(test.amqp(subject.name));
        await assert.rejects(test.kafka(subject.name));
        return;
      }
      const wrong: string[] = [];
      if (subject.isAnonymous !== true) {
        for (const operation of AMQP_OPERATIONS) {
          if (operation.takesMessage === true) await putMessage(test);
          const refusal = await test.refusal(subject.name, (...given) => operation.run(...given));
          const expected = amqpAllows(subject, operation);
          const isRight = expected
            ? refusal === null
            : String(refusal).includes(amqpRefusal(subject, operation));
          if (!isRight) wrong.push(`${operation.name}: ${refusal ?? 'done'}`);
        }
      }
      await test.refusal('guest', (channel) => channel.deleteExchange('secret'));
      const outcomes = await kafkaOutcomes(test, subject);
      for (const [api, needs] of Object.entries(KAFKA_NEEDS)) {
        const expected = needs.every((need) => kafkaAllows(subject, need));
        if (outcomes.get(api) !== expected) wrong.push(`${api}: ${expected ? 'refused' : 'done'}`);
      }
      assert.deepEqual(wrong, []);
    });
  }

  it('lets what was delivered be settled by who may no longer read, as RabbitMQ does', async () => {
    await using test = await start();
    await test.addUser('leaver', { read: '^secret' });
    await putMessage(test);
    const channel = await (await test.amqp('leaver')).createChannel();
    const message = await channel.get('secret.q');
    assert.ok(message !== false);
    const nothing = { configure: '', write: '', read: '' };
    await test.broker.access.administration.setPermissions('leaver', '/', nothing);
    channel.ack(message);
    assert.equal((await channel.checkQueue('secret.q')).messageCount, 0);
    channel.on('error', () => undefined);
    await assert.rejects(channel.get('secret.q'), /ACCESS_REFUSED/);
  });

  it('has nobody who is held to this machine and comes from another', async () => {
    await using test = await AccessServer.start({ trustedProxies: new TrustedProxies(['127.0.0.1']) });
    for (const [address, isIn] of [
      ['203.0.113.7', false],
      ['127.0.0.1', true],
    ] as const) {
      const client = await test.kafkaServer.connect();
      client.socket.write(`PROXY TCP4 ${address} 127.0.0.1 4711 9092\r\n`);
      const fetched = test.fetch(client, 't').then(
        () => true,
        () => false,
      );
      assert.equal(await fetched, isIn);
    }
  });
});
