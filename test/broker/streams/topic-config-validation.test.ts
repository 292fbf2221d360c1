import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  normalizeConfig,
  validateConfig,
  validateConfigs,
} from '../../../src/broker/streams/topic-config-validation.ts';
import { TOPIC_CONFIGS } from '../../../src/broker/streams/topic-configs.ts';

describe('the configs of a topic', () => {
  it('have valid values by default', () => {
    for (const { name, default: value } of TOPIC_CONFIGS)
      assert.equal(validateConfig(name, value), null, name);
  });

  it('are kept without white space around values', () => {
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
});
