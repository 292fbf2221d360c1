import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Table } from '../../../src/base/value.ts';
import { validateDefinition } from '../../../src/broker/policies/definition.ts';
import { validPolicy } from '../../../src/broker/policies/policy.ts';
import { settingsFrom } from '../../../src/broker/queues/queue-settings.ts';
import { assertRefused } from '../topology/fixture.ts';

function assertInvalid(definition: Table, message: string, isOperator = false): void {
  assertRefused(() => validateDefinition(definition, isOperator), 'precondition-failed', message);
}

test('a value that a policy cannot have is refused in the words of RabbitMQ', () => {
  const limits: readonly (readonly [string, string])[] = [
    ['message-ttl', 'message TTL'],
    ['expires', 'queue expiry'],
    ['max-length', 'maximum length'],
    ['max-length-bytes', 'maximum length in bytes'],
    ['delivery-limit', 'delivery limit'],
  ];
  for (const [key, noun] of limits) {
    for (const isOperator of [false, true]) {
      assertInvalid({ [key]: -1 }, `-1 is not a valid ${noun}`, isOperator);
      assertInvalid({ [key]: 1.5 }, `1.5 is not a valid ${noun}`, isOperator);
      assertInvalid({ [key]: 'x' }, `<<"x">> is not a valid ${noun}`, isOperator);
      assertInvalid({ [key]: true }, `true is not a valid ${noun}`, isOperator);
      assertInvalid({ [key]: null }, `null is not a valid ${noun}`, isOperator);
      validateDefinition({ [key]: 2 ** 32 }, isOperator);
    }
  }
  assertInvalid({ expires: 0 }, '0 is not a valid queue expiry');
  assertInvalid({ overflow: 'x' }, '<<"x">> is not a valid overflow value');
  assertInvalid({ 'dead-letter-exchange': 0 }, '0 is not a valid dead letter exchange name');
  assertInvalid({ 'dead-letter-routing-key': 1.5 }, '1.5 is not a valid dead letter routing key');
  assertInvalid({ 'dead-letter-strategy': true }, 'true is not a valid dead letter strategy');
  assertInvalid({ 'alternate-exchange': null }, 'null is not a valid alternate exchange name');
  assertInvalid({ 'queue-mode': 'x' }, '<<"x">> is not a valid queue-mode value');
  assertInvalid({ 'queue-version': 0 }, '0 is not a valid queue-version value');
});

test('a key that is not known, or not for operators, is refused', () => {
  assertInvalid({}, 'no policy provided');
  assertInvalid(
    { nope: 0, nada: 'x', expires: 5 },
    '[{<<"nada">>,<<"x">>},{<<"nope">>,0}] are not recognised policy settings',
  );
  assertInvalid({ 'ha-mode': 'all' }, '[{<<"ha-mode">>,<<"all">>}] are not recognised policy settings');
  assertInvalid(
    { 'dead-letter-exchange': 'x' },
    '[{<<"dead-letter-exchange">>,<<"x">>}] are not recognised policy settings',
    true,
  );
  assertInvalid({ toString: 1 }, '[{<<"toString">>,1}] are not recognised policy settings');
});

test('what is wrong with the rest of a policy is said', () => {
  const request = { name: 'p', pattern: '^q', definition: { expires: 5 } };
  const refuses = (changes: object, message: string) =>
    assertRefused(() => validPolicy({ ...request, ...changes }, 'policy'), 'precondition-failed', message);
  refuses(
    { applyTo: 'streams' },
    "apply-to 'streams' unrecognised; should be 'queues', 'classic_queues', 'quorum_queues', 'exchanges' or 'all'",
  );
  refuses({ priority: 1.5 }, 'priority should be number, actually was 1.5');
  refuses({ name: '' }, 'the name of a policy has between 1 and 255 characters');
  assert.throws(
    () => validPolicy({ ...request, pattern: '(' }, 'policy'),
    /pattern should be regular expression but is invalid: .*\(/,
  );
  assert.throws(() => validPolicy({ ...request, pattern: 'a'.repeat(5000) }, 'policy'), /longer than/);
  assert.deepEqual(validPolicy(request, 'policy'), { ...request, applyTo: 'all', priority: 0 });
});

test('a delivery limit of -1 is none, but not for an operator', () => {
  assert.equal(settingsFrom({ 'x-delivery-limit': -1 }, {}).deliveryLimit, null);
  assert.equal(settingsFrom({ 'x-delivery-limit': -1 }, { 'delivery-limit': 4 }).deliveryLimit, 4);
});

test('retries and deduplication are set up by arguments or policies', () => {
  const { retry } = settingsFrom({}, { 'delayed-retry-type': 'failed', 'delayed-retry-min': 50 });
  assert.deepEqual(retry, { kind: 'failed', minMs: 50, maxMs: Number.MAX_SAFE_INTEGER });
  assert.equal(
    settingsFrom({ 'x-delayed-retry-type': 'disabled' }, { 'delayed-retry-type': 'all' }).retry,
    null,
  );
  assert.equal(settingsFrom({}, { 'delayed-retry-min': 50 }).retry, null);
  assert.deepEqual(
    settingsFrom({ 'x-cache-size': 7 }, { 'message-deduplication': true, 'cache-size': 3, 'cache-ttl': 9n }),
    { ...settingsFrom({}, {}), deduplication: { windowMs: 9, entriesMax: 7, refuses: false } },
  );
  assert.deepEqual(
    settingsFrom({ 'x-duplicates': 'reject-publish' }, { 'message-deduplication': true }).deduplication,
    { windowMs: null, entriesMax: 100_000, refuses: true },
  );
  assert.equal(
    settingsFrom({ 'x-message-deduplication': false }, { 'message-deduplication': true }).deduplication,
    null,
  );
});
