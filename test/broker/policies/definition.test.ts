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

test('a value that a policy cannot have is refused with what it can have', () => {
  for (const isOperator of [false, true]) {
    for (const value of [-1, 1.5, 'x', '10', true, null]) {
      const shown = JSON.stringify(value);
      assertInvalid(
        { 'max-length': value },
        `'max-length' has to be a whole number from 0 up, not ${shown}`,
        isOperator,
      );
      assertInvalid(
        { 'message-ttl': value },
        `'message-ttl' has to be milliseconds from 0 up, or a time such as "30s", "30m", "12h", not ${shown}`,
        isOperator,
      );
    }
    for (const key of ['message-ttl', 'expires', 'max-length', 'max-length-bytes', 'delivery-limit']) {
      validateDefinition({ [key]: 2 ** 32 }, isOperator);
    }
  }
  assertInvalid(
    { overflow: 'x' },
    "'overflow' has to be 'drop-head' or 'reject-publish' or 'reject-publish-dlx', not \"x\"",
  );
  assertInvalid(
    { 'dead-letter-exchange': 0 },
    "'dead-letter-exchange' has to be the name of an exchange that is not internal to the broker, not 0",
  );
  assertInvalid({ remember: 'yes' }, '\'remember\' has to be true or false, not "yes"');
  assertInvalid({ 'queue-version': 0 }, "'queue-version' has to be 1 or 2, not 0");
});

test('times in a policy may have a unit, and are milliseconds then as without', () => {
  const policy = validPolicy(
    {
      name: 'p',
      pattern: '',
      definition: {
        'message-ttl': '30m',
        'consumer-timeout': '500ms',
        'retention-ms': -1,
        'dead-letter-exchange': '1s',
      },
    },
    'policy',
  ).definition;
  assert.deepEqual(policy, {
    'message-ttl': 1_800_000,
    'consumer-timeout': 500,
    'retention-ms': -1,
    'dead-letter-exchange': '1s',
  });
});

function refusalOf(definition: Table, isOperator: boolean): string {
  try {
    validateDefinition(definition, isOperator);
  } catch (error) {
    return (error as Error).message;
  }
  return '';
}

test('a key that is not known is refused with the nearest that is, and the list of those for this kind', () => {
  const unknown = refusalOf({ expires: 5, 'max-lenght': 10 }, false);
  assert.match(
    unknown,
    /^'max-lenght' is no setting of a policy \(did you mean 'max-length'\?\); policies can have message-ttl, .*overflow, /,
  );
  assert.match(refusalOf({ 'x-max-length': 10 }, false), /did you mean 'max-length'\?/);
  assert.match(
    refusalOf({ 'max-lenght': 10 }, true),
    /^'max-lenght' is no setting of an operator policy \(did you mean 'max-length'\?\); operator policies can have /,
  );
  const notForOperators = refusalOf({ overflow: 'drop-head' }, true);
  assert.match(
    notForOperators,
    /^'overflow' is for policies, not for operator policies; operator policies can have /,
  );
  assert.doesNotMatch(notForOperators, /can have .*overflow/);
  assert.match(refusalOf({ toString: 1 }, false), /^'toString' is no setting of a policy; /);
  assert.match(refusalOf({}, false), /^a policy without settings has no effect; policies can have /);
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
