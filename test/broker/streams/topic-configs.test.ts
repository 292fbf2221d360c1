import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TOPIC_CONFIGS, topicConfig } from '../../../src/broker/streams/topic-configs.ts';

describe('topic configs', () => {
  it('are described, and say so if they have no effect here', () => {
    for (const { name, description, effect } of TOPIC_CONFIGS) {
      assert.ok(description.endsWith('.'), name);
      assert.ok(effect === 'has-effect' || effect === 'no-effect', name);
    }
    assert.equal(topicConfig('retention.ms')?.effect, 'has-effect');
  });
});
