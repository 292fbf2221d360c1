import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ProducerIdentity } from '../../../src/broker/transactions/transactional-producer.ts';
import { errorName } from '../../../src/wire/kafka/error-codes.ts';
import { fetch } from '../../../src/wire/kafka/messages/fetch.ts';
import { offsetFetch } from '../../../src/wire/kafka/messages/group-offsets.ts';
import { listOffsets } from '../../../src/wire/kafka/messages/offsets.ts';
import { produce } from '../../../src/wire/kafka/messages/produce.ts';
import {
  describeProducers,
  describeTransactions,
  listTransactions,
} from '../../../src/wire/kafka/messages/transaction-admin.ts';
import {
  addOffsetsToTxn,
  addPartitionsToTxn,
  endTxn,
  initProducerId,
  txnOffsetCommit,
  writeTxnMarkers,
} from '../../../src/wire/kafka/messages/transactions.ts';
import { producedBatch } from '../../broker/streams/producers/produced-batch.ts';
import { until } from '../../support/until.ts';
import type { KafkaClient } from './kafka-client.ts';
import { KafkaTestServer } from './test-server.ts';

const ID = 'orders';
const GROUP = 'readers';
const NEW: ProducerIdentity = { producerId: -1, epoch: -1 };

async function start(partitions = 2): Promise<KafkaTestServer> {
  const server = await KafkaTestServer.start();
  server.broker.streams.create({ vhost: '/', name: 't', partitions, configs: new Map() });
  return server;
}

/** A producer that asks and tells, version by version. */
class Producer {
  client: KafkaClient;
  identity = NEW;

  constructor(client: KafkaClient) {
    this.client = client;
  }

  async initialize({
    version = 5,
    id = ID as string | null,
    from = NEW,
    timeoutMs = 60_000,
  } = {}): Promise<string> {
    const response = await this.client.request(initProducerId, version, {
      transactionalId: id,
      transactionTimeoutMs: timeoutMs,
      producerId: from.producerId,
      producerEpoch: from.epoch,
    });
    if (response.errorCode === 0) {
      this.identity = { producerId: response.producerId, epoch: response.producerEpoch };
    }
    return name(response.errorCode);
  }

  async produce(
    sequence: number,
    { version = 12, index = 0, id = ID as string | null, identity = this.identity } = {},
  ): Promise<string> {
    const records = producedBatch(['x'], { ...identity, sequence, isTransactional: id !== null });
    const response = await this.client.request(produce, version, {
      transactionalId: id,
      acks: -1,
      timeoutMs: 1000,
      topicData: [{ name: 't', partitionData: [{ index, records }] }],
    });
    const found = response.responses[0].partitionResponses[0];
    return found.errorCode === 0 ? `at ${found.baseOffset}` : name(found.errorCode);
  }

  async addPartition(index: number, { version = 3, topic = 't' } = {}): Promise<string> {
    const topics = [{ name: topic, partitions: [index] }];
    const { producerId, epoch } = this.identity;
    const request = { v3AndBelowTransactionalId: ID, v3AndBelowProducerId: producerId };
    const response = await this.client.request(addPartitionsToTxn, version, {
      ...request,
      v3AndBelowProducerEpoch: epoch,
      v3AndBelowTopics: topics,
      transactions: [{ transactionalId: ID, producerId, producerEpoch: epoch, topics }],
    });
    const results =
      version < 4 ? response.resultsByTopicV3AndBelow : response.resultsByTransaction[0].topicResults;
    return name(results[0].resultsByPartition[0].partitionErrorCode);
  }

  async addOffsets(version = 3): Promise<string> {
    const { producerId, epoch } = this.identity;
    const response = await this.client.request(addOffsetsToTxn, version, {
      transactionalId: ID,
      producerId,
      producerEpoch: epoch,
      groupId: GROUP,
    });
    return name(response.errorCode);
  }

  async commitOffset(offset: number, version = 5): Promise<string> {
    const { producerId, epoch } = this.identity;
    const partitions = [{ partitionIndex: 0, committedOffset: offset, committedMetadata: '' }];
    const response = await this.client.request(txnOffsetCommit, version, {
      transactionalId: ID,
      groupId: GROUP,
      producerId,
      producerEpoch: epoch,
      topics: [{ name: 't', partitions }],
    });
    return name(response.topics[0].partitions[0].errorCode);
  }

  async end(committed: boolean, version = 5): Promise<string> {
    const { producerId, epoch } = this.identity;
    const response = await this.client.request(endTxn, version, {
      transactionalId: ID,
      producerId,
      producerEpoch: epoch,
      committed,
    });
    if (response.errorCode === 0 && version >= 5) {
      this.identity = { producerId: response.producerId, epoch: response.producerEpoch };
    }
    return name(response.errorCode);
  }

  async offset(requireStable = false): Promise<string> {
    const response = await this.client.request(offsetFetch, 8, {
      groups: [{ groupId: GROUP, topics: [{ name: 't', partitionIndexes: [0] }] }],
      requireStable,
    });
    const found = response.groups[0].topics[0].partitions[0];
    return found.errorCode === 0 ? String(found.committedOffset) : name(found.errorCode);
  }

  /** What a reader of what is committed gets: its bytes are not looked at, its bounds are. */
  async stable(index = 0): Promise<{ end: number; aborted: readonly (readonly [number, number])[] }> {
    const partitions = [{ partition: index, fetchOffset: 0, partitionMaxBytes: 1_000_000 }];
    const response = await this.client.request(fetch, 12, {
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes: 1_000_000,
      isolationLevel: 1,
      topics: [{ topic: 't', partitions }],
    });
    const found = response.responses[0].partitions[0];
    const aborted = found.abortedTransactions ?? [];
    return {
      end: found.lastStableOffset,
      aborted: aborted.map(({ producerId, firstOffset }) => [producerId, firstOffset] as const),
    };
  }
}

function name(code: number): string {
  return errorName(code) ?? String(code);
}

async function producerOn(server: KafkaTestServer): Promise<Producer> {
  return new Producer(await server.connectAsAdministrator());
}

describe('transactions over the wire (KIP-98)', () => {
  it('give idempotent producers an id and check their sequence numbers', async () => {
    await using server = await start();
    const producer = await producerOn(server);
    for (let version = 0; version <= 6; version++) {
      assert.equal(await producer.initialize({ version, id: null }), 'NONE');
      assert.equal(producer.identity.epoch, 0);
    }
    const end = server.broker.streams.get('/', 't')!.ownPartitions[0].endOffset;
    assert.equal(await producer.produce(0, { id: null }), `at ${end}`);
    assert.equal(await producer.produce(0, { id: null }), `at ${end}`);
    assert.equal(await producer.produce(2, { id: null }), 'OUT_OF_ORDER_SEQUENCE_NUMBER');
    assert.equal(await producer.produce(1, { id: null }), `at ${end + 1}`);
    await server.restart();
    const again = await producerOn(server);
    again.identity = producer.identity;
    assert.equal(await again.produce(1, { id: null }), `at ${end + 1}`);
    assert.equal(await again.produce(2, { id: null }), `at ${end + 2}`);
  });

  it('serve clients that add partitions and groups to a transaction beforehand', async () => {
    await using server = await start();
    const producer = await producerOn(server);
    assert.equal(await producer.initialize({ version: 3 }), 'NONE');
    assert.equal(await producer.produce(0, { version: 9 }), 'INVALID_TXN_STATE');
    for (let version = 0; version <= 5; version++) {
      assert.equal(await producer.addPartition(0, { version }), 'NONE');
    }
    assert.equal(await producer.addPartition(7), 'UNKNOWN_TOPIC_OR_PARTITION');
    assert.equal(await producer.produce(0, { version: 9 }), 'at 0');
    assert.equal(await producer.produce(0, { version: 9, index: 1 }), 'INVALID_TXN_STATE');
    assert.equal(await producer.commitOffset(5, 3), 'INVALID_TXN_STATE');
    assert.equal(await producer.commitOffset(5, 4), 'TRANSACTION_ABORTABLE');
    for (let version = 0; version <= 4; version++) assert.equal(await producer.addOffsets(version), 'NONE');
    for (let version = 0; version <= 4; version++)
      assert.equal(await producer.commitOffset(5, version), 'NONE');
    assert.equal(await producer.offset(true), 'UNSTABLE_OFFSET_COMMIT');
    assert.equal(await producer.offset(), '-1');
    assert.deepEqual(await producer.stable(), { end: 0, aborted: [] });
    for (let version = 0; version <= 4; version++) assert.equal(await producer.end(true, version), 'NONE');
    assert.equal(await producer.end(false, 3), 'INVALID_TXN_STATE');
    assert.equal(await producer.offset(true), '5');
    assert.deepEqual(await producer.stable(), { end: 2, aborted: [] });
  });

  it('serve clients whose Produce adds the partition to the transaction (KIP-890)', async () => {
    await using server = await start(3);
    const producer = await producerOn(server);
    assert.equal(await producer.initialize(), 'NONE');
    const first = producer.identity;
    assert.equal(await producer.produce(0), 'at 0');
    assert.equal(await producer.produce(0, { index: 1 }), 'at 0');
    assert.equal(await producer.commitOffset(3), 'NONE');
    assert.equal(await producer.end(false), 'NONE');
    assert.deepEqual(producer.identity, { ...first, epoch: first.epoch + 1 });
    assert.equal(await producer.offset(), '-1');
    assert.deepEqual(await producer.stable(), { end: 2, aborted: [[first.producerId, 0]] });
    assert.equal(await producer.produce(1, { identity: first }), 'INVALID_PRODUCER_EPOCH');
    assert.equal(await producer.produce(0), 'at 2');
    for (let i = 0; i < 2; i++) {
      assert.equal(await producer.produce(1, { index: 2 }), 'OUT_OF_ORDER_SEQUENCE_NUMBER');
    }
    assert.equal(await producer.commitOffset(4), 'NONE');
    assert.equal(await producer.end(true), 'NONE');
    assert.equal(await producer.offset(true), '4');
    assert.deepEqual(await producer.stable(), { end: 4, aborted: [[first.producerId, 0]] });
    const { topics } = await producer.client.request(listOffsets, 7, {
      replicaId: -1,
      isolationLevel: 1,
      topics: [{ name: 't', partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
    });
    assert.equal(topics[0].partitions[0].offset, 4);
  });

  it('fence a producer with an old epoch, with the error that its version knows (KIP-588)', async () => {
    await using server = await start();
    const old = await producerOn(server);
    assert.equal(await old.initialize(), 'NONE');
    const young = await producerOn(server);
    assert.equal(await young.initialize(), 'NONE');
    assert.equal(await old.addPartition(0, { version: 1 }), 'INVALID_PRODUCER_EPOCH');
    assert.equal(await old.addPartition(0, { version: 2 }), 'PRODUCER_FENCED');
    assert.equal(await old.addOffsets(1), 'INVALID_PRODUCER_EPOCH');
    assert.equal(await old.addOffsets(2), 'PRODUCER_FENCED');
    assert.equal(await old.end(true, 1), 'INVALID_PRODUCER_EPOCH');
    assert.equal(await old.end(true, 5), 'PRODUCER_FENCED');
    assert.equal(await old.commitOffset(1, 3), 'INVALID_PRODUCER_EPOCH');
    assert.equal(await old.commitOffset(1, 5), 'INVALID_PRODUCER_EPOCH');
    assert.equal(await old.produce(0), 'INVALID_PRODUCER_EPOCH');
    assert.equal(await old.initialize({ version: 3, from: old.identity }), 'INVALID_PRODUCER_EPOCH');
    assert.equal(await old.initialize({ version: 4, from: old.identity }), 'PRODUCER_FENCED');
    assert.equal(await young.initialize({ version: 4, from: young.identity }), 'NONE');
    assert.equal(await young.produce(0), 'at 0');
  });

  it('refuse invalid requests, each with its error', async () => {
    await using server = await start();
    const producer = await producerOn(server);
    assert.equal(await producer.initialize({ id: '' }), 'INVALID_REQUEST');
    assert.equal(await producer.initialize({ timeoutMs: 0 }), 'INVALID_TRANSACTION_TIMEOUT');
    assert.equal(await producer.initialize({ timeoutMs: 900_001 }), 'INVALID_TRANSACTION_TIMEOUT');
    assert.equal(await producer.initialize({ from: { producerId: 3, epoch: -1 } }), 'INVALID_REQUEST');
    producer.identity = { producerId: 3, epoch: 0 };
    assert.equal(await producer.end(true), 'INVALID_PRODUCER_ID_MAPPING');
    assert.equal(await producer.produce(0), 'INVALID_PRODUCER_ID_MAPPING');
    const twoPhase = { transactionalId: ID, transactionTimeoutMs: 1000, producerId: -1, producerEpoch: -1 };
    const refused = await producer.client.request(initProducerId, 6, { ...twoPhase, enable2Pc: true });
    assert.equal(name(refused.errorCode), 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED');
    const kept = await producer.client.request(initProducerId, 6, { ...twoPhase, keepPreparedTxn: true });
    assert.equal(name(kept.errorCode), 'UNSUPPORTED_VERSION');
  });

  it('are shown to administrators, who can abort a hanging one (KIP-664)', async () => {
    await using server = await start();
    const producer = await producerOn(server);
    const { client } = producer;
    assert.equal(await producer.initialize(), 'NONE');
    assert.equal(await producer.produce(0, { index: 1 }), 'at 0');
    const { producerId, epoch } = producer.identity;
    const described = await client.request(describeTransactions, 0, { transactionalIds: [ID, 'none'] });
    const [found, missing] = described.transactionStates;
    assert.equal(found!.transactionState, 'Ongoing');
    assert.deepEqual(found!.topics, [{ topic: 't', partitions: [1] }]);
    assert.equal(name(missing!.errorCode), 'TRANSACTIONAL_ID_NOT_FOUND');
    const list = async (request: object) => {
      const filters = { stateFilters: [], producerIdFilters: [], ...request };
      const { errorCode, transactionStates } = await client.request(listTransactions, 2, filters);
      return errorCode === 0 ? transactionStates.map((each) => each.transactionalId) : name(errorCode);
    };
    assert.deepEqual(await list({}), [ID]);
    assert.deepEqual(await list({ stateFilters: ['Empty'] }), []);
    assert.deepEqual(await list({ stateFilters: ['Ongoing'], producerIdFilters: [producerId] }), [ID]);
    assert.deepEqual(await list({ durationFilter: 60_000 }), []);
    assert.deepEqual(await list({ transactionalIdPattern: 'ord.*' }), [ID]);
    assert.deepEqual(await list({ transactionalIdPattern: 'ord' }), []);
    assert.equal(await list({ transactionalIdPattern: '(' }), 'INVALID_REGULAR_EXPRESSION');
    const state = async () => {
      const topics = [{ name: 't', partitionIndexes: [1] }];
      const response = await client.request(describeProducers, 0, { topics });
      return response.topics[0].partitions[0].activeProducers[0];
    };
    assert.equal((await state()).currentTxnStartOffset, 0);
    const markers = await client.request(writeTxnMarkers, 1, {
      markers: [
        {
          producerId,
          producerEpoch: epoch,
          transactionResult: false,
          topics: [{ name: 't', partitionIndexes: [1] }],
          coordinatorEpoch: 3,
        },
      ],
    });
    assert.equal(markers.markers[0].topics[0].partitions[0].errorCode, 0);
    assert.equal((await state()).currentTxnStartOffset, -1);
    assert.deepEqual(await producer.stable(1), { end: 2, aborted: [[producerId, 0]] });
  });

  it('are aborted when their timeout is over', async () => {
    await using server = await start();
    const producer = await producerOn(server);
    assert.equal(await producer.initialize({ timeoutMs: 50 }), 'NONE');
    const { producerId } = producer.identity;
    assert.equal(await producer.produce(0), 'at 0');
    await until(async () => (await producer.stable()).end === 2);
    assert.deepEqual((await producer.stable()).aborted, [[producerId, 0]]);
    assert.equal(await producer.produce(1), 'INVALID_PRODUCER_EPOCH');
    // The producer does not know yet that it is over: it may still abort, but not commit (KAFKA-20785).
    assert.equal(await producer.end(true), 'PRODUCER_FENCED');
    await server.restart();
    const { identity } = producer;
    producer.client[Symbol.dispose]();
    producer.client = await server.connect();
    producer.identity = identity;
    assert.equal(await producer.end(true), 'PRODUCER_FENCED');
    assert.equal(await producer.end(false), 'NONE');
    assert.equal(await producer.produce(0), 'at 2');
  });

  it('that were aborted for their timeout leave their producer able to begin again, whatever it asks next', async () => {
    await using server = await start();
    const FENCED = 'PRODUCER_FENCED';
    const OLD_EPOCH = 'INVALID_PRODUCER_EPOCH';
    // As Kafka 4.3.1, but for the commit of version 5 (KAFKA-20785). Whatever is told here, Java's and librdkafka's producers
    // take for fenced, or abort and go on; INVALID_TXN_STATE would end them.
    const questions: [string, string, (producer: Producer) => Promise<string>][] = [];
    for (let version = 0; version <= 5; version++) {
      const expected = version < 2 ? OLD_EPOCH : FENCED;
      questions.push([`EndTxn ${version}, commit`, expected, (it) => it.end(true, version)]);
      const aborted = version === 5 ? 'NONE' : expected;
      questions.push([`EndTxn ${version}, abort`, aborted, (it) => it.end(false, version)]);
      questions.push([`AddPartitionsToTxn ${version}`, expected, (it) => it.addPartition(0, { version })]);
      questions.push([`TxnOffsetCommit ${version}`, OLD_EPOCH, (it) => it.commitOffset(1, version)]);
      if (version < 5)
        questions.push([`AddOffsetsToTxn ${version}`, expected, (it) => it.addOffsets(version)]);
    }
    for (const version of [3, 9, 11, 12]) {
      questions.push([`Produce ${version}`, OLD_EPOCH, (it) => it.produce(1, { version })]);
      questions.push([
        `Produce ${version}, elsewhere`,
        OLD_EPOCH,
        (it) => it.produce(0, { version, index: 1 }),
      ]);
    }
    for (const isOfOldClient of [true, false]) {
      const producer = await producerOn(server);
      for (const [question, expected, ask] of questions) {
        assert.equal(await producer.initialize({ timeoutMs: 20 }), 'NONE');
        if (isOfOldClient) await producer.addPartition(0);
        else await producer.produce(0);
        await until(() => server.broker.transactions.find('/', ID)?.isOngoing !== true);
        const before = producer.identity;
        assert.equal(await ask(producer), expected, question);
        producer.identity = before;
        assert.equal(await producer.initialize({ from: before, timeoutMs: 60_000 }), 'NONE', question);
        assert.match(await producer.produce(0), /^at /, question);
        assert.equal(await producer.end(true), 'NONE', question);
      }
    }
  });

  it('that are over when their producer has begun again cannot be ended once more', async () => {
    await using server = await start();
    const producer = await producerOn(server);
    assert.equal(await producer.initialize(), 'NONE');
    const before = producer.identity;
    assert.equal(await producer.initialize({ from: before }), 'NONE');
    producer.identity = before;
    assert.equal(await producer.end(true), 'PRODUCER_FENCED');
    assert.equal(await producer.end(false), 'PRODUCER_FENCED');
  });
});
