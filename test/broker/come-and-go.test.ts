import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { until } from '../support/until.ts';
import { TestBroker } from './test-broker.ts';

setFlagsFromString('--expose-gc');
// What V8 makes old from the beginning, as it has seen many of its kind grow old, is not ours to say.
setFlagsFromString('--no-allocation-site-pretenuring');
const gc = runInNewContext('gc') as (options: { readonly type: 'minor' | 'major' }) => void;

/** There all the time: the tables in which the others come and go are in the old generation. */
const STANDING = 500;
const ROUNDS = 50;
const AT_ONCE = 100;

/** Bytes that each of them leaves until the next full collection. `isOver`: whether all that was removed is gone. */
async function bytesLeft(make: (name: string) => () => void, isOver = () => true): Promise<number> {
  for (let i = 0; i < STANDING; i++) make(`standing-${i}`);
  await new Promise(setImmediate);
  gc({ type: 'major' });
  const before = process.memoryUsage().heapUsed;
  for (let round = 0; round < ROUNDS; round++) {
    const removals = Array.from({ length: AT_ONCE }, (_, i) => make(`passing-${round}-${i}`));
    for (const remove of removals) remove();
    await until(isOver);
    // Two of them make old what is there still.
    if (round % 5 === 4) for (let times = 0; times < 2; times++) gc({ type: 'minor' });
  }
  await new Promise(setImmediate);
  for (let times = 0; times < 3; times++) gc({ type: 'minor' });
  return (process.memoryUsage().heapUsed - before) / (ROUNDS * AT_ONCE);
}

describe('what comes and goes', () => {
  it('leaves little of a queue and its binding until the next full collection', async () => {
    await using test = await TestBroker.start();
    const vhost = test.broker.vhosts.get('/')!;
    const left = await bytesLeft((name) => {
      const queue = test.queue(name, { durable: false });
      vhost.bindQueue({ source: 'amq.direct', destination: name, routingKey: name, arguments: {} }, null);
      return () => vhost.removeQueue(queue);
    });
    // All of one would be 7 KB.
    assert.ok(left < 3500, `${left} bytes of each are left`);
  });

  it('leaves little of a topic of ten partitions until the next full collection', async () => {
    await using test = await TestBroker.start();
    const { streams } = test.broker;
    const left = await bytesLeft(
      (name) => {
        const stream = streams.create({ vhost: '/', name, partitions: 10, configs: new Map() });
        return () => streams.delete(stream);
      },
      () => test.broker.shard.store.streams.size === 10 * STANDING,
    );
    // All of one would be 28 KB.
    assert.ok(left < 14_000, `${left} bytes of each are left`);
  });
});
