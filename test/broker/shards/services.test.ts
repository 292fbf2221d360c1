import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ServiceRequest } from '../../../src/broker/shards/services/service-request.ts';
import type { ServicesElsewhere } from '../../../src/broker/shards/services/services-elsewhere.ts';
import { until } from '../../support/until.ts';
import { TestShards } from './test-shards.ts';

const RING_BYTES = 16 * 1024;

describe('services of servers in other shards', () => {
  it('are asked by name, each answer comes to its question, and requests arrive in order', async () => {
    await using shards = await TestShards.start(3);
    const came: string[] = [];
    const open: ServiceRequest[] = [];
    servicesOf(shards, 0).serve('echo', (request) => {
      came.push(`${request.from} ${request.bytes}`);
      open.push(request);
    });
    servicesOf(shards, 0).serve('other', (request) => request.answer([Buffer.from('other')]));
    const asked = ['a', 'b', 'c'].map((text) => ask(shards, 2, 'echo', text).answer);
    assert.equal(`${await ask(shards, 2, 'other', '').answer}`, 'other');
    assert.deepEqual(came, ['2 a', '2 b', '2 c']);
    // In another order.
    for (const request of open.reverse()) request.answer([Buffer.from('<'), request.bytes, Buffer.from('>')]);
    assert.deepEqual((await Promise.all(asked)).map(String), ['<a>', '<b>', '<c>']);
    assertNothingIsOpen(shards);
  });

  it('take and give much more than a ring has room for, while others go on', async () => {
    await using shards = await TestShards.start(2, {}, RING_BYTES);
    servicesOf(shards, 0).serve('echo', (request) => request.answer([request.bytes, request.bytes]));
    const bytes = Buffer.alloc(3 * 1024 * 1024, 'abc');
    const large = Array.from({ length: 4 }, () => servicesOf(shards, 1).ask(0, 'echo', [bytes]).answer);
    const small = Array.from({ length: 500 }, (_, i) => ask(shards, 1, 'echo', `${i}.`).answer);
    for (const each of await Promise.all(large)) assert.ok(each.equals(Buffer.concat([bytes, bytes])));
    assert.deepEqual(
      (await Promise.all(small)).map(String),
      small.map((_, i) => `${i}.${i}.`),
    );
    assertNothingIsOpen(shards);
  });

  it('fail with the reason that they give, and where nobody serves them', async () => {
    await using shards = await TestShards.start(2);
    const end = servicesOf(shards, 0).serve('no', (request) => request.fail('not today'));
    await assert.rejects(ask(shards, 1, 'no', '').answer, { name: 'ServiceError', message: 'not today' });
    end();
    await assert.rejects(ask(shards, 1, 'no', '').answer, /nobody serves 'no'/);
    assertNothingIsOpen(shards);
  });

  it('are told when nobody waits any more, and leave nothing behind', async () => {
    await using shards = await TestShards.start(2);
    const open: ServiceRequest[] = [];
    let cancelled = 0;
    servicesOf(shards, 0).serve('slow', (request) => {
      request.onCancel(() => cancelled++);
      open.push(request);
    });
    const asked = ask(shards, 1, 'slow', '');
    await until(() => open.length === 1);
    asked.cancel();
    await assert.rejects(asked.answer, /nobody waits/);
    await until(() => cancelled === 1);
    assert.ok(open[0]?.isCancelled);
    open[0]?.answer([Buffer.from('late')]);
    assertNothingIsOpen(shards);
  });
});

function servicesOf(shards: TestShards, number: number): ServicesElsewhere {
  const { elsewhere } = shards.brokers[number]!;
  assert.ok(elsewhere !== null);
  return elsewhere;
}

function ask(shards: TestShards, from: number, service: string, text: string) {
  return servicesOf(shards, from).ask(0, service, [Buffer.from(text)]);
}

function assertNothingIsOpen(shards: TestShards): void {
  for (const { elsewhere } of shards.brokers) assert.deepEqual(elsewhere?.counts, { asked: 0, open: 0 });
}
