import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Channel, ConfirmChannel } from 'amqplib';
import type { Partition } from '../../../src/broker/streams/partition.ts';
import { transactionEndBatch } from '../../../src/records/transaction-marker.ts';
import { batchOf } from '../../broker/streams/bindings/records.ts';
import { until } from '../../support/until.ts';
import { TestServer } from './test-server.ts';

const STREAM = { durable: true, arguments: { 'x-queue-type': 'stream' } };

/** What is in a queue, taken out of it as soon as there are so many. */
async function take(channel: Channel, queue: string, count: number): Promise<string[]> {
  const bodies: string[] = [];
  const { consumerTag } = await channel.consume(
    queue,
    (message) => {
      if (message !== null) bodies.push(message.content.toString());
    },
    { noAck: true },
  );
  await until(() => bodies.length >= count);
  // What is too much would come now.
  await channel.checkQueue(queue);
  await channel.cancel(consumerTag);
  return bodies;
}

function remember(server: TestServer, pattern: string): void {
  server.broker.vhosts.get('/')?.setPolicy({ name: pattern, pattern, definition: { remember: true } });
}

async function confirmed(
  channel: ConfirmChannel,
  exchange: string,
  key: string,
  bodies: readonly string[],
  options = {},
): Promise<void> {
  for (const body of bodies) channel.publish(exchange, key, Buffer.from(body), options);
  await channel.waitForConfirms();
}

function appendTransaction(
  partition: Partition,
  producerId: number,
  values: readonly string[],
  isCommit: boolean,
): void {
  const batch = batchOf(
    values.map((value) => ({ key: 'k', value })),
    'none',
    { producerId },
  );
  partition.append(batch, 0, batch.length);
  endTransaction(partition, producerId, isCommit);
}

function endTransaction(partition: Partition, producerId: number, isCommit: boolean): void {
  const end = { timestampMs: Date.now(), producerId, producerEpoch: 0, isCommit, coordinatorEpoch: 0 };
  const batch = transactionEndBatch(end);
  partition.append(batch, 0, batch.length);
}

describe('messages come to a stream', () => {
  test('in a transaction, together with what goes to queues', async () => {
    await using server = await TestServer.start();
    await using connection = await server.connect();
    const channel = await connection.createChannel();
    await channel.assertQueue('s', STREAM);
    await channel.assertQueue('q');
    await channel.bindQueue('s', 'amq.fanout', '');
    await channel.bindQueue('q', 'amq.fanout', '');
    const transacted = await connection.createChannel();
    // amqplib has no methods for transactions.
    const { tx } = transactions(transacted);
    await tx('select');
    for (let i = 0; i < 3; i++)
      transacted.publish('amq.fanout', '', Buffer.from(`m${i}`), { headers: { i } });
    await tx('rollback');
    transacted.publish('amq.fanout', '', Buffer.from('kept'), { headers: { a: 'b' } });
    await tx('commit');
    assert.equal((await channel.checkQueue('s')).messageCount, 1);
    assert.deepEqual(await take(channel, 'q', 1), ['kept']);
  });

  test('as dead letters, and when their delay is over', async () => {
    await using server = await TestServer.start();
    await using connection = await server.connect();
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('s', STREAM);
    await channel.assertQueue('short', {
      arguments: { 'x-message-ttl': 1, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 's' },
    });
    await confirmed(channel, '', 'short', ['dead'], { headers: { h: 1 } });
    await channel.assertExchange('later', 'x-delayed-message', { arguments: { 'x-delayed-type': 'fanout' } });
    await channel.bindQueue('s', 'later', '');
    await confirmed(channel, 'later', 'k', ['delayed'], { headers: { 'x-delay': 20 } });
    const stream = server.broker.vhosts.get('/')?.findStream('s');
    await until(() => stream?.counts?.ready === 2);
    await channel.prefetch(10);
    const seen: (readonly [string, unknown])[] = [];
    await channel.consume(
      's',
      (message) => {
        if (message === null) return;
        seen.push([message.content.toString(), message.properties.headers?.['x-death']?.[0]?.reason]);
      },
      { arguments: { 'x-stream-offset': 'first' } },
    );
    await until(() => seen.length === 2);
    assert.deepEqual(seen, [
      ['dead', 'expired'],
      ['delayed', undefined],
    ]);
  });

  test('from another stream, and never in a circle', async () => {
    await using server = await TestServer.start();
    await using connection = await server.connect();
    const channel = await connection.createConfirmChannel();
    for (const name of ['a', 'b', 'c']) await channel.assertQueue(name, STREAM);
    await channel.bindQueue('b', 'a', 'k');
    await channel.bindExchange('c', 'b', '#');
    await channel.assertQueue('q');
    await channel.bindQueue('q', 'c', '#');
    await confirmed(channel, 'a', 'k', ['1', '2']);
    await confirmed(channel, 'a', 'other', ['3']);
    assert.deepEqual(await take(channel, 'q', 2), ['1', '2']);
    const other = await connection.createChannel();
    other.on('error', () => undefined);
    await assert.rejects(
      other.bindExchange('a', 'c', '#'),
      /PRECONDITION_FAILED - exchange 'a' in vhost '\/' leads back to exchange 'c' in vhost '\/', and a stream is on the way/,
    );
  });
});

describe('an exchange that remembers', () => {
  test('routes by further keys too, and shows the secret ones to nobody', async () => {
    await using server = await TestServer.start();
    remember(server, '^x$');
    await using connection = await server.connect();
    const channel = await connection.createConfirmChannel();
    await channel.assertExchange('x', 'direct');
    for (const key of ['a', 'b', 'c']) {
      await channel.assertQueue(key);
      await channel.bindQueue(key, 'x', key);
    }
    await confirmed(channel, 'x', 'a', ['m'], { CC: ['b'], BCC: ['c'] });
    const headers: unknown[] = [];
    for (const key of ['a', 'b', 'c']) {
      await until(() => server.queue(key)?.readyCount === 1);
      const message = await channel.get(key, { noAck: true });
      if (message !== false) headers.push(Object.keys(message.properties.headers ?? {}));
    }
    assert.deepEqual(headers, [['CC'], ['CC'], ['CC']]);
    await confirmed(channel, 'x', 'a', ['n']);
    assert.deepEqual(await take(channel, 'a', 1), ['n']);
    assert.equal((await channel.checkQueue('b')).messageCount, 0);
  });

  for (const type of ['fanout', 'headers', 'x-consistent-hash', 'x-delayed-message']) {
    test(`of type ${type} routes as it did`, async () => {
      await using server = await TestServer.start();
      remember(server, '^x$');
      await using connection = await server.connect();
      const channel = await connection.createConfirmChannel();
      const args = type === 'x-delayed-message' ? { 'x-delayed-type': 'fanout' } : {};
      await channel.assertExchange('x', type, { arguments: args });
      await channel.assertQueue('q');
      await channel.bindQueue('q', 'x', '1', type === 'headers' ? { 'x-match': 'any', i: 2 } : {});
      for (let i = 0; i < 4; i++) {
        await confirmed(channel, 'x', `k${i}`, [`m${i}`], { headers: { i, 'x-delay': i === 0 ? 20 : 0 } });
      }
      const expected = type === 'headers' ? ['m2'] : ['m0', 'm1', 'm2', 'm3'];
      assert.deepEqual((await take(channel, 'q', expected.length)).toSorted(), expected);
      assert.equal(server.broker.streams.get('/', 'x')?.ownPartitions[0]?.highWatermark, 4);
    });
  }

  test('sends what matches nothing to its alternate, and takes every mandatory message', async () => {
    await using server = await TestServer.start();
    remember(server, '^x$');
    await using connection = await server.connect();
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('rest');
    await channel.bindQueue('rest', 'amq.fanout', '');
    await channel.assertExchange('x', 'direct', { alternateExchange: 'amq.fanout' });
    let returned = 0;
    channel.on('return', () => returned++);
    await confirmed(channel, 'x', 'k', ['m'], { mandatory: true });
    assert.deepEqual(await take(channel, 'rest', 1), ['m']);
    assert.equal(returned, 0);
  });

  test('goes on remembering when its policy is gone, and forgets when it is deleted', async () => {
    await using server = await TestServer.start();
    remember(server, '^x$');
    await using connection = await server.connect();
    const channel = await connection.createConfirmChannel();
    await channel.assertExchange('x', 'direct');
    const vhost = server.broker.vhosts.get('/');
    vhost?.setPolicy({
      name: '^x$',
      pattern: '^x$',
      definition: { remember: true, 'retention-ms': 1000, 'retention-bytes': 5000 },
    });
    const stream = server.broker.streams.get('/', 'x');
    assert.deepEqual(Object.fromEntries(stream?.configs ?? []), {
      'max.message.bytes': '99614720',
      'retention.ms': '1000',
      'retention.bytes': '5000',
    });
    vhost?.clearPolicy('^x$');
    await confirmed(channel, 'x', 'k', ['m']);
    assert.equal(stream?.ownPartitions[0]?.highWatermark, 1);
    await channel.deleteExchange('x');
    assert.equal(server.broker.streams.get('/', 'x'), undefined);
    assert.equal(vhost?.findExchange('x'), undefined);
  });
});

describe('what belongs to transactions in a stream', () => {
  test('reaches queues and consumers when they are committed, and never if they are aborted', async () => {
    await using server = await TestServer.start();
    await using connection = await server.connect();
    const channel = await connection.createChannel();
    await channel.assertQueue('s', STREAM);
    await channel.assertQueue('q');
    await channel.bindQueue('q', 's', '#');
    const partition = server.broker.streams.get('/', 's')?.ownPartitions[0] as Partition;
    appendTransaction(partition, 1, ['a1', 'a2'], true);
    appendTransaction(partition, 2, ['b1'], false);
    const open = batchOf([{ key: 'k', value: 'c1' }], 'none', { producerId: 3 });
    partition.append(open, 0, open.length);
    appendTransaction(partition, 1001, ['d1'], true);
    await channel.prefetch(10);
    const read: string[] = [];
    await channel.consume('s', (message) => void read.push(message?.content.toString() ?? ''), {
      arguments: { 'x-stream-offset': 'first' },
    });
    await until(() => read.length === 2);
    assert.deepEqual(await take(channel, 'q', 2), ['a1', 'a2']);
    assert.deepEqual(read, ['a1', 'a2']);
    endTransaction(partition, 3, true);
    assert.deepEqual(await take(channel, 'q', 2), ['c1', 'd1']);
    await until(() => read.length === 4);
    assert.deepEqual(read, ['a1', 'a2', 'c1', 'd1']);
  });
});

/** By the frames themselves. */
function transactions(channel: Channel): { tx(method: 'select' | 'commit' | 'rollback'): Promise<void> } {
  const ids = { select: 0x5a000a, commit: 0x5a0014, rollback: 0x5a001e } as const;
  const rpc = channel as unknown as {
    rpc(method: number, fields: object, expected: number): Promise<unknown>;
  };
  return {
    async tx(method) {
      await rpc.rpc(ids[method], {}, ids[method] + 1);
    },
  };
}
