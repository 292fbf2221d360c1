import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { localOf } from '../../../src/broker/queues/any-queue.ts';
import type { Log } from '../../../src/servers/amqp091/options.ts';
import { PROTOCOL_HEADER } from '../../../src/wire/amqp091/constants.ts';
import type { Method } from '../../../src/wire/amqp091/definitions.ts';
import { until } from '../../support/until.ts';
import { methodBytes, publishBytes, startOk } from './raw-client.ts';
import { TestServer } from './test-server.ts';

const QUEUE = { queue: 'q', noWait: false, arguments: {} } as const;
const FLAGS = { passive: false, durable: false, exclusive: false, autoDelete: true } as const;

const HANDSHAKE: readonly Buffer[] = [
  Buffer.from(PROTOCOL_HEADER),
  methodBytes(0, startOk('guest', 'guest')),
  methodBytes(0, { name: 'connection.tune-ok', channelMax: 8, frameMax: 4096, heartbeat: 0 }),
  methodBytes(0, { name: 'connection.open', virtualHost: '/' }),
  methodBytes(1, { name: 'channel.open' }),
  methodBytes(2, { name: 'channel.open' }),
];

/** Requests that may come in any order, right or wrong. */
const REQUESTS: readonly Method[] = [
  { name: 'channel.open' },
  { name: 'channel.flow', active: false },
  { name: 'channel.flow', active: true },
  { name: 'channel.close', replyCode: 200, replyText: '', classId: 0, methodId: 0 },
  { name: 'channel.close-ok' },
  { name: 'queue.declare', ...QUEUE, ...FLAGS },
  { name: 'queue.declare', ...QUEUE, ...FLAGS, durable: true, autoDelete: false, queue: 'durable' },
  { name: 'queue.bind', ...QUEUE, exchange: 'amq.fanout', routingKey: '' },
  { name: 'queue.purge', queue: 'q', noWait: false },
  { name: 'queue.delete', queue: 'q', ifUnused: false, ifEmpty: false, noWait: false },
  { name: 'basic.qos', prefetchSize: 0, prefetchCount: 2, global: true },
  { name: 'basic.consume', ...QUEUE, consumerTag: '', noLocal: false, noAck: false, exclusive: false },
  { name: 'basic.consume', ...QUEUE, consumerTag: 't', noLocal: false, noAck: true, exclusive: false },
  {
    name: 'basic.consume',
    ...QUEUE,
    queue: 'durable',
    consumerTag: 'd',
    noLocal: false,
    noAck: false,
    exclusive: true,
  },
  { name: 'basic.cancel', consumerTag: 't', noWait: false },
  { name: 'basic.get', queue: 'q', noAck: false },
  { name: 'basic.get', queue: 'durable', noAck: true },
  { name: 'basic.get', queue: 'durable', noAck: false },
  { name: 'basic.ack', deliveryTag: 0, multiple: true },
  { name: 'basic.ack', deliveryTag: 1, multiple: false },
  { name: 'basic.nack', deliveryTag: 2, multiple: true, requeue: true },
  { name: 'basic.recover', requeue: true },
  { name: 'confirm.select', noWait: false },
  { name: 'tx.select' },
  { name: 'tx.commit' },
  { name: 'tx.rollback' },
];

const request = fc.oneof(
  fc
    .tuple(fc.constantFrom(1, 2), fc.constantFrom(...REQUESTS))
    .map(([channel, method]) => methodBytes(channel, method)),
  fc
    .tuple(
      fc.constantFrom(1, 2),
      fc.constantFrom('', 'amq.fanout', 'amq.headers'),
      fc.nat(9000),
      fc.boolean(),
      fc.constantFrom(0, 2),
    )
    .map(([channel, exchange, size, mandatory, deliveryMode]) =>
      publishBytes(channel, exchange, 'durable', Buffer.alloc(size), {
        mandatory,
        frameMax: 4096,
        properties: Buffer.from([0x10, 0, deliveryMode]),
      }),
    ),
);

const conversation = fc
  .array(request, { maxLength: 25 })
  .map((parts) => Buffer.concat([...HANDSHAKE, ...parts]));

/** Where to change a byte, and to what. */
const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 });

describe('the server, whatever it is sent,', () => {
  it('answers or closes, holds on to nothing, and serves others', async () => {
    const failures: unknown[] = [];
    const log: Log = {
      debug() {},
      info() {},
      warn() {},
      error: (...details: unknown[]) => failures.push(details),
    };
    await using test = await TestServer.start({ log, handshakeTimeoutMs: 300, closeTimeoutMs: 200 });
    await using bystander = await test.connect();
    const channel = await bystander.createConfirmChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await fc.assert(
      fc.asyncProperty(conversation, damage, fc.nat(), async (bytes, changes, cut) => {
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        using client = await test.raw();
        client.doNotParse();
        client.write(bytes.subarray(0, cut % bytes.length));
        await new Promise((resolve) => setImmediate(resolve));
        client.write(bytes.subarray(cut % bytes.length));
        client.socket.end();
        client.socket.resume();
        await client.closed();
        assert.deepEqual(failures, []);
      }),
      { numRuns: 300 },
    );
    channel.sendToQueue(queue, Buffer.from('still here'));
    await channel.waitForConfirms();
    const message = await channel.get(queue);
    assert.ok(message !== false && message.content.toString() === 'still here');
    await until(() => test.server.connectionCount === 1);
    for (const each of localOf(test.broker.vhosts.get('/')?.queues() ?? [])) {
      assert.equal(each.consumerCount, 0, each.name);
      assert.equal(each.unacknowledgedCount, each.name === queue ? 1 : 0, each.name);
    }
  });
});
