import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Table, Value } from '../../../src/base/value.ts';
import { assertRefused, newVirtualHost, queue } from './fixture.ts';

/** What RabbitMQ 3.10.8 answered to the same declarations; null where it accepted them. */
type Expected = readonly [args: Table, answer: string | null];

const quorum = { 'x-queue-type': 'quorum' };

function assertAnswers(cases: readonly Expected[]): void {
  for (const [args, answer] of cases) {
    const { vhost } = newVirtualHost();
    const declare = () => vhost.declareQueue(queue('q', { arguments: args }), null);
    if (answer === null) assert.deepEqual(declare().arguments, args);
    else assertRefused(declare, 'precondition-failed', answer);
  }
}

function invalid(key: string, reason: string): string {
  return `invalid arg '${key}' for queue 'q' in vhost '/': ${reason}`;
}

test('a limit that is no integer is refused with the type that it has', () => {
  const types: readonly (readonly [Value, string])[] = [
    [1.5, 'double'],
    ['5', 'longstr'],
    [true, 'bool'],
    [null, 'void'],
    [{ a: 1 }, 'table'],
    [[1], 'array'],
    [new Date(5000), 'timestamp'],
    [Buffer.from('5'), 'binary'],
  ];
  const keys = ['x-message-ttl', 'x-expires', 'x-max-length', 'x-max-length-bytes', 'x-max-priority'];
  for (const key of keys) {
    assertAnswers(
      types.map(([value, type]) => [{ [key]: value }, invalid(key, `"expected integer, got ${type}"`)]),
    );
  }
});

test('a limit that is out of its range is refused, one at its end is not', () => {
  for (const key of ['x-message-ttl', 'x-max-length', 'x-max-length-bytes']) {
    assertAnswers([
      [{ [key]: -1 }, invalid(key, '{value_negative,-1}')],
      [{ [key]: -(2n ** 60n) }, invalid(key, '{value_negative,-1152921504606846976}')],
      [{ [key]: 0 }, null],
      [{ [key]: 2 ** 32 }, null],
    ]);
  }
  assertAnswers([
    [{ 'x-max-length': 2n ** 60n }, null],
    [{ 'x-max-length-bytes': 2n ** 60n }, null],
  ]);
  for (const key of ['x-message-ttl', 'x-expires']) {
    assertAnswers([
      [{ [key]: 315_360_000_000 }, null],
      [{ [key]: 315_360_000_001 }, invalid(key, '{value_too_large,315360000001}')],
      [{ [key]: 2n ** 60n }, invalid(key, '{value_too_large,1152921504606846976}')],
    ]);
  }
  assertAnswers([
    [{ 'x-expires': 0 }, invalid('x-expires', '{value_zero,0}')],
    [{ 'x-expires': -1 }, invalid('x-expires', '{value_negative,-1}')],
    [{ 'x-expires': 1 }, null],
    [{ 'x-max-priority': 255 }, null],
    [{ 'x-max-priority': 256 }, invalid('x-max-priority', '{max_value_exceeded,256}')],
    [{ 'x-max-priority': 2 ** 32 }, invalid('x-max-priority', '{max_value_exceeded,4294967296}')],
    [
      { ...quorum, 'x-quorum-initial-group-size': 0 },
      invalid('x-quorum-initial-group-size', '{value_zero,0}'),
    ],
    [
      { 'x-queue-type': 'stream', 'x-stream-filter-size-bytes': 5 },
      invalid('x-stream-filter-size-bytes', '"expected at least 16, got 5"'),
    ],
  ]);
});

test('a word that means nothing is refused', () => {
  assertAnswers([
    [{ 'x-overflow': 'x' }, invalid('x-overflow', 'invalid_overflow')],
    [{ 'x-overflow': 5 }, invalid('x-overflow', '{unacceptable_type,signedint}')],
    [{ 'x-overflow': null }, invalid('x-overflow', '{unacceptable_type,void}')],
    [{ 'x-overflow': 'drop-head' }, null],
    [{ 'x-overflow': 'reject-publish' }, null],
    [{ 'x-overflow': 'reject-publish-dlx' }, null],
    [{ ...quorum, 'x-overflow': 'reject-publish-dlx' }, null],
    [{ 'x-queue-mode': '' }, invalid('x-queue-mode', `"unsupported queue mode ''"`)],
    [{ 'x-queue-mode': true }, invalid('x-queue-mode', '{unacceptable_type,bool}')],
    [{ 'x-queue-mode': 'lazy' }, null],
    [{ 'x-queue-version': 5 }, invalid('x-queue-version', `"unsupported queue version '5'"`)],
    [{ 'x-queue-version': 'x' }, invalid('x-queue-version', '"expected integer, got longstr"')],
    [{ 'x-queue-version': 2 }, null],
    [{ 'x-queue-type': 'x' }, invalid('x-queue-type', `"unsupported queue type 'x'"`)],
    [{ 'x-queue-type': 5 }, invalid('x-queue-type', '{unacceptable_type,signedint}')],
    [{ 'x-queue-type': 'classic' }, null],
    [
      { ...quorum, 'x-queue-leader-locator': '5' },
      invalid('x-queue-leader-locator', 'invalid_queue_locator_arg'),
    ],
    [{ ...quorum, 'x-queue-leader-locator': 'balanced' }, null],
    [{ 'x-queue-master-locator': 'min-masters' }, null],
    [{ 'x-single-active-consumer': 'x' }, invalid('x-single-active-consumer', '{unacceptable_type,longstr}')],
    [{ 'x-single-active-consumer': false }, null],
  ]);
});

test('dead letters need an exchange to go to', () => {
  const exchange = 'x-dead-letter-exchange';
  const key = 'x-dead-letter-routing-key';
  assertAnswers([
    [{ [exchange]: 5 }, `invalid type 'signedint' for arg '${exchange}' in queue 'q' in vhost '/'`],
    [{ [exchange]: null }, `invalid type 'void' for arg '${exchange}' in queue 'q' in vhost '/'`],
    [{ [exchange]: '' }, null],
    [{ [exchange]: 'amq.nope' }, null],
    [{ [key]: 'a' }, invalid(key, 'routing_key_but_no_dlx_defined')],
    [{ [key]: 4 }, invalid(key, '{unacceptable_type,signedint}')],
    [{ [key]: 4, [exchange]: 'a' }, invalid(key, '{unacceptable_type,signedint}')],
    [{ [key]: 'a', [exchange]: 'a' }, null],
    [{ ...quorum, 'x-dead-letter-strategy': 'at-least-once' }, null],
    [{ ...quorum, 'x-dead-letter-strategy': 'at-most-once' }, null],
  ]);
});

test('an argument that the type of the queue does not have is refused', () => {
  const cases: readonly (readonly [string, Value, 'classic' | 'quorum'])[] = [
    ['x-max-priority', 5, 'quorum'],
    ['x-queue-mode', 'lazy', 'quorum'],
    ['x-queue-version', 2, 'quorum'],
    ['x-max-age', '1D', 'quorum'],
    ['x-initial-cluster-size', 1, 'quorum'],
    ['x-max-in-memory-length', 1, 'classic'],
    ['x-quorum-initial-group-size', 1, 'classic'],
    ['x-dead-letter-strategy', 'at-least-once', 'classic'],
    ['x-max-age', '1D', 'classic'],
    ['x-stream-max-segment-size-bytes', 1000, 'classic'],
    ['x-initial-cluster-size', 1, 'classic'],
  ];
  assertAnswers(
    cases.map(([key, value, type]) => [
      { [key]: value, ...(type === 'quorum' ? quorum : {}) },
      `invalid arg '${key}' for queue 'q' in vhost '/' of queue type rabbit_${type}_queue`,
    ]),
  );
});

test('of several mistakes the same one is named as by RabbitMQ, whatever their order', () => {
  assertAnswers([
    [{ 'x-max-length': -1, 'x-expires': 0 }, invalid('x-expires', '{value_zero,0}')],
    [{ 'x-expires': 0, 'x-max-length': -1 }, invalid('x-expires', '{value_zero,0}')],
    [
      { ...quorum, 'x-queue-mode': 'x', 'x-max-length': -1 },
      "invalid arg 'x-queue-mode' for queue 'q' in vhost '/' of queue type rabbit_quorum_queue",
    ],
  ]);
  const { vhost } = newVirtualHost();
  const args = { ...quorum, 'x-max-length': -1 };
  assertRefused(
    () => vhost.declareQueue(queue('q', { durable: false, arguments: args }), null),
    'precondition-failed',
    invalid('x-max-length', '{value_negative,-1}'),
  );
});

test('what RabbitMQ 3.10 does not look at is looked at where it would change what happens', () => {
  assertAnswers([
    [{ 'x-delivery-limit': 'x' }, invalid('x-delivery-limit', '"expected integer, got longstr"')],
    [{ 'x-delivery-limit': -1 }, null],
    [{ 'x-consumer-timeout': 0 }, invalid('x-consumer-timeout', '{value_zero,0}')],
    [{ 'x-message-deduplication': 'yes' }, invalid('x-message-deduplication', '{unacceptable_type,longstr}')],
    [{ 'x-cache-size': 0 }, invalid('x-cache-size', '{value_zero,0}')],
    [{ 'x-delayed-retry-type': 'some' }, invalid('x-delayed-retry-type', 'invalid_delayed_retry_type')],
    [{ 'x-mine': 'kept', 'x-ha-policy': 'all' }, null],
  ]);
});

test('a second declaration has to agree in what RabbitMQ compares, and in nothing else', () => {
  const first = {
    'x-message-ttl': 1000,
    'x-max-length': 5,
    'x-overflow': 'drop-head',
    'x-dead-letter-exchange': 'a',
    'x-single-active-consumer': true,
    'x-consumer-timeout': 100_000,
    'x-queue-master-locator': 'min-masters',
  };
  const { vhost } = newVirtualHost();
  vhost.declareQueue(queue('q', { arguments: first }), null);
  const again = (changes: { readonly [key: string]: Value | undefined }) => () => {
    const args = Object.entries({ ...first, ...changes }).filter(([, value]) => value !== undefined);
    return vhost.declareQueue(queue('q', { arguments: Object.fromEntries(args) as Table }), null);
  };
  for (const changes of [
    { 'x-message-ttl': 1000n },
    { 'x-consumer-timeout': undefined },
    { 'x-queue-type': 'classic' },
    { 'x-max-age': '1D', 'x-max-in-memory-length': 3, 'x-dead-letter-strategy': 'at-most-once' },
    { 'x-other': 4 },
  ]) {
    again(changes)();
  }
  const text = (key: string, received: string, current: string) =>
    `inequivalent arg '${key}' for queue 'q' in vhost '/': received ${received} but current is ${current}`;
  const refused: readonly (readonly [{ readonly [key: string]: Value | undefined }, string])[] = [
    [{ 'x-message-ttl': 1001 }, text('x-message-ttl', "'1001'", "'1000'")],
    [{ 'x-message-ttl': '1000' }, text('x-message-ttl', "'1000'", "'1000'")],
    [{ 'x-message-ttl': -1 }, text('x-message-ttl', "'-1'", "'1000'")],
    [
      { 'x-single-active-consumer': undefined },
      text('x-single-active-consumer', 'none', "the value 'true' of type 'bool'"),
    ],
    [{ 'x-expires': 5000 }, text('x-expires', "the value '5000' of type 'signedint'", 'none')],
    [
      { 'x-dead-letter-routing-key': 'x' },
      text('x-dead-letter-routing-key', "the value 'x' of type 'longstr'", 'none'),
    ],
    [{ 'x-queue-master-locator': 'random' }, text('x-queue-master-locator', "'random'", "'min-masters'")],
    [
      { 'x-queue-leader-locator': 'balanced' },
      text('x-queue-leader-locator', "the value 'balanced' of type 'longstr'", 'none'),
    ],
    [{ 'x-queue-version': 1 }, text('x-queue-version', "the value '1' of type 'signedint'", 'none')],
    [{ 'x-queue-type': 'quorum' }, text('x-queue-type', "the value 'quorum' of type 'longstr'", 'none')],
  ];
  for (const [changes, message] of refused) assertRefused(again(changes), 'precondition-failed', message);
});
