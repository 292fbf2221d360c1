import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Table } from '../../../../src/base/value.ts';
import type { Queue } from '../../../../src/broker/queues/queue.ts';
import { bareMessage } from '../../../../src/broker/topology/routing.ts';
import type { VirtualHost } from '../../../../src/broker/topology/virtual-host.ts';
import { fillView, settled, TestBroker, TestConsumer } from '../../test-broker.ts';
import { appendRecords, batchOf } from './records.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

function hostOf(test: TestBroker): VirtualHost<Queue> {
  return test.broker.vhosts.get('/') as VirtualHost<Queue>;
}

function createStream(test: TestBroker, name: string, partitions = 1) {
  return test.broker.streams.create({ vhost: '/', name, partitions, configs: new Map() });
}

function bind(test: TestBroker, source: string, queue: string, routingKey = '#', args: Table = {}): void {
  hostOf(test).bindQueue({ source, destination: queue, routingKey, arguments: args }, null);
}

function publishTo(test: TestBroker, exchange: string, key: string, body: string): number {
  const vhost = hostOf(test);
  fillView(test.publisher.messageView, key, body);
  test.publisher.messageView.exchange = Buffer.from(exchange);
  test.publisher.messageView.exchangeEnd = exchange.length;
  return test.publisher.publish(vhost.route(vhost.exchangeForPublish(exchange), key, bareMessage), true);
}

async function drained(test: TestBroker): Promise<void> {
  await test.flush();
  for (let i = 0; i < 10; i++) await settled();
  await test.flush();
  await settled();
}

async function bodiesOf(test: TestBroker, name: string): Promise<string[]> {
  await drained(test);
  const consumer = new TestConsumer(hostOf(test).checkQueue(name, null), { noAck: true });
  await settled();
  consumer.close();
  return consumer.bodies;
}

function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`);
}

describe('queues that are bound to a stream', () => {
  test('get what is published to its exchange, by their binding keys and in order', async () => {
    await using test = await TestBroker.start();
    createStream(test, 's');
    for (const name of ['all', 'some', 'none']) test.queue(name);
    bind(test, 's', 'all');
    bind(test, 's', 'some', 'a.*');
    bind(test, 's', 'none', 'c');
    for (const [i, key] of ['a.b', 'b', 'a.c'].entries()) publishTo(test, 's', key, String(i));
    assert.deepEqual(await bodiesOf(test, 'all'), ['0', '1', '2']);
    assert.deepEqual(await bodiesOf(test, 'some'), ['0', '2']);
    assert.deepEqual(await bodiesOf(test, 'none'), []);
  });

  test('get what others append as record batches, compressed or not', async () => {
    await using test = await TestBroker.start();
    const stream = createStream(test, 's');
    test.queue('q');
    bind(test, 's', 'q', 'k.*');
    for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
      appendRecords(
        stream,
        [
          { key: `k.${codec}`, value: codec },
          { key: 'other', value: 'x' },
        ],
        { codec },
      );
    }
    assert.deepEqual(await bodiesOf(test, 'q'), ['none', 'gzip', 'snappy', 'lz4', 'zstd']);
  });

  test('get what comes after they were bound, and nothing from before', async () => {
    await using test = await TestBroker.start();
    createStream(test, 's');
    test.queue('q');
    publishTo(test, 's', 'k', 'before');
    bind(test, 's', 'q');
    publishTo(test, 's', 'k', 'after');
    assert.deepEqual(await bodiesOf(test, 'q'), ['after']);
  });

  test('get the past first, if they ask for it, and then follow on without a gap', async () => {
    await using test = await TestBroker.start();
    createStream(test, 's');
    test.queue('first');
    test.queue('late');
    bind(test, 's', 'first');
    const all: string[] = [];
    for (let i = 0; i < 5000; i++) {
      publishTo(test, 's', 'k', `m${i}`);
      all.push(`m${i}`);
      if (i % 500 === 0) await settled();
      if (i === 3000) bind(test, 's', 'late', '#', { 'x-replay-from': 'first' });
    }
    assert.deepEqual(await bodiesOf(test, 'late'), all);
    assert.deepEqual(await bodiesOf(test, 'first'), all);
  });

  test('begin at an offset, with the last record, or at a time', async () => {
    await using test = await TestBroker.start();
    createStream(test, 's');
    const starts: readonly (readonly [string, unknown])[] = [
      ['offset', 7],
      ['last', 'last'],
      ['next', 'next'],
      ['interval', '1h'],
      ['future', new Date(Date.now() + 60_000)],
    ];
    test.queue('other');
    bind(test, 's', 'other');
    for (const body of numbered('m', 10)) publishTo(test, 's', 'k', body);
    await drained(test);
    for (const [name, from] of starts) {
      test.queue(name);
      bind(test, 's', name, '#', { 'x-replay-from': from as string });
    }
    publishTo(test, 's', 'k', 'new');
    assert.deepEqual(await bodiesOf(test, 'offset'), ['m7', 'm8', 'm9', 'new']);
    assert.deepEqual(await bodiesOf(test, 'last'), ['m9', 'new']);
    assert.deepEqual(await bodiesOf(test, 'next'), ['new']);
    assert.deepEqual(await bodiesOf(test, 'interval'), [...numbered('m', 10), 'new']);
    assert.deepEqual(await bodiesOf(test, 'future'), ['new']);
  });

  test('do not get twice what two of their bindings match, also when one of them replays', async () => {
    await using test = await TestBroker.start();
    createStream(test, 's');
    test.queue('q');
    bind(test, 's', 'q', 'a');
    for (const [i, key] of ['a', 'b', 'a', 'b'].entries()) publishTo(test, 's', key, `${key}${i}`);
    await drained(test);
    bind(test, 's', 'q', '#', { 'x-replay-from': 'first' });
    publishTo(test, 's', 'a', 'a4');
    const bodies = await bodiesOf(test, 'q');
    assert.deepEqual(bodies.toSorted(), ['a0', 'a2', 'a4', 'b1', 'b3']);
  });

  test('go on where they were after a restart', async () => {
    await using test = await TestBroker.start();
    createStream(test, 's', 3);
    test.queue('q');
    bind(test, 's', 'q');
    for (const key of numbered('k', 30)) publishTo(test, 's', key, key);
    await drained(test);
    await test.restart();
    for (const key of numbered('l', 30)) publishTo(test, 's', key, key);
    await drained(test);
    await test.restart();
    assert.deepEqual(
      (await bodiesOf(test, 'q')).toSorted(),
      [...numbered('k', 30), ...numbered('l', 30)].toSorted(),
    );
  });

  test('get what matches the headers they ask for', async () => {
    await using test = await TestBroker.start();
    const stream = createStream(test, 's');
    test.queue('q');
    bind(test, 's', 'q', '', { 'x-match': 'all', color: 'red' });
    appendRecords(stream, [
      { key: null, value: 'yes', headers: [['color', 'red']] },
      { key: null, value: 'no', headers: [['color', 'blue']] },
      { key: null, value: 'nor this', headers: [] },
    ]);
    assert.deepEqual(await bodiesOf(test, 'q'), ['yes']);
  });
});

describe('feeding', () => {
  test('waits while memory is short, and keeps nobody from writing to the stream', async () => {
    await using test = await TestBroker.start({
      memoryLimitBytes: 2 * MIB,
      chunkBytes: 128 * KIB,
      journalFileBytes: 2 * MIB,
      journalLimitBytes: 8 * MIB,
      segmentBytes: 4 * MIB,
    });
    const stream = createStream(test, 's');
    test.queue('q');
    bind(test, 's', 'q');
    const { chunks } = test.broker.shard.store;
    const value = Buffer.alloc(8 * KIB);
    let bytesMax = 0;
    for (let i = 0; i < 200; i++) {
      appendRecords(
        stream,
        Array.from({ length: 16 }, () => ({ key: null, value })),
      );
      if (i % 8 === 7) await test.flush();
      await settled();
      bytesMax = Math.max(bytesMax, chunks.bytes);
    }
    const queue = hostOf(test).checkQueue('q', null);
    while (queue.ledger.routed < 3200) {
      await settled();
      bytesMax = Math.max(bytesMax, chunks.bytes);
    }
    assert.equal(queue.readyCount, 3200);
    assert.ok(bytesMax < 16 * MIB, `${bytesMax} bytes for 25 MiB that were written and fed`);
  });

  test('begins with what is there where older records are gone', async () => {
    await using test = await TestBroker.start();
    const stream = createStream(test, 's');
    for (const body of numbered('m', 10)) appendRecords(stream, [{ key: null, value: body }]);
    await test.flush();
    stream.ownPartitions[0]?.deleteBefore(6);
    test.queue('q');
    bind(test, 's', 'q', '#', { 'x-replay-from': 2 });
    assert.deepEqual(await bodiesOf(test, 'q'), ['m6', 'm7', 'm8', 'm9']);
  });

  test('goes on with partitions that are added', async () => {
    await using test = await TestBroker.start();
    const stream = createStream(test, 's');
    test.queue('q');
    bind(test, 's', 'q');
    test.broker.streams.addPartitions(stream, 3);
    for (let partition = 0; partition < 3; partition++) {
      appendRecords(stream, [{ key: null, value: `p${partition}` }], { partition });
    }
    assert.deepEqual((await bodiesOf(test, 'q')).toSorted(), ['p0', 'p1', 'p2']);
  });

  test('passes over a batch that cannot be opened, and over none else', async () => {
    await using test = await TestBroker.start();
    const stream = createStream(test, 's');
    test.queue('q');
    bind(test, 's', 'q');
    appendRecords(stream, [{ key: null, value: 'before' }]);
    const broken = batchOf([{ key: null, value: 'x'.repeat(100) }], 'gzip');
    broken.fill(0xff, 61);
    stream.ownPartitions[0]?.append(broken, 0, broken.length);
    appendRecords(stream, [{ key: null, value: 'after' }]);
    assert.deepEqual(await bodiesOf(test, 'q'), ['before', 'after']);
  });

  test('takes what matches no binding to the alternate exchange, from when there is one', async () => {
    await using test = await TestBroker.start();
    createStream(test, 's');
    test.queue('rest');
    bind(test, 'amq.fanout', 'rest', '');
    publishTo(test, 's', 'k', 'early');
    await drained(test);
    const definition = { 'alternate-exchange': 'amq.fanout' };
    hostOf(test).setPolicy({ name: 'p', pattern: '^s$', definition });
    publishTo(test, 's', 'k', 'late');
    assert.deepEqual(await bodiesOf(test, 'rest'), ['late']);
    test.queue('q');
    bind(test, 's', 'q', 'k');
    publishTo(test, 's', 'k', 'matched');
    publishTo(test, 's', 'other', 'unmatched');
    assert.deepEqual(await bodiesOf(test, 'q'), ['matched']);
    assert.deepEqual(await bodiesOf(test, 'rest'), ['unmatched']);
  });
});

describe('an exchange that a policy tells to remember', () => {
  for (const type of ['x-consistent-hash', 'x-round-robin', 'x-random']) {
    test(`of type ${type} loses nothing while queues are bound to it, and sends nothing to two of them`, async () => {
      await using test = await TestBroker.start();
      const vhost = hostOf(test);
      vhost.setPolicy({ name: 'p', pattern: '^x$', definition: { remember: true } });
      vhost.declareExchange({
        name: 'x',
        type,
        durable: true,
        autoDelete: false,
        internal: false,
        arguments: {},
      });
      const published: string[] = [];
      for (let i = 0; i < 4000; i++) {
        if (i % 1000 === 0) {
          test.queue(`q${i}`);
          bind(test, 'x', `q${i}`, '10');
        }
        publishTo(test, 'x', `k${i}`, `m${i}`);
        published.push(`m${i}`);
        if (i % 97 === 0) await settled();
      }
      const found: string[] = [];
      for (const i of [0, 1000, 2000, 3000]) found.push(...(await bodiesOf(test, `q${i}`)));
      assert.deepEqual(found.toSorted(), published.toSorted());
    });
  }

  test('goes with its virtual host, and so does everything else that is a stream', async () => {
    await using test = await TestBroker.start();
    const vhost = test.broker.vhosts.create('tenant');
    vhost.setPolicy({ name: 'p', pattern: '^x$', definition: { remember: true } });
    const common = { durable: true, autoDelete: false, internal: false, arguments: {} };
    vhost.declareExchange({ name: 'x', type: 'topic', ...common });
    const args = { 'x-queue-type': 'stream' };
    vhost.declareStream({ name: 's', durable: true, exclusive: false, autoDelete: false, arguments: args });
    vhost.declareQueue(
      { name: 'q', durable: true, exclusive: false, autoDelete: false, arguments: {} },
      null,
    );
    vhost.bindQueue({ source: 's', destination: 'q', routingKey: '#', arguments: {} }, null);
    vhost.bindQueue({ source: 'x', destination: 's', routingKey: '#', arguments: {} }, null);
    await test.flush();
    await test.restart();
    assert.equal(test.broker.streams.list('tenant').length, 2);
    assert.equal(test.broker.vhosts.get('tenant')?.findExchange('x')?.type.name, 'topic');
    test.broker.vhosts.delete('tenant');
    assert.deepEqual(test.broker.streams.list('tenant'), []);
    await test.restart();
    assert.deepEqual([...test.broker.streams], []);
    assert.equal(test.broker.vhosts.get('tenant'), undefined);
  });

  test('refuses to replay what it sent by chance', async () => {
    await using test = await TestBroker.start();
    const vhost = hostOf(test);
    vhost.setPolicy({ name: 'p', pattern: '^x$', definition: { remember: true } });
    const common = { durable: true, autoDelete: false, internal: false, arguments: {} };
    vhost.declareExchange({ name: 'x', type: 'x-random', ...common });
    test.queue('q');
    assert.throws(
      () => bind(test, 'x', 'q', '', { 'x-replay-from': 'first' }),
      /it sends each message to one/,
    );
    assert.throws(() => bind(test, 'amq.topic', 'q', '', { 'x-replay-from': 'first' }), /remembers nothing/);
    createStream(test, 's');
    assert.throws(() => bind(test, 's', 'q', '', { 'x-replay-from': 'sometime' }), /an interval such as/);
  });

  test('routes as before, and keeps what it routed for queues to come', async () => {
    await using test = await TestBroker.start();
    const vhost = hostOf(test);
    test.queue('q');
    bind(test, 'amq.topic', 'q', 'a.#');
    vhost.setPolicy({ name: 'p', pattern: '^amq.topic$', definition: { remember: true } });
    for (const key of ['a.b', 'b', 'a']) publishTo(test, 'amq.topic', key, key);
    assert.deepEqual(await bodiesOf(test, 'q'), ['a.b', 'a']);
    await test.restart();
    test.queue('late');
    bind(test, 'amq.topic', 'late', '#', { 'x-replay-from': 'first' });
    publishTo(test, 'amq.topic', 'c', 'c');
    assert.deepEqual(await bodiesOf(test, 'late'), ['a.b', 'b', 'a', 'c']);
    assert.deepEqual(await bodiesOf(test, 'q'), []);
  });
});
