import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { finished } from '../../../src/base/turn-time.ts';
import { errorName } from '../../../src/wire/kafka/error-codes.ts';
import { createPartitions, createTopics, deleteTopics } from '../../../src/wire/kafka/messages/topics.ts';
import { DrivenClock, STEP_MS } from '../../support/driven-clock.ts';
import { until } from '../../support/until.ts';
import { beside } from './beside.ts';
import type { KafkaClient } from './kafka-client.ts';
import { KafkaTestServer } from './test-server.ts';

const PARTITIONS = 10_000;

async function create(client: KafkaClient, name: string, numPartitions: number): Promise<string | undefined> {
  const topic = { name, numPartitions, replicationFactor: 1, assignments: [], configs: [] };
  const { topics } = await client.request(createTopics, 5, { topics: [topic], timeoutMs: 10_000 });
  return errorName(topics[0].errorCode);
}

function spec(name: string) {
  return { vhost: '/', name, partitions: 1000, configs: new Map<string, string>(), user: 'guest' };
}

describe('a topic of very many partitions', () => {
  it('is made in steps: others are served meanwhile, and it is there when all of it is', async () => {
    await using test = await KafkaTestServer.start({}, { clock: new DrivenClock(STEP_MS) });
    using client = await test.connect();
    const seen = new Set<number | undefined>();
    const { streams } = test.broker;
    const prepare = streams.prepare.bind(streams);
    let steps = 0;
    streams.prepare = function* watched(wanted) {
      const work = prepare(wanted);
      for (let step = work.next(); ; step = work.next()) {
        seen.add(streams.get('/', 'wide')?.partitions.length);
        if (step.done === true) return step.value;
        steps++;
        yield step.value;
      }
    };
    const { answer, others } = await beside(test, () => create(client, 'wide', PARTITIONS));
    assert.equal(answer, 'NONE');
    assert.equal(steps, PARTITIONS);
    assert.deepEqual([...seen], [undefined]);
    assert.ok(others > 20, `${others} others`);
    assert.equal(streams.get('/', 'wide')?.partitions.length, PARTITIONS);
    await test.restart();
    assert.equal(test.broker.streams.get('/', 'wide')?.partitions.length, PARTITIONS);
  });

  it('gets more of them in steps, and none of them if somebody else was faster', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    assert.equal(await create(client, 't', 10), 'NONE');
    const { streams, quotas, shard } = test.broker;
    const stream = streams.get('/', 't') ?? assert.fail();
    const prepared = finished(streams.preparePartitions(stream, 500));
    assert.deepEqual([stream.partitions.length, quotas.count('partitions', { user: 'guest' })], [10, 500]);
    const more = { topics: [{ name: 't', count: 1000, assignments: null }], timeoutMs: 1000 };
    const { results } = await client.request(createPartitions, 3, { ...more, validateOnly: false });
    assert.equal(errorName(results[0].errorCode), 'NONE');
    assert.throws(() => streams.addPartitions(stream, 500, prepared), { kind: 'precondition-failed' });
    await until(() => shard.store.streams.size === 1000);
    assert.equal(quotas.count('partitions', { user: 'guest' }), 1000);
    assert.deepEqual(
      stream.partitions.map(({ index }) => index),
      Array.from({ length: 1000 }, (_, i) => i),
    );
  });

  it('that loses its name to another while it is made leaves nothing behind', async () => {
    await using test = await KafkaTestServer.start();
    const { streams, quotas, shard } = test.broker;
    const prepared = finished(streams.prepare(spec('t')));
    const other = streams.create(spec('t'));
    assert.throws(() => streams.create(spec('t'), prepared), { kind: 'precondition-failed' });
    await until(() => shard.store.streams.size === 1000);
    assert.equal(streams.get('/', 't'), other);
    const counts = (['topics', 'partitions'] as const).map((kind) => quotas.count(kind, { user: 'guest' }));
    assert.deepEqual(counts, [1, 1000]);
  });

  it('is gone at once when it is deleted, and its partitions soon after', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    await create(client, 'wide', PARTITIONS);
    const { streams, shard, quotas } = test.broker;
    const { responses } = await client.request(deleteTopics, 5, { topicNames: ['wide'], timeoutMs: 1000 });
    assert.equal(errorName(responses[0].errorCode), 'NONE');
    assert.equal(streams.get('/', 'wide'), undefined);
    assert.equal(quotas.count('partitions', { user: 'guest' }), 0);
    await until(() => shard.store.streams.size === 0);
  });

  it('with a name like that of another is refused, however many there are', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connect();
    assert.equal(await create(client, 'a.b_c', 1), 'NONE');
    assert.equal(await create(client, 'a_b.c', 1), 'INVALID_TOPIC_EXCEPTION');
    assert.equal(await create(client, 'a_b.d', 1), 'NONE');
    test.broker.streams.list = () => assert.fail('all are looked at');
    assert.equal(await create(client, 'a.b.c', 1), 'INVALID_TOPIC_EXCEPTION');
    await client.request(deleteTopics, 5, { topicNames: ['a.b_c'], timeoutMs: 1000 });
    assert.equal(await create(client, 'a_b.c', 1), 'NONE');
  });
});
