import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { until } from '../../../support/until.ts';
import { encoded } from '../../../wire/amqp091/encoded-properties.ts';
import { publishBytes, type RawClient } from '../raw-client.ts';
import { TestServer } from '../test-server.ts';

async function transactional(test: TestServer): Promise<RawClient> {
  const client = await test.rawChannel();
  client.method(1, { name: 'tx.select' });
  await client.expect('tx.select-ok');
  return client;
}

/** Takes the frames of one message with a body; returns its delivery tag. */
async function get(client: RawClient, queue: string): Promise<number> {
  client.method(1, { name: 'basic.get', queue, noAck: false });
  const { deliveryTag } = await client.expect('basic.get-ok');
  await until(() => client.received.length === 2);
  client.received.length = 0;
  return Number(deliveryTag);
}

function ready(test: TestServer, name: string): number | undefined {
  return test.queue(name)?.readyCount;
}

describe('tx channels', () => {
  it('publish and acknowledge at commit, and not at all after rollback (AMQP 1.9.2.3, 1.9.2.5)', async () => {
    await using test = await TestServer.start();
    await using connection = await test.connect();
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('in');
    await channel.assertQueue('out');
    channel.sendToQueue('in', Buffer.from('work'), { persistent: true });
    await channel.waitForConfirms();

    using client = await transactional(test);
    client.method(1, { name: 'basic.get', queue: 'in', noAck: false });
    const { deliveryTag } = await client.expect('basic.get-ok');
    client.received.length = 0;
    const work = [
      publishBytes(1, '', 'out', Buffer.from('done'), { properties: Buffer.from([0x10, 0, 2]) }),
    ] as const;
    const step = (end: 'tx.commit' | 'tx.rollback') => {
      for (const bytes of work) client.write(bytes);
      client.method(1, { name: 'basic.ack', deliveryTag, multiple: false });
      client.method(1, { name: end });
    };
    await until(() => client.received.length === 0 || client.received.length === 2);
    client.received.length = 0;
    step('tx.rollback');
    await until(() => client.received.some(({ method }) => method?.name === 'tx.rollback-ok'));
    assert.equal(ready(test, 'out'), 0);
    assert.equal(test.queue('in')?.unacknowledgedCount, 1);
    client.received.length = 0;
    step('tx.commit');
    // Asked before the commit is answered, and answered after it.
    client.method(1, { name: 'basic.get', queue: 'out', noAck: true });
    await client.expect('tx.commit-ok');
    await client.expect('basic.get-ok');
    assert.equal(test.queue('in')?.unacknowledgedCount, 0);
  });

  it('acknowledge all with tag 0, but not what is delivered between that and the commit (AMQP 1.8.3.13)', async () => {
    await using test = await TestServer.start();
    await using connection = await test.connect();
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('in');
    using client = await transactional(test);
    client.method(1, {
      name: 'basic.consume',
      queue: 'in',
      consumerTag: '',
      noLocal: false,
      noAck: false,
      exclusive: false,
      noWait: false,
      arguments: {},
    });
    await client.expect('basic.consume-ok');
    const queue = test.queue('in');
    channel.sendToQueue('in', Buffer.from('first'));
    await until(() => queue?.unacknowledgedCount === 1);
    client.method(1, { name: 'basic.ack', deliveryTag: 0, multiple: true });
    // Answered behind the ack.
    client.method(1, { name: 'basic.qos', prefetchSize: 0, prefetchCount: 0, global: false });
    await until(() => client.received.some(({ method }) => method?.name === 'basic.qos-ok'));
    channel.sendToQueue('in', Buffer.from('second'));
    await until(() => queue?.unacknowledgedCount === 2);
    client.method(1, { name: 'tx.commit' });
    await until(() => client.received.some(({ method }) => method?.name === 'tx.commit-ok'));
    assert.equal(queue?.unacknowledgedCount, 1);
  });

  it('do not get again by basic.recover what they acknowledged, unless they roll back (AMQP 1.8.3.16)', async () => {
    await using test = await TestServer.start();
    await using connection = await test.connect();
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('q');
    for (const body of ['1', '2', '3']) channel.sendToQueue('q', Buffer.from(body));
    await channel.waitForConfirms();

    using client = await transactional(test);
    const recover = async (): Promise<void> => {
      client.method(1, { name: 'basic.recover', requeue: true });
      await client.expect('basic.recover-ok');
    };
    const tags = [await get(client, 'q'), await get(client, 'q'), await get(client, 'q')];
    client.method(1, { name: 'basic.ack', deliveryTag: tags[1], multiple: false });
    await recover();
    assert.equal(ready(test, 'q'), 2);
    client.method(1, { name: 'tx.rollback' });
    await client.expect('tx.rollback-ok');
    await recover();
    assert.equal(ready(test, 'q'), 3);
  });

  it('may not acknowledge the same delivery twice (AMQP 1.8.3.13)', async () => {
    await using test = await TestServer.start();
    await using connection = await test.connect();
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('q');
    channel.sendToQueue('q', Buffer.from('once'));
    await channel.waitForConfirms();

    using client = await transactional(test);
    const deliveryTag = await get(client, 'q');
    client.method(1, { name: 'basic.ack', deliveryTag, multiple: false });
    client.method(1, { name: 'basic.ack', deliveryTag, multiple: false });
    const { replyText } = await client.expect('channel.close');
    assert.equal(replyText, `PRECONDITION_FAILED - unknown delivery tag ${deliveryTag}`);
    await until(() => ready(test, 'q') === 1);
  });

  it('do nothing at all if a queue is too full for one of their messages', async () => {
    await using test = await TestServer.start();
    await using connection = await test.connect();
    const channel = await connection.createConfirmChannel();
    for (const name of ['in', 'out', 'dead']) await channel.assertQueue(name);
    const limits = { 'x-max-length': 2, 'x-overflow': 'reject-publish-dlx' };
    const dead = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' };
    await channel.assertQueue('limited', { arguments: { ...limits, ...dead } });
    for (const name of ['in', 'limited']) channel.sendToQueue(name, Buffer.from('there'));
    await channel.waitForConfirms();
    const counts = () => ['in', 'out', 'limited', 'dead'].map((name) => ready(test, name));

    using client = await transactional(test);
    const work = async (): Promise<void> => {
      const deliveryTag = await get(client, 'in');
      client.method(1, { name: 'basic.ack', deliveryTag, multiple: false });
      client.write(publishBytes(1, '', 'nowhere', Buffer.from('x'), { mandatory: true }));
      for (const name of ['out', 'limited']) client.write(publishBytes(1, '', name, Buffer.from('x')));
    };
    await work();
    client.write(publishBytes(1, '', 'limited', Buffer.from('one too many')));
    client.method(1, { name: 'tx.commit' });
    const { replyCode, replyText } = await client.expect('channel.close');
    assert.deepEqual([replyCode, replyText], [406, 'PRECONDITION_FAILED - partial tx completion']);
    assert.deepEqual(counts(), [1, 0, 1, 0]);

    client.method(1, { name: 'channel.close-ok' });
    client.method(1, { name: 'channel.open' });
    await client.expect('channel.open-ok');
    client.method(1, { name: 'tx.select' });
    await client.expect('tx.select-ok');
    await work();
    client.method(1, { name: 'tx.commit' });
    await until(() => client.received.some(({ method }) => method?.name === 'tx.commit-ok'));
    assert.deepEqual(counts(), [0, 1, 2, 0]);
  });

  it('do nothing at all if a stream refuses one of their messages, for the reason that it has outside of tx', async () => {
    await using test = await TestServer.start();
    await using connection = await test.connect();
    const setup = await connection.createChannel();
    await setup.assertQueue('q');
    await setup.assertExchange('all', 'fanout');
    await setup.bindQueue('q', 'all', '');
    for (const name of ['large', 'small']) {
      await setup.assertExchange(name, 'x-stream', { arguments: { 'x-partitions': 2 } });
      await setup.bindExchange(name, 'all', '');
    }
    const { streams } = test.broker;
    const small = streams.get('/', 'small')!;
    streams.configure(small, new Map([['max.message.bytes', '1000']]));
    const nowhere = encoded({ headers: { 'x-partition': 77 } });
    for (const [body, properties, reason] of [
      [Buffer.alloc(1), nowhere, /^PRECONDITION_FAILED - invalid header 'x-partition'/],
      [Buffer.alloc(2000), encoded({}), /^PRECONDITION_FAILED - message size 2\d+ .* stream 'small'/],
    ] as const) {
      for (const open of [() => test.rawChannel(), () => transactional(test)]) {
        using client = await open();
        client.write(publishBytes(1, 'all', 'k', body, { properties }));
        client.method(1, { name: 'tx.commit' });
        assert.match((await client.expect('channel.close')).replyText, reason);
      }
    }
    assert.equal(ready(test, 'q'), 0);
    for (const { ownPartitions: partitions } of [small, streams.get('/', 'large')!]) {
      assert.ok(partitions.every(({ endOffset }) => endOffset === 0));
    }
  });

  it('return mandatory messages before commit-ok (AMQP 1.8.3.8)', async () => {
    await using test = await TestServer.start();
    using client = await transactional(test);
    client.write(publishBytes(1, '', 'nowhere', Buffer.from('x'), { mandatory: true }));
    client.method(1, { name: 'tx.commit' });
    assert.equal((await client.expect('basic.return')).replyText, 'NO_ROUTE');
    await client.next();
    await client.next();
    await client.expect('tx.commit-ok');
  });
});
