import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { resolveSettings } from '../../../src/broker/streams/stream-settings.ts';

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
  });
});
