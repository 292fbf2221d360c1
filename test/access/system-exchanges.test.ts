import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Channel } from 'amqplib';
import { AccessServer, publish } from './access-server.ts';

const ALL = { configure: '.*', write: '.*', read: '.*' };

/** Every way in which a client could have something arrive at an exchange. */
const WAYS: readonly { readonly way: string; act(channel: Channel, exchange: string): Promise<unknown> }[] = [
  { way: 'publish to it', act: (channel, exchange) => publish(channel, exchange, 'k') },
  {
    way: 'publish to it with CC',
    act: (channel, exchange) => publish(channel, exchange, 'k', { CC: ['forged'], BCC: ['forged'] }),
  },
  {
    way: 'bind an exchange to it',
    act: (channel, exchange) => channel.bindExchange(exchange, 'amq.topic', '#'),
  },
  {
    way: 'bind it to itself',
    act: (channel, exchange) => channel.bindExchange(exchange, exchange, '#'),
  },
  {
    way: 'bind a stream to it',
    async act(channel, exchange) {
      await channel.assertQueue('stream', { arguments: { 'x-queue-type': 'stream' } });
      await channel.bindExchange(exchange, 'stream', '#');
    },
  },
  {
    way: 'have an alternate exchange lead there',
    act: (channel, exchange) => channel.assertExchange('leads', 'fanout', { alternateExchange: exchange }),
  },
  {
    way: 'have a dead-letter exchange lead there',
    act: (channel, exchange) => channel.assertQueue('leads', { deadLetterExchange: exchange }),
  },
  { way: 'delete it', act: (channel, exchange) => channel.deleteExchange(exchange) },
  {
    way: 'declare it as something else',
    act: (channel, exchange) => channel.assertExchange(exchange, 'fanout'),
  },
];

describe("the broker's own exchanges", () => {
  for (const exchange of ['amq.rabbitmq.event', 'amq.rabbitmq.trace']) {
    it(`let nobody write to them, administrators included: ${exchange}`, async () => {
      await using test = await AccessServer.start();
      await test.addUser('ada', { ...ALL, tags: ['administrator'] });
      for (const { way, act } of WAYS) {
        const refusal = await test.refusal('ada', (channel) => act(channel, exchange));
        assert.match(refusal ?? way, /ACCESS_REFUSED|PRECONDITION_FAILED - inequivalent arg/);
      }
    });
  }

  it('get nothing by what led there before that was refused', async () => {
    await using test = await AccessServer.start();
    const vhost = test.broker.vhosts.get('/');
    assert.ok(vhost !== undefined);
    const model = await test.amqp('guest');
    const channel = await model.createConfirmChannel();
    await channel.assertQueue('events');
    await channel.bindQueue('events', 'amq.rabbitmq.trace', '#');
    await channel.assertExchange('source', 'fanout');
    // As recovery does with what a journal of before has.
    const [source, destination] = ['source', 'amq.rabbitmq.trace'].map((name) => vhost.findExchange(name));
    assert.ok(source !== undefined && destination !== undefined);
    source.router.add({ destinationKind: 'exchange', source, destination, routingKey: '', arguments: {} });
    channel.publish('source', 'publish.forged', Buffer.from('x'));
    await channel.waitForConfirms();
    assert.equal((await channel.checkQueue('events')).messageCount, 0);
  });

  it('are not written by Kafka clients, nor through the default exchange, when a policy makes them streams', async () => {
    await using test = await AccessServer.start();
    await test.addUser('ada', { ...ALL, tags: ['administrator'] });
    test.broker.vhosts.get('/')?.setPolicy({
      name: 'all',
      pattern: '.*',
      definition: { remember: true },
    });
    const name = 'amq.rabbitmq.event';
    const stream = test.broker.streams.get('/', name);
    assert.ok(stream !== undefined);
    const before = stream.ownPartitions[0]?.endOffset;
    const client = await test.kafka('ada');
    assert.equal(await test.produce(client, name, 'user.created'), 'TOPIC_AUTHORIZATION_FAILED');
    assert.equal(await test.refusal('ada', (channel) => publish(channel, '', name)), null);
    assert.equal(stream.ownPartitions[0]?.endOffset, before);
    assert.equal(await test.fetch(client, name), 'NONE');
  });

  it('are not taken by policies as alternate or dead-letter exchange', async () => {
    await using test = await AccessServer.start();
    const vhost = test.broker.vhosts.get('/');
    for (const key of ['alternate-exchange', 'dead-letter-exchange']) {
      const definition = { [key]: 'amq.rabbitmq.event' };
      assert.throws(
        () => vhost?.setPolicy({ name: 'p', pattern: '.*', definition }),
        /not internal to the broker/,
      );
    }
  });
});

describe('an exchange that a user declared as internal', () => {
  it('is reached through bindings, as in RabbitMQ, and in no other way', async () => {
    await using test = await AccessServer.start();
    await test.addUser('ada', ALL);
    const channel = await (await test.amqp('ada')).createConfirmChannel();
    await channel.assertExchange('inner', 'fanout', { internal: true });
    await channel.assertQueue('q');
    await channel.bindQueue('q', 'inner', '');
    await channel.bindExchange('inner', 'amq.fanout', '');
    channel.publish('amq.fanout', '', Buffer.from('x'));
    await channel.waitForConfirms();
    assert.equal((await channel.checkQueue('q')).messageCount, 1);
    test.broker.vhosts.get('/')?.setPolicy({
      name: 'p',
      pattern: '^inner$',
      definition: { remember: true },
    });
    assert.match(
      String(await test.refusal('ada', (other) => publish(other, 'inner', ''))),
      /cannot publish to internal exchange 'inner'/,
    );
    assert.equal(await test.produce(await test.kafka('ada'), 'inner', null), 'TOPIC_AUTHORIZATION_FAILED');
    assert.equal(await test.refusal('ada', (other) => publish(other, '', 'inner')), null);
    assert.equal(test.broker.streams.get('/', 'inner')?.ownPartitions[0]?.endOffset, 0);
  });
});
