import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseAddress } from '../../../../src/cli/bench/amqp/address.ts';
import { planShares } from '../../../../src/cli/bench/amqp/plan.ts';
import { defaultSettings } from '../../../../src/cli/bench/amqp/settings.ts';

describe('planShares', () => {
  const sizes = fc.record({
    publishers: fc.nat(9),
    consumers: fc.nat(9),
    queues: fc.integer({ min: 1, max: 5 }),
    processes: fc.integer({ min: 1, max: 5 }),
  });

  it('places every publisher and consumer once, and all consumers of a queue in the same process', () => {
    fc.assert(
      fc.property(sizes, (size) => {
        const shares = planShares({ ...defaultSettings, ...size, ratePerSecond: 1000 }, 0);
        const publishers = shares.flatMap((s) =>
          s.connections.flatMap((c) => c.publishers.map((p) => p.number)),
        );
        assert.deepEqual(
          publishers.toSorted((a, b) => a - b),
          Array.from({ length: size.publishers }, (_, i) => i),
        );
        const places = new Map<string, Set<number>>();
        let consumers = 0;
        shares.forEach((share, place) => {
          for (const { queue } of share.connections.flatMap((c) => c.consumers)) {
            consumers++;
            places.set(queue, (places.get(queue) ?? new Set()).add(place));
          }
        });
        assert.equal(consumers, size.consumers);
        for (const [queue, where] of places) assert.equal(where.size, 1, queue);
        const rate = shares.reduce((sum, s) => sum + s.ratePerSecond, 0);
        if (size.publishers > 0) assert.ok(Math.abs(rate - 1000) < 1e-6);
      }),
    );
  });
});

describe('parseAddress', () => {
  it('reads the parts of an AMQP URI and fills in what is left out', () => {
    assert.deepEqual(parseAddress('amqp://u%40x:p%2F@[::1]:99/a%2Fb'), {
      host: '::1',
      port: 99,
      user: 'u@x',
      password: 'p/',
      virtualHost: 'a/b',
    });
    assert.deepEqual(parseAddress('amqp://localhost'), {
      host: 'localhost',
      port: 5672,
      user: 'guest',
      password: 'guest',
      virtualHost: '/',
    });
  });

  it('says what is wrong with another scheme', () => {
    assert.throws(() => parseAddress('http://localhost/'), /the scheme must be amqp:/);
    assert.throws(() => parseAddress('localhost 5672'), /is not a URL/);
  });
});
