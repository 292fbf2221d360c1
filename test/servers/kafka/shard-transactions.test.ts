import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  describeProducers,
  describeTransactions,
} from '../../../src/wire/kafka/messages/transaction-admin.ts';
import { initProducerId, writeTxnMarkers } from '../../../src/wire/kafka/messages/transactions.ts';
import { until } from '../../support/until.ts';
import { name, ShardKafka, ShardKafkaProducer } from './shard-kafka.ts';

const SHARDS = [0, 1, 2];

async function start(): Promise<{ kafka: ShardKafka; producer: ShardKafkaProducer }> {
  const kafka = await ShardKafka.start(SHARDS.length);
  await kafka.create('t');
  const producer = new ShardKafkaProducer(kafka, 't');
  assert.equal(await producer.initialize(), 'NONE');
  return { kafka, producer };
}

async function stable(producer: ShardKafkaProducer): Promise<object[]> {
  return Promise.all(SHARDS.map((shard) => producer.stable(shard)));
}

function everywhere(end: number, aborted: readonly number[] = []): object[] {
  return SHARDS.map(() => ({ end, aborted }));
}

describe('transactions over brokers that are shards of one process', () => {
  it('can be read in each when EndTxn is answered (KIP-98, KIP-890)', async () => {
    const { kafka, producer } = await start();
    await using _ = kafka;
    let end = 0;
    for (let round = 0; round < 20; round++) {
      for (const shard of SHARDS) assert.equal(await producer.produce(shard, 0), `at ${end}`);
      assert.deepEqual(await stable(producer), everywhere(end));
      assert.equal(await producer.end(true), 'NONE');
      end += 2;
      assert.deepEqual(await stable(producer), everywhere(end));
    }
    const begin = end;
    for (const shard of SHARDS) assert.equal(await producer.produce(shard, 0), `at ${begin}`);
    assert.equal(await producer.end(false), 'NONE');
    assert.deepEqual(await stable(producer), everywhere(end + 2, [begin]));
  });

  it('of older producers have the partitions that they were told of, in each shard', async () => {
    const { kafka, producer } = await start();
    await using _ = kafka;
    const old = { version: 11 };
    for (let round = 0; round < 3; round++) {
      assert.equal(await producer.produce(1, round, old), 'TRANSACTION_ABORTABLE');
      assert.equal(await producer.produce(1, round, { version: 9 }), 'INVALID_TXN_STATE');
      assert.deepEqual(await producer.addPartitions([0, 1]), ['NONE', 'NONE']);
      assert.equal(await producer.produce(0, round, old), `at ${2 * round}`);
      assert.equal(await producer.produce(1, round, old), `at ${2 * round}`);
      assert.equal(await producer.produce(2, round, old), 'TRANSACTION_ABORTABLE');
      assert.equal(await producer.end(true, 3), 'NONE');
    }
    assert.deepEqual(await stable(producer), [
      { end: 6, aborted: [] },
      { end: 6, aborted: [] },
      { end: 0, aborted: [] },
    ]);
  });

  it('have the requests of a connection in their order, though the first ones wait for the coordinator', async () => {
    const { kafka, producer } = await start();
    await using _ = kafka;
    const sent = Array.from({ length: 50 }, (_, sequence) => producer.produce(1, sequence));
    assert.deepEqual(
      await Promise.all(sent),
      sent.map((_, sequence) => `at ${sequence}`),
    );
    const large = ['y'.repeat(300_000)];
    const more = [producer.produce(2, 0, { values: large }), producer.produce(2, 1)];
    assert.deepEqual(await Promise.all(more), ['at 0', 'at 1']);
    assert.equal(await producer.end(true), 'NONE');
  });

  it('lose a client that goes while it waits, and nothing else', async () => {
    const { kafka, producer } = await start();
    await using _ = kafka;
    const client = await kafka.connect(1);
    const sending = producer.produce(1, 0, { client }).catch(() => 'closed');
    client[Symbol.dispose]();
    assert.equal(await sending, 'closed');
    assert.equal(await producer.end(false), 'NONE');
    assert.equal(await producer.produce(1, 0).then((answer) => answer.startsWith('at ')), true);
    assert.equal(await producer.end(true), 'NONE');
  });

  it('fence who had the transactional id before, in each shard', async () => {
    const { kafka, producer } = await start();
    await using _ = kafka;
    for (const shard of SHARDS) assert.equal(await producer.produce(shard, 0), 'at 0');
    const second = new ShardKafkaProducer(kafka, 't');
    assert.equal(await second.initialize(), 'NONE');
    assert.deepEqual(await stable(producer), everywhere(2, [0]));
    for (const shard of SHARDS) {
      assert.equal(await producer.produce(shard, 1), 'INVALID_PRODUCER_EPOCH');
      assert.equal(await second.produce(shard, 0), 'at 2');
    }
    assert.equal(await producer.end(true), 'PRODUCER_FENCED');
    assert.equal(await second.end(true), 'NONE');
  });

  it('are open again after a restart of all, and aborted in each when their timeout is over', async () => {
    const { kafka, producer } = await start();
    await using _ = kafka;
    assert.equal(await producer.initialize(3000), 'NONE');
    for (const shard of SHARDS) assert.equal(await producer.produce(shard, 0), 'at 0');
    await kafka.restart();
    for (const shard of SHARDS) assert.equal(await producer.produce(shard, 1), 'at 1');
    assert.deepEqual(await stable(producer), everywhere(0));
    await until(async () => (await producer.stable(2)).end === 3);
    await until(async () => (await producer.stable(1)).end === 3);
    assert.deepEqual(await stable(producer), everywhere(3, [0]));
    assert.equal(await producer.end(true), 'PRODUCER_FENCED');
  });

  it('are described by the coordinator, and ended by an administrator at the leader of a partition (KIP-664)', async () => {
    const { kafka, producer } = await start();
    await using _ = kafka;
    for (const shard of SHARDS) assert.equal(await producer.produce(shard, 0), 'at 0');
    const { transactionStates } = await kafka.clients[0].request(describeTransactions, 0, {
      transactionalIds: ['orders'],
    });
    assert.equal(transactionStates[0].transactionState, 'Ongoing');
    assert.deepEqual([...transactionStates[0].topics[0].partitions].sort(), [0, 1, 2]);
    const { producerId, epoch } = producer.identity;
    const producersAt = async (shard: number) => {
      const topics = [{ name: 't', partitionIndexes: [1] }];
      const response = await kafka.clients[shard].request(describeProducers, 0, { topics });
      return response.topics[0].partitions[0];
    };
    assert.equal(name((await producersAt(0)).errorCode), 'NOT_LEADER_OR_FOLLOWER');
    assert.equal((await producersAt(1)).activeProducers[0].currentTxnStartOffset, 0);
    const abortAt = async (shard: number): Promise<string> => {
      const topics = [{ name: 't', partitionIndexes: [1] }];
      const marker = { producerId, producerEpoch: epoch, transactionResult: false, topics };
      const response = await kafka.clients[shard].request(writeTxnMarkers, 1, {
        markers: [{ ...marker, coordinatorEpoch: 0 }],
      });
      return name(response.markers[0].topics[0].partitions[0].errorCode);
    };
    assert.equal(await abortAt(0), 'NOT_LEADER_OR_FOLLOWER');
    assert.equal(await abortAt(1), 'NONE');
    assert.equal((await producersAt(1)).activeProducers[0].currentTxnStartOffset, -1);
    assert.deepEqual(await producer.stable(1), { end: 2, aborted: [0] });
  });

  it('and ids of producers are given by shard 0, whoever is asked', async () => {
    const { kafka } = await start();
    await using _ = kafka;
    const given = new Set<number>();
    for (const client of kafka.clients) {
      for (const transactionalId of [null, 'one']) {
        const request = { transactionalId, transactionTimeoutMs: 1000, producerId: -1, producerEpoch: -1 };
        const { errorCode, producerId } = await client.request(initProducerId, 5, request);
        assert.equal(name(errorCode), 'NONE');
        given.add(producerId);
      }
    }
    assert.equal(given.size, kafka.clients.length + 1);
    assert.equal(kafka.shards.brokers[1].transactions.find('/', 'one'), undefined);
  });
});
