import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crc32c } from '../../../src/base/crc32c.ts';
import { StreamPager } from '../../../src/log/streams/stream-pager.ts';
import { errorName } from '../../../src/wire/kafka/error-codes.ts';
import { consumerGroupHeartbeat } from '../../../src/wire/kafka/messages/consumer-groups.ts';
import { fetch } from '../../../src/wire/kafka/messages/fetch.ts';
import { listOffsets } from '../../../src/wire/kafka/messages/offsets.ts';
import { produce } from '../../../src/wire/kafka/messages/produce.ts';
import { listTransactions } from '../../../src/wire/kafka/messages/transaction-admin.ts';
import { batchOf } from '../../broker/streams/batches.ts';
import type { KafkaClient } from './kafka-client.ts';
import { KafkaTestServer } from './test-server.ts';

const MIB = 1024 * 1024;

function create(test: KafkaTestServer, configs: Record<string, string> = {}) {
  const map = new Map(Object.entries(configs));
  return test.broker.streams.create({ vhost: '/', name: 't', partitions: 1, configs: map });
}

async function send(client: KafkaClient, records: Buffer): Promise<string> {
  const response = await client.request(produce, 9, {
    acks: -1,
    timeoutMs: 1000,
    topicData: [{ name: 't', partitionData: [{ index: 0, records }] }],
  });
  return errorName(response.responses[0]?.partitionResponses[0]?.errorCode ?? -1) ?? '';
}

/** Says that it is whole. */
function altered(batch: Buffer, alter: (batch: Buffer) => void): Buffer {
  alter(batch);
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
  return batch;
}

describe('requests that no honest client sends', () => {
  it('a batch that says it has more records than fit in it is refused: it would use up the offsets', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    create(test);
    for (const count of [5, 0x7fffffff]) {
      for (const compression of [0, 4]) {
        if (count === 5 && compression === 4) continue;
        const batch = altered(batchOf(['x']), (bytes) => {
          bytes.writeInt16BE(compression, 21);
          bytes.writeInt32BE(count - 1, 23);
          bytes.writeInt32BE(count, 57);
        });
        assert.equal(await send(client, batch), 'INVALID_RECORD', `${count} records`);
      }
    }
    assert.equal(await send(client, batchOf(['x', '', 'y'])), 'NONE');
  });

  it('a compacted topic takes no records with other numbers than theirs', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    create(test, { 'cleanup.policy': 'compact' });
    const record = Buffer.from([16, 0, 0, 40, 2, 0x6b, 2, 0x76, 0]);
    const batch = Buffer.concat([batchOf(['x']).subarray(0, 61), record]);
    batch.writeInt32BE(batch.length - 12, 8);
    assert.equal(
      await send(
        client,
        altered(batch, () => undefined),
      ),
      'INVALID_RECORD',
    );
  });

  it('an expression of a member or for transactions that only a backtracking engine could match is refused', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    const expression = `(?=.)${'.*'.repeat(10)}=`;
    for (let topic = 0; topic < 50; topic++) {
      test.broker.streams.create({
        vhost: '/',
        name: `${'a'.repeat(240)}${topic}`,
        partitions: 1,
        configs: new Map(),
      });
    }
    const answer = await client.request(consumerGroupHeartbeat, 1, {
      groupId: 'g',
      memberId: 'm',
      memberEpoch: 0,
      rebalanceTimeoutMs: 1000,
      subscribedTopicRegex: expression,
      topicPartitions: [],
    });
    assert.equal(errorName(answer.errorCode), 'INVALID_REGULAR_EXPRESSION');
    const listed = await client.request(listTransactions, 2, {
      stateFilters: [],
      producerIdFilters: [],
      durationFilter: -1,
      transactionalIdPattern: expression,
    });
    assert.equal(errorName(listed.errorCode), 'INVALID_REGULAR_EXPRESSION');
  });

  for (const place of ['memory', 'segments']) {
    it(`a fetch that names a partition a thousand times is answered once, as in Kafka: ${place}`, async () => {
      await using test = await KafkaTestServer.start();
      using client = await test.connect();
      const stream = create(test, { 'max.message.bytes': String(2 * MIB) });
      assert.equal(await send(client, batchOf([Buffer.alloc(MIB)])), 'NONE');
      if (place === 'segments') {
        const { log } = stream.ownPartitions[0];
        await new StreamPager(test.broker.shard.store.state).pageOutAll(log);
        assert.equal(log.tail.count, 0);
      }
      const partition = { partition: 0, fetchOffset: 0, partitionMaxBytes: 1, currentLeaderEpoch: -1 };
      const before = process.memoryUsage().arrayBuffers;
      const answer = await client.request(fetch, 12, {
        maxWaitMs: 0,
        minBytes: 1,
        maxBytes: 50 * MIB,
        sessionEpoch: -1,
        topics: [{ topic: 't', partitions: Array.from({ length: 1000 }, () => partition) }],
        forgottenTopicsData: [],
      });
      const taken = process.memoryUsage().arrayBuffers - before;
      const sizes = answer.responses[0].partitions.map(({ records }) =>
        records === null ? 0 : records.end - records.start,
      );
      assert.equal(sizes.length, 1);
      assert.ok(sizes[0] > MIB);
      assert.ok(taken < 100 * MIB, `${taken} bytes`);
    });
  }

  it('a batch of nonsense keeps nobody from finding offsets by time', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    const stream = create(test);
    // As it may have been stored before batches were looked at.
    const nonsense = altered(batchOf(['abc'], 5000), (bytes) => bytes.fill(0xff, 61));
    assert.equal(await send(client, batchOf(['x'], 1000)), 'NONE');
    assert.equal(await send(client, nonsense), 'INVALID_RECORD');
    stream.ownPartitions[0].append(nonsense, 0, nonsense.length);
    // The header promises what no record has.
    const lie = altered(batchOf(['x'], 1000), (bytes) => bytes.writeBigInt64BE(8000n, 35));
    assert.equal(await send(client, lie), 'NONE');
    assert.equal(await send(client, batchOf(['x'], 7000)), 'NONE');
    for (const [timestamp, offset] of [
      [500, 0],
      [4000, 3],
      [6000, 3],
      [7500, -1],
    ]) {
      const partitions = [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: timestamp }];
      const { topics } = await client.request(listOffsets, 7, {
        replicaId: -1,
        topics: [{ name: 't', partitions }],
      });
      const found = topics[0].partitions[0];
      assert.deepEqual([errorName(found.errorCode), found.offset], ['NONE', offset], `at ${timestamp}`);
    }
    const partitions = [{ partitionIndex: 0, currentLeaderEpoch: -1, timestamp: -3 }];
    const { topics } = await client.request(listOffsets, 7, {
      replicaId: -1,
      topics: [{ name: 't', partitions }],
    });
    assert.equal(errorName(topics[0].partitions[0].errorCode), 'NONE');
  });
});
