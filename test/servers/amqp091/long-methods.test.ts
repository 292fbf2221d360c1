import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { declaration, MESSAGES, Scene, STATES_MIN } from './long-method-scene.ts';

const BINDINGS = 5000;

describe('a method that takes long', () => {
  it('acknowledges very many deliveries while others are served, and the frames behind it wait', async () => {
    await using scene = await Scene.make();
    const { client, queue } = scene;
    await scene.fill();
    await scene.deliver();
    client.method(1, { name: 'basic.ack', deliveryTag: MESSAGES - 1, multiple: true });
    client.method(1, declaration('q'));
    const seen = await scene.until(() => queue.unacknowledgedCount === 1);
    assert.ok(seen >= STATES_MIN, `${seen} states`);
    await client.expect('queue.declare-ok');
    assert.equal(queue.unacknowledgedCount, 1);
    assert.equal(queue.ledger.acknowledged, MESSAGES - 1);
    client.method(1, { name: 'basic.ack', deliveryTag: MESSAGES, multiple: false });
    await scene.until(() => queue.unacknowledgedCount === 0);
  });

  it('gives very many deliveries back, by basic.nack and basic.recover, while others are served', async () => {
    await using scene = await Scene.make();
    const { client, queue } = scene;
    await scene.fill();
    await scene.deliver();
    client.method(1, { name: 'basic.nack', deliveryTag: 0, multiple: true, requeue: true });
    assert.ok((await scene.until(() => queue.readyCount === MESSAGES)) >= STATES_MIN);
    await scene.deliver();
    client.method(1, { name: 'basic.recover', requeue: true });
    let isBack = false;
    const recovered = client.expect('basic.recover-ok').finally(() => {
      isBack = true;
    });
    assert.ok((await scene.until(() => isBack)) >= STATES_MIN);
    await recovered;
    assert.equal(queue.readyCount, MESSAGES);
    assert.ok(queue.isBalanced);
  });

  it('acknowledges what a client has said to, though its connection ends before that is done', async () => {
    await using scene = await Scene.make();
    const { client, queue } = scene;
    await scene.fill();
    await scene.deliver();
    client.method(1, { name: 'basic.ack', deliveryTag: MESSAGES / 2, multiple: true });
    client.socket.end();
    await scene.until(() => queue.unacknowledgedCount === 0);
    assert.equal(queue.readyCount, MESSAGES / 2);
    assert.equal(queue.ledger.acknowledged, MESSAGES / 2);
  });

  it('purges and deletes a long queue while others are served, and says how many messages went', async () => {
    await using scene = await Scene.make();
    const { client, queue } = scene;
    for (const name of ['queue.purge', 'queue.delete'] as const) {
      await scene.fill();
      if (name === 'queue.purge') client.method(1, { name, queue: 'q', noWait: false });
      else client.method(1, { name, queue: 'q', ifUnused: false, ifEmpty: false, noWait: false });
      let isDone = false;
      const answer = client.expect(`${name}-ok`).finally(() => {
        isDone = true;
      });
      const seen = await scene.until(() => isDone);
      assert.ok(seen >= STATES_MIN, `${seen} states at ${name}`);
      assert.equal((await answer).messageCount, MESSAGES);
      assert.equal(queue.readyCount, 0);
      assert.equal(queue.readyBytes, 0);
      assert.ok(queue.isBalanced || queue.isRemoved);
    }
  });

  it('deletes an exchange and a queue with very many bindings while others are served', async () => {
    await using scene = await Scene.make();
    const { client, test } = scene;
    const vhost = test.broker.vhosts.get('/');
    assert.ok(vhost !== undefined);
    for (const name of ['exchange.delete', 'queue.delete'] as const) {
      const exchange = { name: 'x', type: 'direct', durable: true, autoDelete: name === 'queue.delete' };
      vhost.declareExchange({ ...exchange, internal: false, arguments: {} });
      for (let i = 0; i < BINDINGS; i++) {
        vhost.bindQueue({ source: 'x', destination: 'q', routingKey: `k${i}`, arguments: {} }, null);
      }
      if (name === 'exchange.delete')
        client.method(1, { name, exchange: 'x', ifUnused: false, noWait: false });
      else client.method(1, { name, queue: 'q', ifUnused: false, ifEmpty: false, noWait: false });
      let isDone = false;
      const answer = client.expect(`${name}-ok`).finally(() => {
        isDone = true;
      });
      const bindings = () => `${vhost.listBindings({ destination: 'q' }).length} bindings`;
      assert.ok((await scene.until(() => isDone, bindings)) >= STATES_MIN);
      await answer;
      assert.equal(vhost.findExchange('x'), undefined);
      assert.equal(vhost.listBindings({ destination: 'q' }).length, name === 'queue.delete' ? 0 : 1);
    }
  });
});
