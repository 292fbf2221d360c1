import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { Budget } from '../../../src/broker/budget/budget.ts';
import { FRAME_BODY } from '../../../src/wire/amqp091/constants.ts';
import { FrameWriter, writeHeaderFrame, writeHeartbeat } from '../../../src/wire/amqp091/frames.ts';
import { until } from '../../support/until.ts';
import { methodBytes, publishBytes, type RawClient } from './raw-client.ts';
import { TestServer } from './test-server.ts';

const MIB = 2 ** 20;
const EVERYTHING = { configure: '.*', write: '.*', read: '.*' };
/** RabbitMQ's. */
const BLOCKED_CAPABILITY = { 'connection.blocked': true };

function limitedTo(bytesMax: number, userBytesMax: number): { budget: Budget } {
  return { budget: new Budget({ memory: { bytesMax, userBytesMax, pausedMsMax: 60_000 } }) };
}

/** basic.publish, the header of a body of `announced` bytes, and `sent` of it. */
function partOfPublish(channel: number, announced: number, sent: number): Buffer {
  const writer = new FrameWriter();
  writeHeaderFrame(writer, channel, announced, Buffer.from([0, 0]));
  const publish = {
    name: 'basic.publish',
    exchange: '',
    routingKey: 'q',
    mandatory: false,
    immediate: false,
  } as const;
  return Buffer.concat([
    methodBytes(channel, publish),
    writer.take(),
    bodyFrame(channel, Buffer.alloc(sent)),
  ]);
}

function bodyFrame(channel: number, payload: Buffer): Buffer {
  const prefix = Buffer.from([FRAME_BODY, 0, channel, 0, 0, 0, 0]);
  prefix.writeUInt32BE(payload.length, 3);
  return Buffer.concat([prefix, payload, Buffer.from([0xce])]);
}

async function connect(test: TestServer, channels: number, user = 'guest'): Promise<RawClient> {
  const client = await test.raw();
  await client.handshake({}, BLOCKED_CAPABILITY, [user, user]);
  for (let channel = 1; channel <= channels; channel++) {
    client.method(channel, { name: 'channel.open' });
    await client.expect('channel.open-ok');
  }
  return client;
}

function isBlocked({ received }: RawClient): boolean {
  return received.some(({ method }) => method?.name === 'connection.blocked');
}

async function addUser(test: TestServer, name: string): Promise<void> {
  const { administration } = test.broker.access;
  await administration.addUser(name, name);
  await administration.setPermissions(name, '/', EVERYTHING);
}

async function confirmed(client: RawClient, body: Buffer): Promise<void> {
  client.method(1, { name: 'confirm.select', noWait: false });
  await client.expect('confirm.select-ok');
  client.write(publishBytes(1, '', 'q', body));
  await client.expect('basic.ack');
}

describe('messages that are begun and not finished', () => {
  it('hold no more than the share of their user, and stop nobody else; nothing is left when they have gone', async () => {
    await using test = await TestServer.start({}, limitedTo(32 * MIB, 4 * MIB));
    const { memory } = test.broker.budget;
    await addUser(test, 'ada');
    const flood: RawClient[] = [];
    for (let i = 0; i < 12; i++) flood.push(await connect(test, 10));
    for (const client of flood) {
      for (let channel = 1; channel <= 10; channel++) {
        client.write(partOfPublish(channel, 10 * MIB, 100_000));
        for (let i = 0; i < 4; i++) client.write(bodyFrame(channel, Buffer.alloc(100_000)));
      }
    }
    // All but the one that may go on are told.
    await until(() => flood.filter(isBlocked).length === 11);
    // Of 60 MB that were sent: never more than three quarters of all, and what was read by then.
    assert.ok(memory.bytesOf("user 'guest'") < 25 * MIB, `${memory.bytes}`);

    const other = await connect(test, 1, 'ada');
    await confirmed(other, Buffer.alloc(2 * MIB));
    for (const client of [...flood, other]) client[Symbol.dispose]();
    await until(() => memory.userCount === 0);
    assert.equal(memory.bytes, 0);
  });

  it('are finished, all of them, though together they are more than the share', async () => {
    await using test = await TestServer.start({}, limitedTo(32 * MIB, 2 * MIB));
    const clients: RawClient[] = [];
    for (let i = 0; i < 10; i++) clients.push(await connect(test, 1));
    await Promise.all(
      clients.map(async (client) => {
        client.method(1, { name: 'confirm.select', noWait: false });
        for (let i = 0; i < 5; i++) client.write(publishBytes(1, '', 'q', Buffer.alloc(MIB)));
        for (let acknowledged = 0; acknowledged < 5; ) {
          const { method } = await client.next();
          if (method?.name !== 'basic.ack') continue;
          acknowledged = Number(method.deliveryTag);
        }
        client[Symbol.dispose]();
      }),
    );
    await until(() => test.broker.budget.memory.userCount === 0);
    assert.equal(test.broker.budget.memory.bytes, 0);
  });

  it('count by what has come of them, whatever was announced, and are whole in the end', async () => {
    await using test = await TestServer.start({}, limitedTo(32 * MIB, 16 * MIB));
    const { memory } = test.broker.budget;
    const client = await connect(test, 2);
    client.write(partOfPublish(1, 100 * MIB, 100_000));
    for (let i = 0; i < 24; i++) client.write(bodyFrame(1, Buffer.alloc(100_000)));
    await until(() => memory.bytesOf("user 'guest'") >= 2_500_000);
    assert.ok(memory.bytesOf("user 'guest'") <= 3 * MIB + 100, `${memory.bytes}`);
    // Frames of odd lengths, over the sizes to which a buffer grows.
    const body = randomBytes(5 * MIB + 12_345);
    client.method(2, { name: 'confirm.select', noWait: false });
    await client.expect('confirm.select-ok');
    const flags = { passive: false, durable: false, exclusive: true, autoDelete: false, noWait: false };
    client.method(2, { name: 'queue.declare', queue: 'q', ...flags, arguments: {} });
    await client.expect('queue.declare-ok');
    client.write(partOfPublish(2, body.length, 0));
    for (let at = 0; at < body.length; at += 77_777)
      client.write(bodyFrame(2, body.subarray(at, at + 77_777)));
    await client.expect('basic.ack');
    client.method(2, { name: 'basic.get', queue: 'q', noAck: true });
    await client.expect('basic.get-ok');
    let received = Buffer.alloc(0);
    while (received.length < body.length) {
      const { type, payload } = await client.next();
      if (type === FRAME_BODY) received = Buffer.concat([received, payload]);
    }
    assert.ok(received.equals(body));
    client[Symbol.dispose]();
    await until(() => memory.userCount === 0);
    assert.equal(memory.bytes, 0);
  });

  it('are refused, and named, when one user would have nearly all memory', async () => {
    await using test = await TestServer.start({}, limitedTo(4 * MIB, MIB));
    using client = await connect(test, 1);
    client.write(partOfPublish(1, 10 * MIB, 100_000));
    for (let i = 0; i < 50; i++) client.write(bodyFrame(1, Buffer.alloc(100_000)));
    const { replyCode, replyText } = await client.expect('connection.close');
    assert.equal(replyCode, 506);
    assert.match(replyText, /^RESOURCE_ERROR - user 'guest' holds \d+ bytes .*client-memory-per-user/);
  });

  it('are refused too if they are in a transaction that is never committed', async () => {
    await using test = await TestServer.start({}, limitedTo(4 * MIB, MIB));
    const client = await connect(test, 1);
    client.method(1, { name: 'tx.select' });
    await client.expect('tx.select-ok');
    client.write(publishBytes(1, '', 'q', Buffer.alloc(MIB / 2)));
    client.method(1, { name: 'tx.commit' });
    await client.expect('tx.commit-ok');
    for (let i = 0; i < 50; i++) client.write(publishBytes(1, '', 'q', Buffer.alloc(100_000)));
    const { replyCode } = await client.expect('connection.close');
    assert.equal(replyCode, 506);
    client[Symbol.dispose]();
    await until(() => test.broker.budget.memory.userCount === 0);
    assert.equal(test.broker.budget.memory.bytes, 0);
  });

  it('are not read on from their first content header while memory is short', async () => {
    await using test = await TestServer.start();
    using client = await connect(test, 1);
    test.broker.shard.setAlarm('memory', true);
    client.write(partOfPublish(1, MIB, 1000));
    assert.equal((await client.expect('connection.blocked')).reason, 'low on memory');
    test.broker.shard.setAlarm('memory', false);
    await client.expect('connection.unblocked');
  });

  for (const [what, bytes, reason] of [
    ['message', partOfPublish(3, MIB, 1000), /the rest of a message on channel 3 did not come for 0.2 s/],
    [
      'frame',
      bodyFrame(1, Buffer.alloc(1000)).subarray(0, 500),
      /the rest of a frame did not come for 0.2 s/,
    ],
  ] as const) {
    it(`end their connection when the rest of a ${what} does not come, with the reason`, async () => {
      await using test = await TestServer.start({ unfinishedInputTimeoutMs: 200 });
      using honest = await connect(test, 1);
      using client = await connect(test, 3);
      client.write(bytes);
      const timer = setInterval(() => {
        // Heartbeats change nothing; in the middle of a frame there can be none.
        if (what === 'message') client.write(heartbeat());
        honest.write(publishBytes(1, '', 'q', Buffer.alloc(10)));
      }, 10);
      const { replyCode, replyText } = await client.expect('connection.close');
      clearInterval(timer);
      assert.equal(replyCode, 320);
      assert.match(replyText, reason);
      assert.equal(honest.isClosed, false);
      for (const each of [client, honest]) each[Symbol.dispose]();
      await until(() => test.broker.budget.memory.userCount === 0);
      assert.equal(test.broker.budget.memory.bytes, 0);
    });
  }
});

function heartbeat(): Buffer {
  const writer = new FrameWriter();
  writeHeartbeat(writer);
  return writer.take();
}

describe('output that clients do not read', () => {
  it('is counted until they do, or have gone', async () => {
    await using test = await TestServer.start();
    const { memory } = test.broker.budget;
    using publisher = await connect(test, 1);
    const reader = await connect(test, 1);
    const flags = { passive: false, durable: false, exclusive: false, autoDelete: false, noWait: false };
    reader.method(1, { name: 'queue.declare', queue: 'q', ...flags, arguments: {} });
    await reader.expect('queue.declare-ok');
    reader.socket.pause();
    const consume = {
      queue: 'q',
      consumerTag: 'c',
      noLocal: false,
      noAck: true,
      exclusive: false,
      noWait: true,
    };
    reader.method(1, { name: 'basic.consume', ...consume, arguments: {} });
    for (let i = 0; i < 200; i++) publisher.write(publishBytes(1, '', 'q', Buffer.alloc(100_000)));
    await until(() => memory.bytes > 100_000);
    reader[Symbol.dispose]();
    publisher[Symbol.dispose]();
    await until(() => memory.userCount === 0);
    assert.equal(memory.bytes, 0);
  });
});
