import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BenchResult } from '../../../../src/cli/bench/amqp/result.ts';
import { runBench } from '../../../../src/cli/bench/amqp/run.ts';
import { type BenchSettings, defaultSettings } from '../../../../src/cli/bench/amqp/settings.ts';
import { type Misbehaviour, type StubBroker, startStubBroker } from './stub-broker.ts';

async function bench(
  settings: Partial<BenchSettings>,
  misbehaviour: Misbehaviour = {},
): Promise<{ result: BenchResult; broker: StubBroker }> {
  const broker = await startStubBroker(misbehaviour);
  try {
    const result = await runBench({ ...defaultSettings, warmupSeconds: 0, ...settings, url: broker.url });
    return { result, broker };
  } finally {
    await broker.close();
  }
}

function assertAllWell(result: BenchResult, published: number, consumed: number): void {
  const { totals } = result;
  assert.equal(totals.published, published);
  assert.equal(totals.consumed, consumed);
  assert.deepEqual(
    [totals.missing, totals.duplicates, totals.outOfOrder, totals.undelivered, totals.nacked],
    [0, 0, 0, 0, 0],
  );
}

describe('the load generator', () => {
  it('publishes and consumes exactly the messages asked for, unpaced and without confirms', async () => {
    const { result, broker } = await bench({ messages: 5000, autoAck: true });
    assertAllWell(result, 5000, 5000);
    assert.equal(broker.stats.acks, 0);
    assert.equal(result.latencyMs?.count, 5000);
    assert.equal(broker.stats.deleted, 1);
  });

  it('acknowledges once for every so many messages, and the rest at the end', async () => {
    const { result, broker } = await bench({
      messages: 1005,
      prefetch: 100,
      ackEvery: 10,
      confirmWindow: 20,
    });
    assertAllWell(result, 1005, 1005);
    assert.equal(result.totals.confirmed, 1005);
    assert.deepEqual([broker.stats.acks, broker.stats.acked], [101, 1005]);
  });

  it('never exceeds the window of unconfirmed messages when confirms come one by one, folded and late', async () => {
    const { result, broker } = await bench({ messages: 2000, confirmWindow: 7, autoAck: true });
    assertAllWell(result, 2000, 2000);
    assert.ok([6, 7].includes(broker.stats.unconfirmedMax), `${broker.stats.unconfirmedMax} unconfirmed`);
    assert.equal(result.confirmLatencyMs?.count, 2000);
  });

  it('keeps to the rate that it is to offer', async () => {
    const { result } = await bench({
      durationSeconds: 2,
      ratePerSecond: 2000,
      autoAck: true,
      sizeBytes: 40,
    });
    assert.ok(Math.abs(result.publishedPerSecond - 2000) < 400, `${result.publishedPerSecond} messages/s`);
    assert.equal(result.totals.undelivered, 0);
  });

  it('counts every copy of a fan-out', async () => {
    const { result } = await bench({ messages: 300, fanout: 4, autoAck: true });
    assertAllWell(result, 300, 1200);
    assert.equal(result.sequences.length, 4);
  });

  it('gives each connection its own queue when asked to', async () => {
    const { result, broker } = await bench({
      messages: 1000,
      connections: 20,
      queuePerConnection: true,
      autoAck: true,
    });
    assertAllWell(result, 1000, 1000);
    assert.equal(broker.stats.connections, 21);
    assert.equal(result.sequences.length, 20);
  });

  it('checks one queue read by several consumers without taking their interleaving for a fault', async () => {
    const { result } = await bench({
      messages: 3000,
      publishers: 2,
      consumers: 3,
      prefetch: 10,
      ackEvery: 5,
    });
    assertAllWell(result, 3000, 3000);
  });

  it('sends bodies larger than a frame, and bodies too small for a number', async () => {
    const large = await bench({ messages: 20, sizeBytes: 300_000, autoAck: true });
    assertAllWell(large.result, 20, 20);
    assert.equal(large.result.totals.consumedBytes, 20 * 300_000);
    for (const sizeBytes of [0, 15]) {
      const { result } = await bench({ messages: 50, sizeBytes, autoAck: true });
      assertAllWell(result, 50, 50);
      assert.equal(result.latencyMs, undefined);
    }
  });

  it('preloads with publishers of its own before anything is consumed', async () => {
    const { result, broker } = await bench({ preload: 500, messages: 500, autoAck: true });
    assert.equal(broker.stats.published, 1000);
    assert.equal(result.totals.published, 500);
    assert.equal(result.totals.consumed, 1000);
    assert.deepEqual([result.totals.missing, result.totals.undelivered], [0, 0]);
    assert.deepEqual(
      result.sequences.map((s) => [s.publisher, s.first, s.next]),
      [
        [0, 0, 500],
        [1, 0, 500],
      ],
    );
  });

  it('keeps the size of a backlog when it is to consume no faster than it publishes', async () => {
    const { result } = await bench({
      ...{ preload: 3000, durationSeconds: 0.3, ratePerSecond: 1000, drainSeconds: 0 },
      ...{ level: true, confirmWindow: 100, prefetch: 50, ackEvery: 10 },
    });
    const { consumed, published } = result.totals;
    // More than the first prefetch: acknowledgements were held, not lost. Less than the backlog, which was there at once.
    assert.ok(consumed > 50, `${consumed} consumed, ${published} published`);
    assert.ok(consumed <= published + 60, `${consumed} consumed, ${published} published`);
  });

  it('waits while the broker has blocked the connection', async () => {
    const { result } = await bench(
      { messages: 400, confirmWindow: 50, autoAck: true },
      { blockAfter: 100, blockMs: 50 },
    );
    assertAllWell(result, 400, 400);
    assert.ok(result.seconds > 0.045, `${result.seconds} s`);
  });

  it('counts the wait of messages that were due while the broker had blocked it', async () => {
    const settings = { durationSeconds: 0.5, ratePerSecond: 2000, autoAck: true };
    const { result } = await bench(settings, { blockAfter: 100, blockMs: 300 });
    // Of about 1,000 messages 600 were due while it was blocked, and half of those waited for more than 150 ms.
    const { p90, max } = result.latencyMs ?? assert.fail('no latency');
    assert.ok(max > 280, `max ${max} ms`);
    assert.ok(p90 > 150, `p90 ${p90} ms`);
    assert.equal(result.totals.undelivered, 0);
  });

  it('finds messages that the broker has lost or doubled', async () => {
    const { result } = await bench(
      { durationSeconds: 0.2, ratePerSecond: 2000, autoAck: true, drainSeconds: 0.2 },
      { copies: (index) => (index === 50 ? 0 : index === 60 ? 2 : 1) },
    );
    assert.deepEqual([result.totals.missing, result.totals.duplicates], [1, 1]);
  });

  it('divides a run among processes and adds up what they have counted', async () => {
    const { result } = await bench({
      messages: 2000,
      processes: 2,
      publishers: 2,
      consumers: 2,
      queues: 2,
      autoAck: true,
    });
    assertAllWell(result, 2000, 2000);
    assert.equal(result.latencyMs?.count, 2000);
  });

  it('ends with the reason when the broker cannot be reached', async () => {
    const broker = await startStubBroker();
    await broker.close();
    await assert.rejects(runBench({ ...defaultSettings, url: broker.url }), /ECONNREFUSED/);
  });

  it('refuses settings that would never end, naming the option', async () => {
    await assert.rejects(runBench({ ...defaultSettings, prefetch: 5, ackEvery: 10 }), /--ack-every 10/);
  });
});
