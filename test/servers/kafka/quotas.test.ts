import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { QUOTA_MATCH_TYPE } from '../../../src/wire/kafka/constants.ts';
import { errorName } from '../../../src/wire/kafka/error-codes.ts';
import { fetch } from '../../../src/wire/kafka/messages/fetch.ts';
import { listOffsets } from '../../../src/wire/kafka/messages/offsets.ts';
import { produce } from '../../../src/wire/kafka/messages/produce.ts';
import { alterClientQuotas, describeClientQuotas } from '../../../src/wire/kafka/messages/quotas.ts';
import { batchOf } from '../../broker/streams/batches.ts';
import { DrivenClock, STEP_MS } from '../../support/driven-clock.ts';
import type { KafkaClient } from './kafka-client.ts';
import { KafkaTestServer } from './test-server.ts';

const ANONYMOUS = { entityType: 'user', entityName: 'ANONYMOUS' };

async function set(client: KafkaClient, key: string, value: number, entity = ANONYMOUS): Promise<void> {
  const entries = [{ entity: [entity], ops: [{ key, value, remove: false }] }];
  const { entries: answers } = await client.request(alterClientQuotas, 1, { entries, validateOnly: false });
  assert.equal(errorName(answers[0]?.errorCode ?? -1), 'NONE', answers[0]?.errorMessage ?? '');
}

async function ask(client: KafkaClient): Promise<number> {
  const { throttleTimeMs } = await client.request(listOffsets, 2, { replicaId: -1, topics: [] });
  return throttleTimeMs;
}

describe('quotas over Kafka (KIP-13, KIP-546)', () => {
  it('are altered, told and found by what they are for', async () => {
    await using test = await KafkaTestServer.start();
    using client = await test.connectAsAdministrator();
    const alter = (
      entity: { entityType: string; entityName: string | null }[],
      key: string,
      value: number | null,
      validateOnly = false,
    ) =>
      client.request(alterClientQuotas, 1, {
        entries: [{ entity, ops: [{ key, value: value ?? 0, remove: value === null }] }],
        validateOnly,
      });
    const ada = { entityType: 'user', entityName: 'ada' };
    const app = { entityType: 'client-id', entityName: 'app' };
    const others = { entityType: 'user', entityName: null };
    await alter([ada], 'producer_byte_rate', 1000);
    await alter([ada, app], 'consumer_byte_rate', 0.5);
    await alter([others], 'request_percentage', 200);
    await alter([ada], 'consumer_byte_rate', 5, true);
    const find = async (
      components: { entityType: string; matchType: number; match: string | null }[],
      strict: boolean,
    ): Promise<unknown> => {
      const { entries, errorCode } = await client.request(describeClientQuotas, 1, { components, strict });
      return errorCode === 0 ? entries : errorName(errorCode);
    };
    const quotaOfAda = { entity: [ada], values: [{ key: 'producer_byte_rate', value: 1000 }] };
    const quotaOfApp = { entity: [ada, app], values: [{ key: 'consumer_byte_rate', value: 0.5 }] };
    const quotaOfOthers = { entity: [others], values: [{ key: 'request_percentage', value: 200 }] };
    const { EXACT, DEFAULT, ANY } = QUOTA_MATCH_TYPE;
    assert.deepEqual(await find([], false), [quotaOfAda, quotaOfApp, quotaOfOthers]);
    const isAda = { entityType: 'user', matchType: EXACT, match: 'ada' };
    assert.deepEqual(await find([isAda], true), [quotaOfAda]);
    assert.deepEqual(await find([isAda], false), [quotaOfAda, quotaOfApp]);
    assert.deepEqual(await find([{ entityType: 'user', matchType: DEFAULT, match: null }], true), [
      quotaOfOthers,
    ]);
    assert.deepEqual(await find([{ entityType: 'client-id', matchType: ANY, match: null }], false), [
      quotaOfApp,
    ]);
    assert.equal(await find([isAda, isAda], false), 'INVALID_REQUEST');
    assert.equal(await find([{ ...isAda, entityType: 'moon' }], false), 'UNSUPPORTED_VERSION');
    for (const [entity, key] of [
      [[], 'producer_byte_rate'],
      [[ada, ada], 'producer_byte_rate'],
      [[{ entityType: 'moon', entityName: null }], 'producer_byte_rate'],
      [[ada], 'controller_mutation_rate'],
    ] as const) {
      const { entries } = await alter([...entity], key, 1);
      assert.equal(errorName(entries[0]?.errorCode ?? 0), 'INVALID_REQUEST');
    }
    await alter([ada], 'producer_byte_rate', null);
    assert.deepEqual(await find([isAda], true), []);
  });

  it('throttle a client that has used too much of the broker’s time, and tell it so (KIP-124, KIP-219)', async () => {
    // Each request takes some of this clock.
    await using test = await KafkaTestServer.start({}, { clock: new DrivenClock(STEP_MS) });
    using client = await test.connect();
    assert.equal(await ask(client), 0);
    using admin = await test.connectAsAdministrator();
    // 5 ms per second; it may use ten times that at once.
    await set(admin, 'request_percentage', 0.5);
    let toldMs = 0;
    for (let count = 0; count < 1000 && toldMs === 0; count++) toldMs = await ask(client);
    assert.ok(toldMs > 0, 'it is told to wait');
    // Somebody else is not concerned, but for using up the same quota.
    await test.broker.access.quotas.alter({ user: 'ANONYMOUS' }, { request_percentage: null });
    using other = await test.connect();
    assert.equal(await ask(other), 0);
  });

  it('throttle a producer that sends too much, whether it wants responses or not (KIP-219)', async () => {
    const clock = new DrivenClock(0);
    await using test = await KafkaTestServer.start({}, { clock });
    test.broker.streams.create({ vhost: '/', name: 't', partitions: 1, configs: new Map() });
    await test.broker.access.quotas.alter({ user: 'ANONYMOUS' }, { producer_byte_rate: 100_000 });
    const request = (acks: number, bytes: number) => {
      const records = batchOf([Buffer.alloc(bytes)]);
      const topicData = [{ name: 't', partitionData: [{ index: 0, records }] }];
      return { acks, timeoutMs: 1000, topicData };
    };
    using client = await test.connect();
    assert.equal((await client.request(produce, 9, request(-1, 520_000))).throttleTimeMs, 0);
    const sentMs = performance.now();
    const { throttleTimeMs } = await client.request(produce, 9, request(-1, 520_000));
    assert.ok(throttleTimeMs >= 400 && throttleTimeMs < 410, `${throttleTimeMs}`);
    await ask(client);
    assert.ok(performance.now() - sentMs >= throttleTimeMs - 1, 'it is not read meanwhile');
    clock.ms += throttleTimeMs;
    // Without an answer the silence is all that there is.
    const sentAgainMs = performance.now();
    client.send(produce, 9, request(0, 60_000));
    await ask(client);
    assert.ok(performance.now() - sentAgainMs >= 599, 'it is not read meanwhile');
  });

  it('throttle a consumer that fetches too much (KIP-219)', async () => {
    await using test = await KafkaTestServer.start({}, { clock: new DrivenClock(0) });
    test.broker.streams.create({ vhost: '/', name: 't', partitions: 1, configs: new Map() });
    await test.broker.access.quotas.alter({ clientId: 'reader' }, { consumer_byte_rate: 50_000 });
    using client = await test.connect('reader');
    const records = batchOf([Buffer.alloc(300_000)]);
    const topicData = [{ name: 't', partitionData: [{ index: 0, records }] }];
    await client.request(produce, 9, { acks: -1, timeoutMs: 1000, topicData });
    const read = async (): Promise<number> => {
      const partition = { partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 };
      const response = await client.request(fetch, 11, {
        maxWaitMs: 0,
        minBytes: 1,
        maxBytes: 1_000_000,
        topics: [{ topic: 't', partitions: [partition] }],
        forgottenTopicsData: [],
      });
      return response.throttleTimeMs;
    };
    assert.equal(await read(), 0);
    const throttledMs = await read();
    assert.ok(throttledMs >= 2000 && throttledMs < 2010, `${throttledMs}`);
  });

  it('let nobody connect too often, and keep established connections (KIP-612)', async () => {
    await using test = await KafkaTestServer.start({}, { clock: new DrivenClock(0) });
    using client = await test.connectAsAdministrator();
    await set(client, 'connection_creation_rate', 3, { entityType: 'ip', entityName: '127.0.0.1' });
    const clients = await Promise.all(Array.from({ length: 8 }, () => test.connect()));
    const served = await Promise.allSettled(clients.map(ask));
    const count = served.filter(({ status }) => status === 'fulfilled').length;
    assert.equal(count, 3);
    assert.equal(await ask(client), 0);
    for (const each of clients) each.socket.destroy();
  });
});
