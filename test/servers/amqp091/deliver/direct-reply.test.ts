import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import type { Channel, ChannelModel, ConsumeMessage, Message } from 'amqplib';
import { until } from '../../../support/until.ts';
import { publishBytes } from '../raw-client.ts';
import { TestServer } from '../test-server.ts';

const REPLY_TO = 'amq.rabbitmq.reply-to';

/** Content properties: reply-to alone. */
const REPLY_TO_PROPERTY = Buffer.concat([Buffer.from([0x02, 0, REPLY_TO.length]), Buffer.from(REPLY_TO)]);

interface Returned extends Message {
  readonly fields: Message['fields'] & { readonly replyCode: number; readonly replyText: string };
}

/** Somebody who asks; the answers as they come. */
async function requester(connection: ChannelModel): Promise<{ channel: Channel; answers: ConsumeMessage[] }> {
  const channel = await connection.createChannel();
  const answers: ConsumeMessage[] = [];
  const take = (message: ConsumeMessage | null) => message !== null && answers.push(message);
  await channel.consume(REPLY_TO, take, { noAck: true, consumerTag: 'answers' });
  return { channel, answers };
}

describe('direct reply-to', () => {
  let test: TestServer;
  before(async () => {
    test = await TestServer.start();
  });
  after(() => test[Symbol.asyncDispose]());

  /** The address that a request of this channel carries. */
  async function addressOf(channel: Channel): Promise<string> {
    const { queue } = await channel.assertQueue('', { exclusive: true });
    channel.sendToQueue(queue, Buffer.from('?'), { replyTo: REPLY_TO });
    const request = await channel.get(queue, { noAck: true });
    assert.ok(request !== false);
    return request.properties.replyTo as string;
  }

  async function refusalOf(use: (channel: Channel) => Promise<unknown>): Promise<string> {
    await using connection = await test.connect();
    const channel = await connection.createChannel();
    const [[error]] = await Promise.all([
      Promise.race([once(channel, 'error'), once(connection, 'error')]) as Promise<[Error]>,
      use(channel).catch(() => undefined),
    ]);
    return error.message;
  }

  it('brings the answer to who asked, with all that it says, and leaves the request as it was otherwise', async () => {
    await using connection = await test.connect();
    const { channel, answers } = await requester(connection);
    const server = await connection.createChannel();
    const { queue } = await server.assertQueue('', { exclusive: true });
    const headers = { trace: 'abc', deep: { list: [1, 'two'] } };
    channel.sendToQueue(queue, Buffer.from('2 + 2'), {
      replyTo: REPLY_TO,
      correlationId: 'c1',
      messageId: 'm1',
      headers,
      persistent: true,
    });
    const request = await server.get(queue, { noAck: true });
    assert.ok(request !== false);
    const { replyTo, ...rest } = request.properties;
    assert.match(replyTo as string, /^amq\.rabbitmq\.reply-to\.[\w-]{22}(\.0)?$/);
    assert.deepEqual(
      { ...rest.headers, correlationId: rest.correlationId, messageId: rest.messageId },
      { ...headers, correlationId: 'c1', messageId: 'm1' },
    );
    assert.equal(rest.deliveryMode, 2);
    server.sendToQueue(replyTo as string, Buffer.from('4'), { correlationId: 'c1', type: 'sum' });
    await until(() => answers.length === 1);
    const [answer] = answers;
    assert.equal(answer?.content.toString(), '4');
    assert.equal(answer?.properties.correlationId, 'c1');
    assert.equal(answer?.properties.type, 'sum');
    assert.deepEqual(
      { ...answer?.fields },
      { consumerTag: 'answers', deliveryTag: 1, redelivered: false, exchange: '', routingKey: replyTo },
    );
  });

  it('carries answers of any size, and those that come in a transaction when it is committed', async () => {
    await using connection = await test.connect();
    const { channel, answers } = await requester(connection);
    const address = await addressOf(channel);
    const large = Buffer.alloc(700_000, 'x');
    channel.sendToQueue(address, large);
    await until(() => answers.length === 1);
    assert.ok(answers[0]?.content.equals(large));

    using server = await test.rawChannel();
    server.method(1, { name: 'tx.select' });
    await server.expect('tx.select-ok');
    server.write(publishBytes(1, '', address, Buffer.from('rolled back')));
    server.method(1, { name: 'tx.rollback' });
    await server.expect('tx.rollback-ok');
    server.write(publishBytes(1, '', address, Buffer.from('committed')));
    server.method(1, { name: 'tx.commit' });
    await server.expect('tx.commit-ok');
    await until(() => answers.length === 2);
    assert.equal(answers[1]?.content.toString(), 'committed');
  });

  it('is where dead letters go whose routing key it is', async () => {
    await using connection = await test.connect();
    const { channel, answers } = await requester(connection);
    const address = await addressOf(channel);
    const dead = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': address };
    const { queue } = await channel.assertQueue('', { exclusive: true, arguments: dead });
    for (const body of ['first', 'second']) channel.sendToQueue(queue, Buffer.from(body));
    for (let i = 0; i < 2; i++) channel.reject((await channel.get(queue)) as Message, false);
    await until(() => answers.length === 2);
    assert.deepEqual(
      answers.map(({ content, properties }) => [
        content.toString(),
        properties.headers?.['x-first-death-reason'],
      ]),
      [
        ['first', 'rejected'],
        ['second', 'rejected'],
      ],
    );
    assert.equal(answers[0]?.fields.routingKey, address);
  });

  it('is an address beside others for a message with CC', async () => {
    await using connection = await test.connect();
    const { channel, answers } = await requester(connection);
    const address = await addressOf(channel);
    const { queue } = await channel.assertQueue('', { exclusive: true });
    channel.sendToQueue(queue, Buffer.from('both'), { CC: [address] });
    await until(() => answers.length === 1);
    assert.equal(answers[0]?.fields.routingKey, queue);
    assert.notEqual(await channel.get(queue, { noAck: true }), false);
  });

  it('can be declared while the requester is there, and not found afterwards', async () => {
    await using connection = await test.connect();
    const { channel } = await requester(connection);
    const address = await addressOf(channel);
    const server = await connection.createChannel();
    for (const name of [REPLY_TO, address]) {
      const expected = { queue: name, messageCount: 0, consumerCount: 1 };
      assert.deepEqual({ ...(await server.checkQueue(name)) }, expected);
      assert.deepEqual({ ...(await server.assertQueue(name)) }, expected);
    }
    assert.ok(
      test.broker.vhosts
        .get('/')
        ?.listQueues()
        .every(({ name }) => !name.startsWith(REPLY_TO)),
    );
    await channel.cancel('answers');
    assert.equal(
      await refusalOf((other) => other.checkQueue(address)),
      `Channel closed by server: 404 (NOT-FOUND) with message "NOT_FOUND - no queue '${address}' in vhost '/'"`,
    );
  });

  it('gives a mandatory answer back when the requester cancelled, closed its channel or connection', async () => {
    await using connection = await test.connect();
    const server = await connection.createConfirmChannel();
    const returned: Returned[] = [];
    server.on('return', (message: Returned) => returned.push(message));
    const ends: readonly ((requester: Channel, its: ChannelModel) => Promise<unknown>)[] = [
      (channel) => channel.cancel('answers'),
      (channel) => channel.close(),
      (_, its) => its.close(),
    ];
    for (const end of ends) {
      const its = await test.connect();
      const { channel, answers } = await requester(its);
      const address = await addressOf(channel);
      server.sendToQueue(address, Buffer.from('in time'), { mandatory: true });
      await server.waitForConfirms();
      await until(() => answers.length === 1);
      assert.equal(returned.length, 0);
      await end(channel, its);
      server.sendToQueue(address, Buffer.from('too late'), { mandatory: true });
      server.sendToQueue(address, Buffer.from('too late, and nobody is told'));
      await server.waitForConfirms();
      assert.deepEqual(
        returned.map(({ content, fields }) => [content.toString(), fields.replyCode, fields.replyText]),
        [['too late', 312, 'NO_ROUTE']],
      );
      returned.length = 0;
      await its.close().catch(() => undefined);
    }
    await until(() => test.broker.vhosts.get('/')?.directReplies.size === 0);
  });

  it('has a new address after cancel and consume', async () => {
    await using connection = await test.connect();
    const { channel, answers } = await requester(connection);
    const old = await addressOf(channel);
    await channel.cancel('answers');
    await channel.consume(REPLY_TO, (message) => message && answers.push(message), { noAck: true });
    const address = await addressOf(channel);
    assert.notEqual(address, old);
    channel.sendToQueue(old, Buffer.from('old'));
    channel.sendToQueue(address, Buffer.from('new'));
    await until(() => answers.length === 1);
    assert.equal(answers[0]?.content.toString(), 'new');
  });

  it('refuses what RabbitMQ refuses, with its texts', async () => {
    const listen = (channel: Channel, options: object) => channel.consume(REPLY_TO, () => undefined, options);
    const soft = (text: string) =>
      `Channel closed by server: 406 (PRECONDITION-FAILED) with message "PRECONDITION_FAILED - ${text}"`;
    assert.equal(
      await refusalOf((channel) => listen(channel, { noAck: false })),
      soft('reply consumer cannot acknowledge'),
    );
    assert.equal(
      await refusalOf(async (channel) => {
        await listen(channel, { noAck: true });
        await listen(channel, { noAck: true });
      }),
      soft('reply consumer already set'),
    );
    assert.equal(
      await refusalOf(async (channel) => channel.sendToQueue('any', Buffer.from('?'), { replyTo: REPLY_TO })),
      soft('fast reply consumer does not exist'),
    );
    for (const name of [REPLY_TO, `${REPLY_TO}.bogus`]) {
      assert.match(
        await refusalOf((channel) => channel.get(name)),
        /NOT_FOUND - no queue 'amq\.rabbitmq\.reply-to/,
      );
      assert.match(
        await refusalOf((channel) => channel.bindQueue(name, 'amq.topic', '#')),
        /NOT_FOUND - no queue/,
      );
    }
    assert.match(
      await refusalOf((channel) => channel.consume(`${REPLY_TO}.bogus`, () => undefined)),
      /NOT_FOUND/,
    );
    assert.match(
      await refusalOf(async (channel) => {
        const { queue } = await channel.assertQueue('', { exclusive: true });
        await channel.consume(queue, () => undefined, { consumerTag: 'x' });
        await listen(channel, { noAck: true, consumerTag: 'x' });
      }),
      /NOT_ALLOWED - attempt to reuse consumer tag 'x'/,
    );
  });

  it('holds no more than a limit for a requester that does not read; further answers are unroutable', async () => {
    await using slow = await TestServer.start({ outputHighWaterBytes: 4096 });
    using deaf = await slow.rawChannel();
    deaf.method(1, {
      name: 'basic.consume',
      queue: REPLY_TO,
      consumerTag: 'answers',
      noLocal: false,
      noAck: true,
      exclusive: false,
      noWait: false,
      arguments: {},
    });
    await deaf.expect('basic.consume-ok');
    await using connection = await slow.connect();
    const server = await connection.createConfirmChannel();
    await server.assertQueue('requests');
    deaf.write(publishBytes(1, '', 'requests', Buffer.from('?'), { properties: REPLY_TO_PROPERTY }));
    let request = await server.get('requests', { noAck: true });
    while (request === false) request = await server.get('requests', { noAck: true });
    const address = request.properties.replyTo as string;
    deaf.doNotParse();
    deaf.socket.pause();
    let returned = 0;
    server.on('return', () => returned++);
    const answer = Buffer.alloc(8192);
    // What the operating system holds for a socket comes on top of the limit.
    for (let i = 0; i < 4000 && returned === 0; i++) {
      server.sendToQueue(address, answer, { mandatory: true });
      if (i % 100 === 99) await server.waitForConfirms();
    }
    assert.ok(returned > 0, 'nothing came back');
    deaf.socket.resume();
    for (let before = -1; before !== returned; ) {
      before = returned;
      server.sendToQueue(address, Buffer.from('once more'), { mandatory: true });
      await server.waitForConfirms();
    }
    await until(() => deaf.chunks.some((chunk) => chunk.includes('once more')));
  });
});
