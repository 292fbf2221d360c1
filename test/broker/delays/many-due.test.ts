import assert from 'node:assert/strict';
import { it } from 'node:test';
import { DelayedBroker } from './delayed-broker.ts';

/** Messages that are routed in one step of the event loop. */
interface Stretch {
  count: number;
  ms: number;
}

/** Each message takes so long to route. Returns the stretches in which that was done. */
function slowRoutes(test: DelayedBroker, ms: number): Stretch[] {
  const stretches: Stretch[] = [];
  const { vhost, time } = test;
  const route = vhost.routeDelayed.bind(vhost);
  const step = test.step.bind(test);
  let stretch: Stretch = { count: 0, ms: 0 };
  vhost.routeDelayed = (...parameters) => {
    time.nowMs += ms;
    stretch.count++;
    stretch.ms += ms;
    return route(...parameters);
  };
  test.step = async () => {
    stretch = { count: 0, ms: 0 };
    await step();
    if (stretch.count > 0) stretches.push(stretch);
  };
  return stretches;
}

it('messages that come due together are routed for a few milliseconds at a time, in order, whatever that costs', async () => {
  for (const ms of [0.0001, 0.05, 0.5]) {
    const test = new DelayedBroker(1);
    await test.start();
    await test.declare([['q', 'k']]);
    const stretches = slowRoutes(test, ms);
    const count = 3000;
    for (let id = 0; id < count; id++) test.publish(id, 'k', 100, id % 2 === 0);
    await test.pass(100 + 3 * count * ms + 300);
    assert.equal(test.delays.ledger.routed, count);
    const arrivals = await test.drain('q');
    assert.deepEqual(
      arrivals.map(({ id }) => id),
      Array.from({ length: count }, (_, id) => id),
    );
    // The first one tells how long it takes.
    const longestMs = Math.max(...stretches.slice(3).map((each) => each.ms));
    assert.ok(longestMs <= 2 + 2 * ms, `${longestMs} ms with ${ms} ms each`);
    assert.ok(Math.max(...stretches.map((each) => each.count)) <= 1024);
    if (ms < 0.001) assert.ok(stretches.length < 15, `${stretches.length} pieces of what takes no time`);
    assert.equal(test.imbalance(), null);
    await test.stop();
  }
});

it('messages of several intervals that are late at once are all routed, without a wait between one and the next', async () => {
  const test = new DelayedBroker(2);
  await test.start();
  await test.declare([['q', 'k']]);
  const stretches = slowRoutes(test, 0.2);
  const intervals = 6;
  for (let id = 0; id < intervals * 16; id++) test.publish(id, 'k', 1500 + 1000 * (id % intervals));
  await test.stop();
  test.time.nowMs += 60_000;
  await test.start();
  const later = slowRoutes(test, 0.2);
  await test.pass(60);
  assert.equal(stretches.length, 0);
  assert.equal(test.delays.ledger.routed, intervals * 16);
  assert.ok(later.length > intervals);
  await test.stop();
});
