import assert from 'node:assert/strict';
import { rename, rm } from 'node:fs/promises';
import { describe, it } from 'node:test';
import type { Partition } from '../../../src/broker/streams/partition.ts';
import type { Stream } from '../../../src/broker/streams/stream.ts';
import type { WantedShards } from '../../../src/broker/streams/streams.ts';
import { batchOf } from '../streams/batches.ts';
import { TestShards } from './test-shards.ts';

describe('the partitions of streams over shards', () => {
  it('are spread evenly when they are made, and each is in one shard and known to all', async () => {
    await using shards = await TestShards.start(3);
    await create(shards, 's', 6);
    await create(shards, 't', 2);
    const placed = ['s', 't'].flatMap((name) =>
      streamIn(shards, 0, name).partitions.map(({ shard }) => shard),
    );
    assert.deepEqual(placed, [0, 1, 2, 0, 1, 2, 0, 1]);
    for (const number of [0, 1, 2]) {
      const { partitions, ownPartitions } = streamIn(shards, number, 's');
      assert.deepEqual(
        partitions.map(({ shard, isRemote }) => [shard, isRemote]),
        [0, 1, 2, 0, 1, 2].map((shard) => [shard, shard !== number]),
      );
      assert.deepEqual(
        ownPartitions.map(({ index }) => index),
        [number, number + 3],
      );
    }
  });

  it('are in shard 0 unless whoever makes them says otherwise', async () => {
    await using shards = await TestShards.start(2);
    await create(shards, 's', 3, 'first');
    assert.deepEqual(placesOf(shards, 's'), [0, 0, 0]);
    await create(shards, 't', 3, [1, 0, 1]);
    assert.deepEqual(placesOf(shards, 't'), [1, 0, 1]);
  });

  it('have what was appended to them after a restart, with epochs and producers', async () => {
    await using shards = await TestShards.start(3);
    await create(shards, 's', 3);
    for (const number of [0, 1, 2]) await append(shards, number, `before ${number}`);
    await shards.restart();
    for (const number of [0, 1, 2]) {
      await append(shards, number, `after ${number}`);
      const [partition] = streamIn(shards, number, 's').ownPartitions;
      assert.deepEqual(partition.epochs.state().length, 4);
      assert.equal(partition.highWatermark, 2);
    }
  });

  it('come in addition, and go with their stream, in all shards', async () => {
    await using shards = await TestShards.start(3);
    await create(shards, 's', 2);
    await append(shards, 1, 'there');
    shards.brokers[0].streams.addPartitions(streamIn(shards, 0, 's'), 5, null, 'spread');
    await shards.brokers[0].metadataIsSafe();
    assert.deepEqual(placesOf(shards, 's'), [0, 1, 2, 0, 1]);
    assert.equal(streamIn(shards, 2, 's').ownPartitions.length, 1);
    await shards.restart();
    assert.deepEqual(placesOf(shards, 's'), [0, 1, 2, 0, 1]);
    shards.brokers[0].streams.delete(streamIn(shards, 0, 's'));
    await shards.brokers[0].metadataIsSafe();
    for (const { streams, shard } of shards.brokers) {
      assert.equal(streams.get('/', 's'), undefined);
      assert.equal(shard.store.streams.size, 0);
    }
    await shards.restart();
    for (const { streams } of shards.brokers) assert.equal(streams.get('/', 's'), undefined);
  });

  it('follow the settings of the stream, and those of the broker', async () => {
    await using shards = await TestShards.start(2);
    const [first] = shards.brokers;
    await create(shards, 's', 2);
    first.brokerConfigs.set('cluster', new Map([['log.retention.ms', '5000']]));
    first.streams.configure(streamIn(shards, 0, 's'), new Map([['max.message.bytes', '1234']]));
    await first.metadataIsSafe();
    const { maxMessageBytes, retentionMs } = streamIn(shards, 1, 's').settings;
    assert.deepEqual([maxMessageBytes, retentionMs], [1234, 5000]);
    await shards.restart();
    const { settings } = streamIn(shards, 1, 's');
    assert.deepEqual([settings.maxMessageBytes, settings.retentionMs], [1234, 5000]);
  });

  it('are not lost from sight: a start without the directory of their shard is refused', async () => {
    await using shards = await TestShards.start(2);
    await create(shards, 's', 2);
    await append(shards, 1, 'there');
    await shards.close();
    await rm(shards.directoryOf(1), { recursive: true });
    await assert.rejects(shards.open(), /1 partition is in shard 1, whose directory .* is empty/);
    await shards.brokers[0].close();
    shards.brokers = [];
  });

  it('cannot be taken for those of another shard: a start with exchanged directories is refused', async () => {
    await using shards = await TestShards.start(3);
    await create(shards, 's', 3);
    for (const number of [1, 2]) await append(shards, number, 'there');
    await shards.close();
    await rename(shards.directoryOf(1), `${shards.directory}/aside`);
    await rename(shards.directoryOf(2), shards.directoryOf(1));
    await rename(`${shards.directory}/aside`, shards.directoryOf(2));
    await assert.rejects(shards.open(), /directories of\s+shards were exchanged/);
    await shards.brokers[0].close();
    shards.brokers = [];
  });

  it('tell each other the leader epochs of their shards', async () => {
    await using shards = await TestShards.start(2);
    await shards.restart();
    await shards.close();
    await shards.open(3);
    await create(shards, 's', 3);
    const epochsIn = (number: number) =>
      streamIn(shards, number, 's').partitions.map(({ leaderEpoch }) => leaderEpoch);
    assert.deepEqual(epochsIn(0), [3, 3, 1]);
    for (const number of [1, 2]) assert.deepEqual(epochsIn(number), epochsIn(0));
  });
});

async function create(
  shards: TestShards,
  name: string,
  partitions: number,
  wanted: WantedShards = 'spread',
): Promise<void> {
  const [first] = shards.brokers;
  first.streams.create({ vhost: '/', name, partitions, configs: new Map(), shards: wanted });
  await first.metadataIsSafe();
}

function streamIn(shards: TestShards, number: number, name: string): Stream {
  const stream = shards.brokers[number].streams.get('/', name);
  assert.ok(stream !== undefined, `shard ${number} has no stream '${name}'`);
  return stream;
}

function placesOf(shards: TestShards, name: string): number[] {
  return streamIn(shards, 0, name).partitions.map(({ shard }) => shard);
}

async function append(shards: TestShards, number: number, value: string): Promise<Partition> {
  const [partition] = streamIn(shards, number, 's').ownPartitions;
  const batch = batchOf([value]);
  partition.append(batch, 0, batch.length);
  await shards.brokers[number].shard.durable();
  return partition;
}
