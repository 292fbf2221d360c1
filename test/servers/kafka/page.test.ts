import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { KAFKA_PAGE, renderKafkaPage } from '../../../scripts/kafka-page.ts';

describe('docs/kafka-compatibility.md', () => {
  it('tells of the APIs and settings that there are: npm run docs', () => {
    assert.equal(readFileSync(KAFKA_PAGE, 'utf8'), renderKafkaPage());
  });
});
