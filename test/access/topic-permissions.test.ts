import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { asLocal } from '../../src/broker/queues/any-queue.ts';
import { AccessServer, publish } from './access-server.ts';

const ALL = { configure: '.*', write: '.*', read: '.*' };
const REFUSED = /ACCESS_REFUSED - access to topic 'salary\.raise' in exchange 'amq\.topic'/;

/** `ada` may use keys of `a.*` alone, on the exchange `amq.topic`, to which the queue `all` is bound. */
async function start(): Promise<AccessServer> {
  const test = await AccessServer.start();
  const pattern = '^a\\.';
  await test.addUser('ada', { ...ALL, topics: { 'amq.topic': { write: pattern, read: pattern } } });
  const channel = await (await test.amqp('guest')).createChannel();
  await channel.assertQueue('all');
  await channel.bindQueue('all', 'amq.topic', '#');
  return test;
}

function messagesIn(test: AccessServer): number {
  return asLocal(test.broker.vhosts.get('/')?.findQueue('all'))?.readyCount ?? -1;
}

describe('topic permissions', () => {
  it('hold for the routing key and for each key of CC and BCC', async () => {
    await using test = await start();
    const ways: readonly [string, { readonly [name: string]: unknown }][] = [
      ['salary.raise', {}],
      ['a.b', { CC: ['salary.raise'] }],
      ['a.b', { CC: ['a.c', 'salary.raise'] }],
      ['a.b', { BCC: ['salary.raise'] }],
      ['a.b', { CC: ['a.c'], BCC: ['a.d', 'salary.raise'] }],
    ];
    for (const [key, headers] of ways) {
      const refusal = await test.refusal('ada', (channel) => publish(channel, 'amq.topic', key, headers));
      assert.match(String(refusal), REFUSED);
    }
    assert.equal(messagesIn(test), 0);
    const allowed = { CC: ['a.c'], BCC: ['a.d'] };
    assert.equal(await test.refusal('ada', (channel) => publish(channel, 'amq.topic', 'a.b', allowed)), null);
    assert.equal(messagesIn(test), 1);
  });

  it('hold for binding and unbinding, whatever the destination is', async () => {
    await using test = await start();
    const bind = (key: string) =>
      test.refusal('ada', async (channel) => {
        await channel.assertQueue('hers');
        await channel.bindQueue('hers', 'amq.topic', key);
      });
    assert.match(String(await bind('salary.raise')), REFUSED);
    assert.equal(await bind('a.b'), null);
    const bindExchange = await test.refusal('ada', (channel) =>
      channel.bindExchange('amq.fanout', 'amq.topic', 'salary.raise'),
    );
    assert.match(String(bindExchange), REFUSED);
    const unbind = await test.refusal('ada', (channel) =>
      channel.unbindQueue('all', 'amq.topic', 'salary.raise'),
    );
    assert.match(String(unbind), REFUSED);
  });

  it('hold for a delayed exchange that is a topic exchange', async () => {
    await using test = await start();
    const pattern = '^a\\.';
    await test.broker.access.administration.setTopicPermissions('ada', '/', 'later', {
      write: pattern,
      read: pattern,
    });
    const refusal = await test.refusal('ada', async (channel) => {
      const args = { 'x-delayed-type': 'topic' };
      await channel.assertExchange('later', 'x-delayed-message', { arguments: args });
      await publish(channel, 'later', 'a.b', { 'x-delay': 1, CC: ['salary.raise'] });
    });
    assert.match(String(refusal), /access to topic 'salary\.raise' in exchange 'later'/);
  });

  it('change at once for one who is publishing', async () => {
    await using test = await start();
    const refusal = await test.refusal('ada', async (channel) => {
      await publish(channel, 'amq.topic', 'a.b', { CC: ['a.c'] });
      const pattern = '^a\\.b$';
      const { administration } = test.broker.access;
      await administration.setTopicPermissions('ada', '/', 'amq.topic', { write: pattern, read: pattern });
      await publish(channel, 'amq.topic', 'a.b', { CC: ['a.c'] });
    });
    assert.match(String(refusal), /access to topic 'a\.c'/);
  });

  it('hold for both protocols where the exchange is a stream', async () => {
    await using test = await start();
    test.broker.vhosts.get('/')?.setPolicy({
      name: 'p',
      pattern: '^amq\\.topic$',
      definition: { remember: true },
    });
    const client = await test.kafka('ada');
    assert.equal(await test.produce(client, 'amq.topic', 'salary.raise'), 'TOPIC_AUTHORIZATION_FAILED');
    assert.equal(await test.produce(client, 'amq.topic', null), 'TOPIC_AUTHORIZATION_FAILED');
    assert.equal(await test.produce(client, 'amq.topic', 'a.b'), 'NONE');
    const record = { 'x-record-key': Buffer.from('salary.raise') };
    const refusal = await test.refusal('ada', (channel) => publish(channel, 'amq.topic', 'a.b', record));
    assert.match(String(refusal), REFUSED);
    // As a whole the stream has all keys.
    assert.equal(await test.fetch(client, 'amq.topic'), 'TOPIC_AUTHORIZATION_FAILED');
    const consume = await test.refusal('ada', async (channel) => {
      await channel.prefetch(10);
      await channel.consume('amq.topic', () => undefined);
    });
    assert.match(String(consume), /ACCESS_REFUSED - access to stream 'amq\.topic'/);
    const guest = await test.kafka('guest');
    assert.equal(await test.fetch(guest, 'amq.topic'), 'NONE');
    assert.equal(await test.produce(guest, 'amq.topic', 'salary.raise'), 'NONE');
  });
});
