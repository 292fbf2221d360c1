import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { crc32c } from '../../../src/base/crc32c.ts';
import { asLocal } from '../../../src/broker/queues/any-queue.ts';
import type { Queue } from '../../../src/broker/queues/queue.ts';
import type { VirtualHost } from '../../../src/broker/topology/virtual-host.ts';
import { COMPRESSION, compress } from '../../../src/records/compression/compression.ts';
import { MessageView } from '../../../src/records/message-view.ts';
import {
  SOURCE_AMQP091,
  varintLength,
  writeContent,
  writeVarint,
} from '../../../src/records/record-content.ts';
import { amqp091Codec } from '../../../src/servers/amqp091/property-codec.ts';
import { assertLinear } from '../../support/growth.ts';
import { appendRecords, batchOf } from '../streams/bindings/records.ts';
import { settled, TestBroker, TestConsumer } from '../test-broker.ts';

function bound(test: TestBroker) {
  const stream = test.broker.streams.create({ vhost: '/', name: 's', partitions: 1, configs: new Map() });
  test.queue('q');
  const vhost = test.broker.vhosts.get('/') as VirtualHost<Queue>;
  vhost.bindQueue({ source: 's', destination: 'q', routingKey: '#', arguments: {} }, null);
  return stream;
}

async function bodiesOf(test: TestBroker): Promise<string[]> {
  for (let i = 0; i < 10; i++) {
    await test.flush();
    await settled();
  }
  const vhost = test.broker.vhosts.get('/') as VirtualHost<Queue>;
  const consumer = new TestConsumer(vhost.checkQueue('q', null), { noAck: true });
  await settled();
  consumer.close();
  return consumer.bodies;
}

/** A batch that says it has `count` records, with these bytes instead of them. */
function nonsense(count: number, body: Buffer, baseMs = 1000n): Buffer {
  const records = Array.from({ length: count }, () => ({ key: null, value: '' }));
  const batch = Buffer.concat([batchOf(records).subarray(0, 61), body]);
  batch.writeInt32BE(batch.length - 12, 8);
  batch.writeBigInt64BE(baseMs, 27);
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
  return batch;
}

/** A record with a value of one byte. */
function recordOf(offsetDelta: number, value: string, timestampDelta: readonly number[] = [0]): Buffer {
  const rest = Buffer.alloc(16);
  let at = writeVarint(rest, 0, offsetDelta);
  at = writeVarint(rest, at, -1);
  at = writeVarint(rest, at, 1);
  at += rest.write(value, at);
  at = writeVarint(rest, at, 0);
  const body = Buffer.concat([Buffer.from([0, ...timestampDelta]), rest.subarray(0, at)]);
  const length = Buffer.alloc(varintLength(body.length));
  writeVarint(length, 0, body.length);
  return Buffer.concat([length, body]);
}

describe('records that no honest client sends do not reach queues, and harm nobody', () => {
  test('offsets of others: what those wrote there is fed all the same', async () => {
    await using test = await TestBroker.start();
    const stream = bound(test);
    const [partition] = stream.ownPartitions;
    for (const deltas of [
      [0, 9],
      [0, 0x7fffffff],
      [1, 0],
      [0, -5],
      [1, 1],
    ]) {
      const body = Buffer.concat(deltas.map((delta) => recordOf(delta, 'x')));
      const batch = nonsense(2, body);
      partition!.append(batch, 0, batch.length);
    }
    appendRecords(
      stream,
      Array.from({ length: 12 }, (_, i) => ({ key: null, value: `good ${i}` })),
    );
    const bodies = await bodiesOf(test);
    assert.deepEqual(bodies.filter((body) => body.startsWith('good')).length, 12);
  });

  test('times beyond all numbers', async () => {
    await using test = await TestBroker.start();
    const stream = bound(test);
    const [partition] = stream.ownPartitions;
    for (const last of [0x01, 0x00]) {
      const delta = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, last];
      for (const baseMs of [(1n << 63n) - 1n, -(1n << 63n), 0n]) {
        for (const sign of [0, 1]) {
          const bytes = [...delta];
          bytes[0] = bytes[0] | sign;
          const batch = nonsense(1, recordOf(0, 't', bytes), baseMs);
          partition!.append(batch, 0, batch.length);
        }
      }
    }
    appendRecords(stream, [{ key: null, value: 'good' }]);
    assert.ok((await bodiesOf(test)).includes('good'));
  });

  test('very many headers with one name', async () => {
    const feed = async (count: number): Promise<void> => {
      await using test = await TestBroker.start();
      const stream = bound(test);
      const headers = Array.from({ length: count }, () => ['', null] as const);
      appendRecords(stream, [
        { key: null, value: 'many', headers },
        { key: null, value: 'good' },
      ]);
      assert.deepEqual(await bodiesOf(test), ['many', 'good']);
    };
    await assertLinear(10_000, feed);
  });

  test('properties of a size that no frame has, which would take more of the journal as text', async () => {
    await using test = await TestBroker.start();
    const stream = bound(test);
    test.broker.streams.create({ vhost: '/', name: 'copy', partitions: 1, configs: new Map() });
    const vhost = test.broker.vhosts.get('/') as VirtualHost<Queue>;
    vhost.bindExchange({ source: 's', destination: 'copy', routingKey: '#', arguments: {} });
    const properties = amqp091Codec.encode({
      headers: { n: { t: '\u0001'.repeat(900_000) } },
      persistent: true,
    });
    const out = Buffer.alloc(1_000_000);
    const fields = { keyStart: -1, protocol: SOURCE_AMQP091, properties, propertiesEnd: properties.length };
    const end = writeContent(out, 0, Object.assign(new MessageView(), fields));
    const content = out.subarray(0, end);
    const body = Buffer.alloc(content.length + 16);
    let at = writeVarint(body, 0, content.length + 3);
    at = writeVarint(body, at + 2, 0);
    at += content.copy(body, at);
    const batch = nonsense(1, body.subarray(0, at));
    stream.ownPartitions[0].append(batch, 0, batch.length);
    appendRecords(stream, [{ key: null, value: 'good' }]);
    assert.deepEqual(await bodiesOf(test), ['', 'good']);
    assert.equal(test.broker.streams.get('/', 'copy')!.ownPartitions[0].highWatermark, 2);
    await test.restart();
    assert.equal(test.broker.streams.get('/', 'copy')!.ownPartitions[0].highWatermark, 2);
  });

  test('batches that become a thousand times as large: others have their turn between them', async () => {
    await using test = await TestBroker.start();
    const stream = bound(test);
    const bomb = compress(COMPRESSION.zstd, Buffer.alloc(32 * 1024 * 1024));
    for (let i = 0; i < 8; i++) {
      const batch = nonsense(1, bomb);
      batch.writeInt16BE(COMPRESSION.zstd, 21);
      batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
      stream.ownPartitions[0].append(batch, 0, batch.length);
    }
    appendRecords(stream, [{ key: null, value: 'good' }]);
    let turns = 0;
    let isOver = false;
    const count = (): void => {
      turns++;
      if (!isOver) setImmediate(count);
    };
    const { ledger } = asLocal(test.broker.vhosts.get('/')!.checkQueue('q', null))!;
    await test.flush();
    count();
    while (ledger.routed === 0) await settled();
    isOver = true;
    assert.ok(turns > 7, `${turns} turns`);
    assert.deepEqual(await bodiesOf(test), ['good']);
  });
});
