import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { STREAM_CONFIGS, streamConfig } from '../../../src/broker/streams/stream-configs.ts';
import {
  normalizeConfig,
  resolveSettings,
  validateConfig,
  validateConfigs,
} from '../../../src/broker/streams/stream-settings.ts';

function settings(configs: Record<string, string>) {
  return resolveSettings(new Map(Object.entries(configs)));
}

describe('the settings of a stream', () => {
  it('are those that Kafka has, where nothing is set', () => {
    const usual = settings({});
    assert.equal(usual.deletes, true);
    assert.equal(usual.compacts, false);
    assert.equal(usual.retentionMs, 7 * 24 * 3600 * 1000);
    assert.equal(usual.retentionBytes, Infinity);
    assert.equal(usual.segmentBytes, 1024 ** 3);
    assert.equal(usual.maxMessageBytes, 1_048_588);
    assert.equal(usual.timestampType, 'CreateTime');
    assert.equal(usual.timestampBeforeMsMax, Infinity);
    assert.equal(usual.compactionLagMsMax, Infinity);
    assert.equal(usual.compression, 'producer');
  });

  it('have valid values by default', () => {
    for (const { name, default: value } of STREAM_CONFIGS)
      assert.equal(validateConfig(name, value), null, name);
  });

  it('take less than nothing, and the largest integer, for no limit', () => {
    assert.equal(settings({ 'retention.ms': '-1' }).retentionMs, Infinity);
    assert.equal(settings({ 'retention.bytes': '-1' }).retentionBytes, Infinity);
    assert.equal(settings({ 'retention.ms': '9223372036854775807' }).retentionMs, Infinity);
    assert.equal(settings({ 'retention.ms': ' 5000 ' }).retentionMs, 5000);
  });

  it('can be both kinds of cleaning, or none', () => {
    const { deletes, compacts } = settings({ 'cleanup.policy': 'compact,delete' });
    assert.deepEqual([deletes, compacts], [true, true]);
    const none = settings({ 'cleanup.policy': '' });
    assert.deepEqual([none.deletes, none.compacts], [false, false]);
    assert.equal(normalizeConfig('cleanup.policy', ' compact , delete'), 'compact,delete');
  });

  const wrong: readonly (readonly [string, string, RegExp])[] = [
    ['retention.ms', '-2', /Value must be at least -1/],
    ['retention.ms', '9223372036854775808', /Not a number of type LONG/],
    ['retention.ms', '', /Not a number of type LONG/],
    ['max.message.bytes', '2147483648', /Not a number of type INT/],
    ['max.message.bytes', '1.5', /Not a number of type INT/],
    ['min.cleanable.dirty.ratio', '1.1', /Value must be no more than 1/],
    ['min.cleanable.dirty.ratio', 'half', /Not a number of type DOUBLE/],
    ['preallocate', 'yes', /Expected value to be either true or false/],
    ['compression.type', 'LZ4', /String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer/],
    ['compression.gzip.level', '0', /Value must be between 1 and 9 or equal to -1/],
    ['cleanup.policy', 'delete,delete', /duplicated/],
    ['leader.replication.throttled.replicas', 'all', /\[partitionId\]:\[brokerId\]/],
    ['no.such.setting', '1', /^Unknown topic config name: no\.such\.setting$/],
  ];
  for (const [name, value, problem] of wrong) {
    it(`do not include ${name} = '${value}'`, () => assert.match(validateConfig(name, value) ?? '', problem));
  }

  it('are refused if they contradict one another', () => {
    const lag = new Map([
      ['min.compaction.lag.ms', '1000'],
      ['max.compaction.lag.ms', '999'],
    ]);
    assert.match(
      validateConfigs(lag) ?? '',
      /min\.compaction\.lag\.ms \(1000\) > max\.compaction\.lag\.ms \(999\)/,
    );
    assert.match(validateConfigs(new Map([['remote.storage.enable', 'true']])) ?? '', /Tiered Storage/);
  });

  it('are described, and say so if they have no effect here', () => {
    for (const { name, description, effect } of STREAM_CONFIGS) {
      assert.ok(description.endsWith('.'), name);
      assert.ok(effect === 'has-effect' || effect === 'no-effect', name);
    }
    assert.equal(streamConfig('retention.ms')?.effect, 'has-effect');
  });
});
