import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  CONFIG_OPERATION,
  CONFIG_RESOURCE_TYPE,
  CONFIG_SOURCE,
  CONFIG_TYPE,
} from '../../../src/wire/kafka/constants.ts';
import { errorName } from '../../../src/wire/kafka/error-codes.ts';
import {
  alterConfigs,
  describeConfigs,
  incrementalAlterConfigs,
  listConfigResources,
} from '../../../src/wire/kafka/messages/configs.ts';
import { createTopics } from '../../../src/wire/kafka/messages/topics.ts';
import type { KafkaClient } from './kafka-client.ts';
import { KafkaTestServer } from './test-server.ts';

const { TOPIC, BROKER, GROUP, BROKER_LOGGER } = CONFIG_RESOURCE_TYPE;
const { SET, DELETE, APPEND, SUBTRACT } = CONFIG_OPERATION;

async function start(configs: Record<string, string> = {}) {
  const test = await KafkaTestServer.start();
  const client = await test.connectAsAdministrator();
  await client.request(createTopics, 7, {
    topics: [
      {
        name: 't',
        numPartitions: 1,
        replicationFactor: 1,
        assignments: [],
        configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
      },
    ],
  });
  return {
    test,
    client,
    [Symbol.asyncDispose]: async () => {
      client[Symbol.dispose]();
      await test[Symbol.asyncDispose]();
    },
  };
}

async function show(client: KafkaClient, type: number, resourceName: string, names: string[] | null = null) {
  const { results } = await client.request(describeConfigs, 4, {
    resources: [{ resourceType: type, resourceName, configurationKeys: names }],
    includeSynonyms: true,
    includeDocumentation: true,
  });
  const [result] = results;
  if (result === undefined) throw new Error('no result');
  return { error: errorName(result.errorCode), text: result.errorMessage, configs: result.configs };
}

async function change(
  client: KafkaClient,
  resourceType: number,
  resourceName: string,
  ...changes: [string, number, string | null][]
) {
  const configs = changes.map(([name, configOperation, value]) => ({ name, configOperation, value }));
  const { responses } = await client.request(incrementalAlterConfigs, 1, {
    resources: [{ resourceType, resourceName, configs }],
    validateOnly: false,
  });
  return [errorName(responses[0]?.errorCode ?? -1), responses[0]?.errorMessage];
}

describe('more configs than there are of any kind', () => {
  it('are refused, of a topic that is there and of one that is to be made', async () => {
    await using started = await start();
    const names = Array.from({ length: 1001 }, (_, index) => `n${index}`);
    const [error, text] = await change(
      started.client,
      TOPIC,
      't',
      ...names.map((name): [string, number, string] => [name, 1, '']),
    );
    assert.equal(error, 'INVALID_REQUEST');
    assert.match(text ?? '', /1000/);
    const { topics } = await started.client.request(createTopics, 5, {
      topics: [
        {
          name: 'made',
          numPartitions: 1,
          replicationFactor: 1,
          assignments: [],
          configs: names.map((name) => ({ name, value: '1' })),
        },
      ],
    });
    assert.equal(errorName(topics[0].errorCode), 'INVALID_CONFIG');
  });
});

describe('DescribeConfigs (KIP-133)', () => {
  it('shows all settings of a topic with their types, where they are from, and what else there is', async () => {
    await using started = await start({ 'retention.ms': '5000' });
    const { configs } = await show(started.client, TOPIC, 't');
    const byName = new Map(configs.map((config) => [config.name, config]));
    assert.ok(configs.length >= 30);
    const retention = byName.get('retention.ms');
    assert.deepEqual(retention?.synonyms, [
      { name: 'retention.ms', value: '5000', source: CONFIG_SOURCE.TOPIC },
      { name: 'log.retention.ms', value: '604800000', source: CONFIG_SOURCE.DEFAULT },
    ]);
    assert.deepEqual([retention?.value, retention?.configSource], ['5000', CONFIG_SOURCE.TOPIC]);
    assert.equal(retention?.configType, CONFIG_TYPE.LONG);
    assert.notEqual(retention?.documentation, '');
    assert.equal(byName.get('cleanup.policy')?.configSource, CONFIG_SOURCE.DEFAULT);
    assert.equal(byName.has('internal.segment.bytes'), false);
  });

  it('shows those that are asked for', async () => {
    await using started = await start();
    const { configs } = await show(started.client, TOPIC, 't', ['segment.ms', 'no.such']);
    assert.deepEqual(
      configs.map(({ name }) => name),
      ['segment.ms'],
    );
  });

  it('shows what the broker was told, and what groups are told', async () => {
    await using started = await start();
    const broker = await show(started.client, BROKER, '1', ['num.partitions', 'auto.create.topics.enable']);
    assert.deepEqual(
      broker.configs.map(({ name, value, readOnly }) => [name, value, readOnly]),
      [
        ['auto.create.topics.enable', 'true', true],
        ['num.partitions', '1', true],
      ],
    );
    assert.deepEqual((await show(started.client, BROKER, '')).configs, []);
    const group = await show(started.client, GROUP, 'g');
    assert.ok(group.configs.length > 0);
  });

  it('says what it does not know', async () => {
    await using started = await start();
    assert.equal((await show(started.client, TOPIC, 'none')).error, 'UNKNOWN_TOPIC_OR_PARTITION');
    assert.equal((await show(started.client, TOPIC, 'no good')).error, 'INVALID_TOPIC_EXCEPTION');
    assert.deepEqual(
      (await show(started.client, BROKER, '2')).text,
      'Unexpected broker id, expected 1 or empty string, but received 2',
    );
    assert.equal((await show(started.client, BROKER, 'x')).error, 'INVALID_REQUEST');
    assert.equal((await show(started.client, BROKER_LOGGER, '1')).error, 'INVALID_REQUEST');
  });

  it('is answered in all of its versions', async () => {
    await using started = await start();
    for (let version = 1; version <= 4; version++) {
      const { results } = await started.client.request(describeConfigs, version, {
        resources: [{ resourceType: TOPIC, resourceName: 't', configurationKeys: null }],
      });
      assert.ok((results[0]?.configs.length ?? 0) > 0);
    }
  });
});

describe('IncrementalAlterConfigs (KIP-339)', () => {
  it('sets, takes back, and changes lists by their parts; all of it is there after a restart', async () => {
    await using started = await start({ 'segment.ms': '1000' });
    const { client, test } = started;
    const configs = () => Object.fromEntries(test.broker.streams.get('/', 't')?.configs ?? []);
    assert.deepEqual(
      await change(client, TOPIC, 't', ['retention.ms', SET, '7000'], ['segment.ms', DELETE, null]),
      ['NONE', null],
    );
    assert.deepEqual(configs(), { 'retention.ms': '7000' });
    await change(client, TOPIC, 't', ['cleanup.policy', APPEND, 'compact']);
    assert.equal(configs()['cleanup.policy'], 'delete,compact');
    await change(client, TOPIC, 't', ['cleanup.policy', SUBTRACT, 'delete']);
    assert.equal(configs()['cleanup.policy'], 'compact');
    await test.restart();
    assert.deepEqual(configs(), { 'retention.ms': '7000', 'cleanup.policy': 'compact' });
    assert.equal(test.broker.streams.get('/', 't')?.settings.compacts, true);
  });

  it('refuses what makes no sense, and changes nothing then', async () => {
    await using started = await start();
    const { client, test } = started;
    const cases: [[string, number, string | null][], string, RegExp][] = [
      [
        [['retention.ms', APPEND, '1']],
        'INVALID_CONFIG',
        /^Can't APPEND to key retention\.ms because its type is not LIST\.$/,
      ],
      [[['retention.ms', SET, 'x']], 'INVALID_CONFIG', /Not a number of type LONG/],
      [[['retention.ms', SET, null]], 'INVALID_REQUEST', /Null value not supported/],
      [[['no.such', SET, '1']], 'INVALID_CONFIG', /Unknown topic config name: no\.such/],
      [[['retention.ms', 9, '1']], 'INVALID_REQUEST', /Unknown operation type 9/],
      [
        [
          ['segment.ms', SET, '1'],
          ['segment.ms', DELETE, null],
        ],
        'INVALID_REQUEST',
        /duplicate config keys/,
      ],
      [
        [
          ['segment.ms', SET, '1'],
          ['retention.ms', SET, '-7'],
        ],
        'INVALID_CONFIG',
        /at least -1/,
      ],
    ];
    for (const [changes, error, text] of cases) {
      const [name, message] = await change(client, TOPIC, 't', ...changes);
      assert.equal(name, error);
      assert.match(message ?? '', text);
    }
    assert.deepEqual([...(test.broker.streams.get('/', 't')?.configs ?? [])], []);
    assert.equal(
      (await change(client, TOPIC, 'none', ['segment.ms', SET, '1']))[0],
      'UNKNOWN_TOPIC_OR_PARTITION',
    );
    assert.match(
      (await change(client, BROKER, '1', ['num.partitions', SET, '5']))[1] ?? '',
      /Cannot update these configs dynamically/,
    );
  });

  it('lets a tool of an older Kafka take back what is not known here, beside what it sets', async () => {
    await using started = await start();
    const { client, test } = started;
    for (const [type, name, set] of [
      [TOPIC, 't', 'retention.ms'],
      [GROUP, 'g', 'consumer.session.timeout.ms'],
      [BROKER, '1', 'log.roll.ms'],
      [BROKER, '', 'log.roll.ms'],
    ] as const) {
      for (const gone of ['message.format.version', 'message.downconversion.enable', 'no.such']) {
        const told = await change(client, type, name, [gone, DELETE, null], [set, SET, '45001']);
        assert.deepEqual(told, ['NONE', null]);
        const [refused, text] = await change(client, type, name, [gone, SET, '1'], [set, SET, '45002']);
        assert.match(refused ?? '', /^INVALID_(CONFIG|REQUEST)$/);
        assert.ok(text?.includes(gone), text ?? '');
        assert.equal((await change(client, type, name, [gone, APPEND, '1']))[0], 'INVALID_CONFIG');
      }
      assert.equal((await show(client, type, name, [set])).configs[0]?.value, '45001');
    }
    assert.deepEqual([...(test.broker.streams.get('/', 't')?.configs ?? [])], [['retention.ms', '45001']]);
  });

  it('lets tools take back what was never set for the broker', async () => {
    await using started = await start();
    const throttle = 'leader.replication.throttled.rate';
    assert.deepEqual(await change(started.client, BROKER, '1', [throttle, DELETE, null]), ['NONE', null]);
    assert.deepEqual(await change(started.client, BROKER, '', [throttle, DELETE, null]), ['NONE', null]);
  });

  it('sets what holds for a group', async () => {
    await using started = await start();
    const { client } = started;
    const [before] = (await show(client, GROUP, 'g')).configs;
    const name = before?.name ?? '';
    assert.equal(before?.configSource, CONFIG_SOURCE.DEFAULT);
    assert.deepEqual(await change(client, GROUP, 'g', [name, SET, before?.value ?? '']), ['NONE', null]);
    assert.equal((await show(client, GROUP, 'g', [name])).configs[0]?.configSource, CONFIG_SOURCE.GROUP);
    assert.equal((await change(client, GROUP, 'g', ['no.such', SET, '1']))[0], 'INVALID_CONFIG');
  });
});

describe('AlterConfigs (KIP-133)', () => {
  it('forgets what it does not mention', async () => {
    await using started = await start({ 'segment.ms': '1000', 'retention.ms': '1' });
    const { client, test } = started;
    const request = (validateOnly: boolean) => ({
      resources: [{ resourceType: TOPIC, resourceName: 't', configs: [{ name: 'flush.ms', value: '9' }] }],
      validateOnly,
    });
    for (let version = 0; version <= 2; version++) await client.request(alterConfigs, version, request(true));
    assert.equal(test.broker.streams.get('/', 't')?.configs.size, 2);
    const { responses } = await client.request(alterConfigs, 2, request(false));
    assert.equal(errorName(responses[0]?.errorCode ?? -1), 'NONE');
    assert.deepEqual([...(test.broker.streams.get('/', 't')?.configs ?? [])], [['flush.ms', '9']]);
  });
});

describe('ListConfigResources (KIP-1142)', () => {
  it('lists topics, the broker, and groups for which something is set', async () => {
    await using started = await start();
    const { configResources } = await started.client.request(listConfigResources, 1, { resourceTypes: [] });
    assert.deepEqual(configResources, [
      { resourceName: 't', resourceType: TOPIC },
      { resourceName: '1', resourceType: BROKER },
    ]);
    const before = await started.client.request(listConfigResources, 0, {});
    assert.deepEqual([errorName(before.errorCode), before.configResources], ['NONE', []]);
    const unknown = await started.client.request(listConfigResources, 1, { resourceTypes: [99] });
    assert.equal(errorName(unknown.errorCode), 'UNSUPPORTED_VERSION');
  });
});
