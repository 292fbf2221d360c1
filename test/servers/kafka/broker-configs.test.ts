import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BROKER_CONFIGS } from '../../../src/broker/streams/broker-config-table.ts';
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
} from '../../../src/wire/kafka/messages/configs.ts';
import type { KafkaClient } from './kafka-client.ts';
import { KafkaTestServer } from './test-server.ts';

const { TOPIC, BROKER } = CONFIG_RESOURCE_TYPE;
const { SET, DELETE, APPEND } = CONFIG_OPERATION;
const { DYNAMIC_BROKER, DYNAMIC_DEFAULT_BROKER, STATIC_BROKER, DEFAULT } = CONFIG_SOURCE;
const CLUSTER = '';
const THIS = '1';
const LONG_MAX = '9223372036854775807';

async function show(client: KafkaClient, type: number, resourceName: string, ...names: string[]) {
  const { results } = await client.request(describeConfigs, 4, {
    resources: [{ resourceType: type, resourceName, configurationKeys: names }],
    includeSynonyms: true,
    includeDocumentation: true,
  });
  assert.equal(errorName(results[0]?.errorCode ?? -1), 'NONE');
  return results[0]?.configs ?? [];
}

async function change(
  client: KafkaClient,
  resourceType: number,
  resourceName: string,
  changes: [string, number, string | null][],
  validateOnly = false,
): Promise<readonly [string | undefined, string | null | undefined]> {
  const configs = changes.map(([name, configOperation, value]) => ({ name, configOperation, value }));
  const { responses } = await client.request(incrementalAlterConfigs, 1, {
    resources: [{ resourceType, resourceName, configs }],
    validateOnly,
  });
  return [errorName(responses[0]?.errorCode ?? -1), responses[0]?.errorMessage];
}

/** Value, source, and where else there is one. */
async function seen(client: KafkaClient, type: number, resource: string, name: string) {
  const [found] = await show(client, type, resource, name);
  return [found?.value, found?.configSource, found?.synonyms.map(({ value, source }) => [value, source])];
}

async function start() {
  const test = await KafkaTestServer.start();
  test.broker.streams.create({ vhost: '/', name: 't', partitions: 1, configs: new Map() });
  return test;
}

describe('the dynamic settings of a broker (KIP-226)', () => {
  it('are all of Kafka 4.3.1: each can be set where Kafka lets it, and is described with what it does here', async () => {
    await using test = await start();
    using client = await test.connectAsAdministrator();
    assert.equal(BROKER_CONFIGS.length, 102);
    for (const { name, level, default: usual, type } of BROKER_CONFIGS) {
      const value = usual || (type === 'list' || type === 'string' ? '' : 'x');
      const full = level === 'listener' ? `listener.name.external.${name}` : name;
      const scopes = level === 'cluster' ? [CLUSTER, THIS] : [THIS];
      for (const scope of scopes) {
        assert.deepEqual(await change(client, BROKER, scope, [[full, SET, value]]), ['NONE', null], full);
        const [entry] = await show(client, BROKER, scope, full);
        const source = scope === CLUSTER ? DYNAMIC_DEFAULT_BROKER : DYNAMIC_BROKER;
        assert.deepEqual(
          [entry?.value, entry?.configSource, entry?.readOnly, entry?.isSensitive],
          [type === 'password' ? null : value, source, false, type === 'password'],
          full,
        );
        assert.notEqual(entry?.configType, CONFIG_TYPE.UNKNOWN);
        assert.notEqual(entry?.documentation, '');
        assert.deepEqual(await change(client, BROKER, scope, [[full, DELETE, null]]), ['NONE', null], full);
      }
      if (level === 'broker') {
        const [error, text] = await change(client, BROKER, CLUSTER, [[full, SET, value]]);
        assert.equal(error, 'INVALID_REQUEST');
        assert.match(text ?? '', /^Cannot update these configs at default cluster level/);
      }
      if (level === 'listener') {
        const [error, text] = await change(client, BROKER, THIS, [[name, SET, value]]);
        assert.equal(error, 'INVALID_REQUEST');
        assert.match(text ?? '', /only per-listener using the listener prefix: \[/);
      }
    }
    assert.deepEqual(await show(client, BROKER, CLUSTER), []);
    const [backoff] = await show(client, BROKER, THIS, 'log.cleaner.backoff.ms');
    assert.deepEqual([backoff?.value, backoff?.configSource], ['15000', DEFAULT]);
    assert.match(backoff?.documentation ?? '', /without effect/);
  });

  it('of a broker go before those of the cluster, and these before what was given at its start', async () => {
    await using test = await start();
    using client = await test.connectAsAdministrator();
    const name = 'max.connections';
    const [given] = await show(client, BROKER, THIS, name);
    assert.equal(given?.configSource, STATIC_BROKER);
    await change(client, BROKER, CLUSTER, [[name, SET, '100']]);
    await change(client, BROKER, THIS, [[name, SET, '200']]);
    assert.deepEqual(await seen(client, BROKER, THIS, name), [
      '200',
      DYNAMIC_BROKER,
      [
        ['200', DYNAMIC_BROKER],
        ['100', DYNAMIC_DEFAULT_BROKER],
        [given?.value, STATIC_BROKER],
      ],
    ]);
    await change(client, BROKER, THIS, [[name, DELETE, null]]);
    assert.equal((await seen(client, BROKER, THIS, name))[0], '100');
    await change(client, BROKER, CLUSTER, [['log.cleanup.policy', APPEND, 'compact']]);
    assert.equal((await seen(client, BROKER, THIS, 'log.cleanup.policy'))[0], 'delete,compact');
  });

  it('that are defaults of topics are in force for topics with nothing of their own, and after a restart', async () => {
    await using test = await start();
    const settings = () => test.broker.streams.get('/', 't')!.settings;
    const own = new Map([['retention.ms', '7000']]);
    test.broker.streams.create({ vhost: '/', name: 'own', partitions: 1, configs: own });
    {
      using client = await test.connectAsAdministrator();
      assert.equal(settings().compacts, false);
      const changes: [string, number, string][] = [
        ['log.retention.ms', SET, '3600000'],
        ['log.cleanup.policy', SET, 'compact'],
        ['producer.id.expiration.ms', SET, '5000'],
      ];
      assert.deepEqual(await change(client, BROKER, CLUSTER, changes), ['NONE', null]);
      assert.deepEqual(await change(client, BROKER, THIS, [['message.max.bytes', SET, '2000']]), [
        'NONE',
        null,
      ]);
    }
    for (let i = 0; i < 2; i++) {
      assert.deepEqual(
        [settings().retentionMs, settings().compacts, settings().maxMessageBytes],
        [3_600_000, true, 2000],
      );
      assert.equal(test.broker.streams.get('/', 'own')?.settings.retentionMs, 7000);
      assert.equal(test.broker.brokerConfigs.number('producer.id.expiration.ms'), 5000);
      await test.restart();
    }
    using client = await test.connectAsAdministrator();
    assert.deepEqual(await seen(client, TOPIC, 't', 'retention.ms'), [
      '3600000',
      DYNAMIC_DEFAULT_BROKER,
      [
        ['3600000', DYNAMIC_DEFAULT_BROKER],
        ['604800000', DEFAULT],
      ],
    ]);
    assert.equal((await seen(client, TOPIC, 't', 'max.message.bytes'))[1], DYNAMIC_BROKER);
    assert.equal((await seen(client, TOPIC, 'own', 'retention.ms'))[0], '7000');
    await change(client, BROKER, CLUSTER, [['log.retention.ms', DELETE, null]]);
    assert.equal(settings().retentionMs, 604_800_000);
  });

  it('are what kafka-reassign-partitions --throttle sets and takes back, on the broker and the topic', async () => {
    await using test = await start();
    const rates = ['leader', 'follower'].map((who) => `${who}.replication.throttled.rate`);
    const replicas = ['leader', 'follower'].map((who) => `${who}.replication.throttled.replicas`);
    const all = [...rates, 'replica.alter.log.dirs.io.max.bytes.per.second'];
    {
      using client = await test.connectAsAdministrator();
      const set = (names: string[], value: string) =>
        names.map((name): [string, number, string] => [name, SET, value]);
      assert.deepEqual(await change(client, TOPIC, 't', set(replicas, '0:1')), ['NONE', null]);
      assert.deepEqual(await change(client, BROKER, THIS, set(all, '50000000')), ['NONE', null]);
    }
    await test.restart();
    using client = await test.connectAsAdministrator();
    for (const name of all) assert.equal((await seen(client, BROKER, THIS, name))[0], '50000000');
    for (const name of replicas) assert.equal((await seen(client, TOPIC, 't', name))[0], '0:1');
    const forget = (names: string[]) => names.map((name): [string, number, null] => [name, DELETE, null]);
    assert.deepEqual(await change(client, TOPIC, 't', forget(replicas)), ['NONE', null]);
    assert.deepEqual(await change(client, BROKER, THIS, forget(all)), ['NONE', null]);
    for (const name of all) assert.equal((await seen(client, BROKER, THIS, name))[0], LONG_MAX);
    assert.deepEqual([...test.broker.brokerConfigs.of('broker')], []);
  });

  it('that are wrong are refused with all that stands beside them', async () => {
    await using test = await start();
    using client = await test.connectAsAdministrator();
    const cases: [string, string, RegExp][] = [
      ['background.threads', '0', /background\.threads: Value must be at least 1$/],
      ['background.threads', 'x', /Not a number of type INT$/],
      ['sasl.login.refresh.buffer.seconds', '99999', /Not a number of type SHORT$/],
      ['compression.type', 'bogus', /String must be one of: /],
      ['log.segment.bytes', '5', /must be at least 1048576$/],
      ['leader.replication.throttled.rate', '-1', /must be at least 0$/],
      ['max.connections.per.ip.overrides', 'xx', /\[address\]:\[count\]/],
      ['ssl.client.auth', 'maybe', /must be one of: required, requested, none$/],
      ['log.cleaner.max.compaction.lag.ms', '0', /must be at least 1$/],
      ['num.partitions', '5', /^Cannot update these configs dynamically: \[num\.partitions\]/],
      ['no.such', '5', /^Cannot update these configs dynamically: \[no\.such\]/],
      ['listener.name.plaintext.no.such', '5', /^Cannot update these configs dynamically/],
      ['listener.name.plaintext.log.retention.ms', '5', /^Cannot update these configs dynamically/],
    ];
    for (const [name, value, expected] of cases) {
      const [error, text] = await change(client, BROKER, THIS, [
        ['num.io.threads', SET, '9'],
        [name, SET, value],
      ]);
      assert.equal(error, 'INVALID_REQUEST', name);
      assert.match(text ?? '', expected);
    }
    const lags: [string, number, string][] = [
      ['log.cleaner.min.compaction.lag.ms', SET, '10'],
      ['log.cleaner.max.compaction.lag.ms', SET, '5'],
    ];
    assert.equal((await change(client, BROKER, CLUSTER, lags))[0], 'INVALID_REQUEST');
    assert.deepEqual(await change(client, BROKER, THIS, [['num.io.threads', SET, '9']], true), [
      'NONE',
      null,
    ]);
    assert.deepEqual([...test.broker.brokerConfigs.of('broker')], []);
    assert.deepEqual([...test.broker.brokerConfigs.of('cluster')], []);
  });

  it('are replaced as a whole by AlterConfigs', async () => {
    await using test = await start();
    using client = await test.connectAsAdministrator();
    await change(client, BROKER, CLUSTER, [
      ['num.io.threads', SET, '9'],
      ['log.roll.ms', SET, '8'],
    ]);
    const configs = [{ name: 'log.roll.ms', value: '7' }];
    const { responses } = await client.request(alterConfigs, 2, {
      resources: [{ resourceType: BROKER, resourceName: CLUSTER, configs }],
      validateOnly: false,
    });
    assert.equal(errorName(responses[0]?.errorCode ?? -1), 'NONE');
    assert.deepEqual([...test.broker.brokerConfigs.of('cluster')], [['log.roll.ms', '7']]);
  });

  it('keep no secret, which nothing here would use', async () => {
    await using test = await start();
    using client = await test.connectAsAdministrator();
    const name = 'listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config';
    assert.deepEqual(await change(client, BROKER, THIS, [[name, SET, 'hush']]), ['NONE', null]);
    assert.deepEqual([...test.broker.brokerConfigs.of('broker')], [[name, '']]);
    const [entry] = await show(client, BROKER, THIS, name);
    assert.deepEqual(
      [entry?.value, entry?.isSensitive, entry?.configType],
      [null, true, CONFIG_TYPE.PASSWORD],
    );
  });
});
