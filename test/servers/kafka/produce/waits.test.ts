import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Shard } from '../../../../src/broker/shard/shard.ts';
import { ProduceAppend } from '../../../../src/servers/kafka/produce/produce-append.ts';
import { errorName } from '../../../../src/wire/kafka/error-codes.ts';
import { produce } from '../../../../src/wire/kafka/messages/produce.ts';
import { batchOf } from '../../../broker/streams/batches.ts';
import { until } from '../../../support/until.ts';
import { KafkaTestServer } from '../test-server.ts';

/** Every request waits for its records in the journal, and for one other shard that the test answers for. */
function tokensFor(t: TestContext, shard: Shard): number[] {
  const tokens: number[] = [];
  const own = Object.getOwnPropertyDescriptor(ProduceAppend.prototype, 'wait')?.get;
  assert.ok(own !== undefined);
  t.mock.getter(ProduceAppend.prototype, 'wait', function waitOf(this: ProduceAppend) {
    const token = shard.waits.take(2);
    shard.waits.answeredWhenDurable(token, own.call(this));
    tokens.push(token);
    return token;
  });
  return tokens;
}

function request(acks: number) {
  const partitionData = [
    { index: 0, records: batchOf(['value']) },
    { index: 7, records: batchOf(['value']) },
  ];
  return { acks, timeoutMs: 1000, topicData: [{ name: 't', partitionData }] };
}

describe('a Produce that waits for other shards', () => {
  for (const isRefused of [false, true]) {
    it(`is answered when all have answered: ${isRefused ? 'one has refused' : 'all is safe'}`, async (t) => {
      await using test = await KafkaTestServer.start();
      using client = await test.connect();
      const { shard } = test.broker;
      test.broker.streams.create({ vhost: '/', name: 't', partitions: 1, configs: new Map() });
      const tokens = tokensFor(t, shard);
      let isAnswered = false;
      const response = client.request(produce, 9, request(-1)).finally(() => {
        isAnswered = true;
      });
      await until(() => tokens.length === 1);
      await shard.durable();
      await new Promise(setImmediate);
      assert.equal(isAnswered, false);
      assert.equal(shard.waits.count, 1);
      shard.waits.answered(tokens[0], isRefused);
      const { responses } = await response;
      assert.deepEqual(
        responses[0]?.partitionResponses.map(({ errorCode }) => errorName(errorCode)),
        [isRefused ? 'NOT_ENOUGH_REPLICAS_AFTER_APPEND' : 'NONE', 'UNKNOWN_TOPIC_OR_PARTITION'],
      );
      assert.equal(shard.waits.count, 0);
    });
  }

  it('with acks=0 has no answer, and its token is forgotten', async (t) => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    const { shard } = test.broker;
    test.broker.streams.create({ vhost: '/', name: 't', partitions: 8, configs: new Map() });
    const tokens = tokensFor(t, shard);
    client.send(produce, 9, request(0));
    await until(() => tokens.length === 1);
    assert.equal(shard.waits.count, 0);
  });
});
