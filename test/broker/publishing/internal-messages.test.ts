import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { InternalMessages } from '../../../src/broker/publishing/internal-messages.ts';
import { Publisher } from '../../../src/broker/publishing/publisher.ts';
import { settled, TestBroker } from '../test-broker.ts';

describe('messages of the broker itself', () => {
  it('are published when the turn ends, and leave no wait behind that nobody listens to', async (t) => {
    await using test = await TestBroker.start();
    const { shard, vhosts, deadLettering } = test.broker;
    const queue = test.queue('q');
    vhosts
      .get('/')
      ?.bindQueue({ source: 'amq.fanout', destination: 'q', routingKey: '', arguments: {} }, null);
    let taken = 0;
    const { publish } = Publisher.prototype;
    t.mock.method(
      Publisher.prototype,
      'publish',
      function tokenOf(this: Publisher, ...args: Parameters<typeof publish>) {
        publish.apply(this, args);
        taken++;
        return shard.waits.take(1);
      },
    );
    const messages = new InternalMessages(shard, vhosts, deadLettering);
    for (let i = 0; i < 3; i++) {
      messages.post({
        vhost: '/',
        exchange: 'amq.fanout',
        routingKey: 'q',
        headers: {},
        body: Buffer.from('event'),
      });
    }
    assert.equal(queue.readyCount, 0);
    await settled();
    assert.equal(queue.readyCount, 3);
    assert.deepEqual([taken, shard.waits.count], [3, 0]);
  });
});
