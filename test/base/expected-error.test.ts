import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ExpectedError } from '../../src/base/expected-error.ts';

it('an expected error has no stack, and those after it have theirs', () => {
  class Refused extends ExpectedError {}
  const foreseen = new Refused('no such thing');
  assert.equal(foreseen.message, 'no such thing');
  assert.ok(foreseen instanceof Error);
  assert.doesNotMatch(foreseen.stack ?? '', /\n {4}at /);
  assert.match(new Error('nobody expected this').stack ?? '', /\n {4}at .*expected-error\.test/);
});
