import assert from 'node:assert/strict';
import { it } from 'node:test';
import { LargeRequests } from '../../../src/broker/budget/large-requests.ts';
import { LoopStretches } from '../../../src/broker/budget/loop-stretches.ts';

it('who held the event loop longest is known by request, and logged once in a while if it was very long', () => {
  const warnings: object[] = [];
  const log = { info() {}, error() {}, warn: (fields: object) => void warnings.push(fields) };
  const stretches = new LoopStretches(log);
  stretches.record(997, 1000, 'Kafka', 'Metadata', 'ada');
  stretches.record(1940, 2000, 'Kafka', 'Metadata', 'b'.repeat(1000));
  stretches.record(2930, 3000, 'AMQP', 'queue.declare', 'ada');
  stretches.record(3998, 4000, 'AMQP', 'queue.declare', 'ada');
  stretches.record(12920, 13_000, 'AMQP', 'queue.purge', 'ada');
  assert.deepEqual(
    stretches.longest().map(({ protocol, request, ms }) => [protocol, request, ms]),
    [
      ['AMQP', 'queue.purge', 80],
      ['AMQP', 'queue.declare', 70],
      ['Kafka', 'Metadata', 60],
    ],
  );
  assert.equal(stretches.histogram.count, 5);
  assert.deepEqual(
    warnings.map((each) => {
      const { request, unlogged } = each as { readonly request: string; readonly unlogged: number };
      return [request, unlogged];
    }),
    [
      ['Metadata', 0],
      ['queue.purge', 1],
    ],
  );
  assert.ok(JSON.stringify(warnings).length < 1000);
});

it('large requests take turns: what does not fit waits, in order, and one alone may be larger than all', () => {
  const requests = new LargeRequests(100);
  const begun: number[] = [];
  const enter = (bytes: number): void => {
    const wait = requests.enter(bytes, 'ada');
    if (wait === null) begun.push(bytes);
    else wait.then(() => begun.push(bytes));
  };
  for (const bytes of [60, 50, 30, 500, 10]) enter(bytes);
  assert.deepEqual(begun, [60]);
  return (async () => {
    requests.leave(60);
    await null;
    assert.deepEqual(begun, [60, 50, 30]);
    requests.leave(50);
    requests.leave(30);
    await null;
    assert.deepEqual(begun, [60, 50, 30, 500]);
    requests.leave(500);
    await null;
    assert.deepEqual(begun, [60, 50, 30, 500, 10]);
  })();
});

it('large requests of one user do not keep those of others waiting: users have their turns', async () => {
  const requests = new LargeRequests(100);
  const begun: string[] = [];
  const enter = (user: string): void => {
    const wait = requests.enter(100, user);
    if (wait === null) begun.push(user);
    else void wait.then(() => begun.push(user));
  };
  for (const user of ['ada', 'ada', 'ada', 'ada', 'bob', 'eve', 'bob']) enter(user);
  for (let left = 0; left < 6; left++) {
    requests.leave(100);
    await null;
  }
  assert.deepEqual(begun, ['ada', 'ada', 'bob', 'eve', 'ada', 'bob', 'ada']);
});
