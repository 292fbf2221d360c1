import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32c } from '../../../src/base/crc32c.ts';
import type { Partition } from '../../../src/broker/streams/partition.ts';
import { verifyBatch } from '../../../src/records/batch-checksum.ts';
import { BatchView } from '../../../src/records/batch-view.ts';
import { MessageView } from '../../../src/records/message-view.ts';
import { bodyLengthAt } from '../../../src/records/record-content.ts';
import { forEachRecord } from '../../../src/records/record-cursor.ts';
import { fillView, TestBroker } from '../test-broker.ts';
import { batchOf } from './batches.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

function createStream(test: TestBroker, name = 's', partitions = 1): Partition {
  const stream = test.broker.streams.create({ vhost: '/', name, partitions, configs: new Map() });
  return stream.ownPartitions[0];
}

function partitionOf(test: TestBroker, name = 's'): Partition {
  const partition = test.broker.streams.get('/', name)?.ownPartitions[0];
  if (partition === undefined) throw new Error(`no stream '${name}'`);
  return partition;
}

function append(partition: Partition, batch: Buffer): number {
  return partition.append(batch, 0, batch.length);
}

function numberRecords(batch: Buffer): void {
  batch.writeInt32BE(0, 53);
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
}

/** Everything from `from` on, batch by batch: verified, and in order. */
async function readAll(partition: Partition, from = 0): Promise<{ offsets: number[]; bodies: number[] }> {
  const offsets: number[] = [];
  const bodies: number[] = [];
  for (let at = from; at < partition.highWatermark; ) {
    const { bytes, nextOffset } = await partition.read(at, partition.highWatermark, 256 * KIB);
    for (let start = 0; start < bytes.length; start += new BatchView(bytes, start).byteLength) {
      assert.equal(verifyBatch(bytes, start, bytes.length, true), null);
    }
    forEachRecord(bytes, 0, bytes.length, (offset, _timestamp, buffer, start) => {
      if (offset < at) return;
      offsets.push(offset);
      bodies.push(bodyLengthAt(buffer, start));
    });
    assert.ok(nextOffset > at, `a read at ${at} goes on`);
    at = nextOffset;
  }
  return { offsets, bodies };
}

test('a batch can be read when it is durable, and not before', async () => {
  await using broker = await TestBroker.start();
  const partition = createStream(broker);
  let advances = 0;
  partition.onAdvance(() => advances++);
  assert.equal(append(partition, batchOf(['a', 'b', 'c'])), 0);
  assert.equal(append(partition, batchOf(['d'])), 3);
  assert.equal(partition.endOffset, 4);
  assert.equal(partition.highWatermark, 0);
  assert.deepEqual(partition.readTail(0, partition.highWatermark, MIB), []);
  await broker.flush();
  assert.equal(partition.highWatermark, 4);
  assert.equal(advances, 1);
  assert.deepEqual((await readAll(partition)).offsets, [0, 1, 2, 3]);
  assert.deepEqual((await readAll(partition, 2)).offsets, [2, 3]);
});

for (const kind of ['an orderly stop', 'a crash']) {
  test(`after ${kind} every durable batch is there, byte for byte, and offsets go on`, async () => {
    await using broker = await TestBroker.start();
    const first = createStream(broker);
    const batch = batchOf(['one', 'two']);
    append(first, batch);
    append(first, batchOf(['three']));
    await broker.flush();
    if (kind === 'a crash') broker.broker.shard.store.abandon();
    await broker.restart();
    const partition = partitionOf(broker);
    assert.equal(partition.highWatermark, 3);
    const { bytes } = await partition.read(0, 2, MIB);
    assert.deepEqual(bytes.subarray(16), batch.subarray(16));
    assert.equal(append(partition, batchOf(['four'])), 3);
    assert.ok(partition.leaderEpoch > new BatchView(bytes, 0).leaderEpoch);
    const { leaderEpoch } = new BatchView(bytes, 0);
    assert.deepEqual(partition.epochs.endOf(leaderEpoch, partition.leaderEpoch, partition.endOffset), {
      epoch: leaderEpoch,
      endOffset: 3,
    });
  });
}

test('what is more than memory may hold goes to segments, and is read from there and from memory as one', async () => {
  await using broker = await TestBroker.start({
    memoryLimitBytes: 2 * MIB,
    journalLimitBytes: 8 * MIB,
    journalFileBytes: MIB,
    segmentBytes: 4 * MIB,
    chunkBytes: 256 * KIB,
  });
  const partition = createStream(broker);
  const sizes = Array.from({ length: 3000 }, (_, i) => (i * 7919) % (10 * KIB));
  for (let i = 0; i < sizes.length; i += 3) {
    const batch = batchOf(sizes.slice(i, i + 3).map((size) => Buffer.alloc(size, i)));
    // Some producers number their records although they have no id.
    if (i % 9 === 0) numberRecords(batch);
    append(partition, batch);
    if (i % 60 === 0) await broker.flush();
  }
  await broker.flush();
  assert.ok(partition.log.tailStart > 0, 'some of it is in segments');
  const offsets = sizes.map((_, i) => i);
  assert.deepEqual(await readAll(partition), { offsets, bodies: sizes });
  await broker.restart();
  assert.deepEqual(await readAll(partitionOf(broker)), { offsets, bodies: sizes });
});

test('messages of one turn become one batch, in order with the batches around them, and survive a restart', async () => {
  await using broker = await TestBroker.start();
  const partition = createStream(broker);
  const messageView = new MessageView();
  append(partition, batchOf(['a']));
  for (const body of ['bb', 'ccc']) {
    fillView(messageView, 'key', body);
    partition.gather(messageView, broker.broker.shard.nowMs);
  }
  append(partition, batchOf(['dddd']));
  fillView(messageView, 'key', 'eeeee');
  partition.gather(messageView, broker.broker.shard.nowMs);
  const block = broker.broker.shard.currentBlock;
  await broker.flush();
  assert.ok(broker.broker.shard.isDurable(block));
  assert.equal(partition.readTail(0, partition.highWatermark, MIB)?.length, 4);
  const expected = { offsets: [0, 1, 2, 3, 4], bodies: [1, 2, 3, 4, 5] };
  assert.deepEqual(await readAll(partition), expected);
  await broker.restart();
  assert.deepEqual(await readAll(partitionOf(broker)), expected);
});

for (const chunkKib of [4, 64]) {
  test(`a message that is gathered is in the block that was promised, however full a chunk of ${chunkKib} KiB is`, async () => {
    await using broker = await TestBroker.start({ chunkBytes: chunkKib * KIB });
    const partition = createStream(broker);
    const other = createStream(broker, 'other');
    const messageView = new MessageView();
    const { journal } = broker.broker.shard.store;
    const promised: number[] = [];
    let seed = 7;
    const sizes = Array.from({ length: 500 }, () => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed % 50 === 0 ? 100 * KIB : seed % 9000;
    });
    const durableWith = new Map<number, number>();
    partition.onAdvance(() => {
      for (let offset = 0; offset < partition.highWatermark; offset++) {
        if (!durableWith.has(offset)) durableWith.set(offset, journal.durableBlock);
      }
    });
    for (const [i, size] of sizes.entries()) {
      fillView(messageView, 'k', Buffer.alloc(size));
      partition.gather(messageView, broker.broker.shard.nowMs);
      promised.push(journal.blockNumber);
      if (i % 3 === 0) append(other, batchOf([Buffer.alloc((i * 997) % 20_000)]));
      if (i % 40 === 0) await broker.flush();
    }
    await broker.flush();
    assert.deepEqual((await readAll(partition)).bodies, sizes);
    for (const [offset, block] of promised.entries()) {
      assert.ok((durableWith.get(offset) as number) <= Math.max(block, journal.durableBlock));
      assert.ok(block <= journal.durableBlock);
    }
  });
}

test('a deleted stream is gone with its files, and its name can be used again', async () => {
  await using broker = await TestBroker.start();
  const partition = createStream(broker);
  const { id } = partition.stream;
  append(partition, batchOf(['a']));
  broker.broker.streams.delete(broker.broker.streams.byId(id)!);
  const next = createStream(broker);
  assert.notEqual(next.stream.id, id);
  assert.equal(next.endOffset, 0);
  await broker.restart();
  assert.equal(partitionOf(broker).endOffset, 0);
  assert.equal(broker.broker.streams.byId(id), undefined);
});

test('partitions can be added, and configs are kept over a restart', async () => {
  await using broker = await TestBroker.start();
  const stream = broker.broker.streams.byId(createStream(broker, 's', 2).stream.id)!;
  broker.broker.streams.addPartitions(stream, 5);
  broker.broker.streams.configure(stream, new Map([['max.message.bytes', '1000']]));
  assert.throws(() => broker.broker.streams.addPartitions(stream, 4), /cannot become 4/);
  await broker.restart();
  const again = broker.broker.streams.get('/', 's');
  assert.equal(again?.ownPartitions.length, 5);
  assert.equal(again?.settings.maxMessageBytes, 1000);
});

test('with the time of appending, a batch is stamped and its checksum is right', async () => {
  await using broker = await TestBroker.start();
  const partition = createStream(broker);
  const stream = broker.broker.streams.byId(partition.stream.id)!;
  broker.broker.streams.configure(stream, new Map([['message.timestamp.type', 'LogAppendTime']]));
  append(partition, batchOf(['a'], 1000));
  await broker.flush();
  const { bytes } = await partition.read(0, 1, MIB);
  assert.equal(verifyBatch(bytes, 0, bytes.length), null);
  assert.equal(new BatchView(bytes, 0).attributes, 8);
  assert.ok(new BatchView(bytes, 0).maxTimestampMs > 1_700_000_000_000);
});
