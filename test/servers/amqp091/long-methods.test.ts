import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Queue } from '../../../src/broker/queues/queue.ts';
import type { MethodOf } from '../../../src/wire/amqp091/definitions.ts';
import { DrivenClock, STEP_MS } from '../../support/driven-clock.ts';
import { publishBytes, type RawClient } from './raw-client.ts';
import { TestServer } from './test-server.ts';

/** More than are settled at once. By the clock of these tests a slice is over after some dozens of steps. */
const MESSAGES = 40_000;
const BINDINGS = 5000;
/** In how many states others see what a method changes; two, if it were done in one piece. */
const STATES_MIN = 5;

function declaration(queue: string): MethodOf<'queue.declare'> {
  return {
    name: 'queue.declare',
    queue,
    passive: false,
    durable: true,
    exclusive: false,
    autoDelete: false,
    noWait: false,
    arguments: {},
  };
}

/** A client with a queue `q`, and another one who asks for something small again and again. */
class Scene implements AsyncDisposable {
  readonly test: TestServer;
  readonly client: RawClient;
  readonly queue: Queue;
  readonly #others: AsyncDisposable;
  readonly #ask: () => Promise<unknown>;

  private constructor(
    test: TestServer,
    client: RawClient,
    queue: Queue,
    others: AsyncDisposable,
    ask: () => Promise<unknown>,
  ) {
    this.test = test;
    this.client = client;
    this.queue = queue;
    this.#others = others;
    this.#ask = ask;
  }

  static async make(): Promise<Scene> {
    const test = await TestServer.start({}, { clock: new DrivenClock(STEP_MS) });
    const client = await test.rawChannel();
    client.method(1, declaration('q'));
    await client.expect('queue.declare-ok');
    const others = await test.connect();
    const channel = await others.createChannel();
    await channel.assertQueue('other');
    const queue = test.broker.vhosts.get('/')?.findQueue('q') as Queue;
    return new Scene(test, client, queue, others, () => channel.checkQueue('other'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client[Symbol.dispose]();
    await this.#others[Symbol.asyncDispose]();
    await this.test[Symbol.asyncDispose]();
  }

  async fill(): Promise<void> {
    const message = publishBytes(1, '', 'q', Buffer.from('0123456789'));
    const thousand = Buffer.concat(Array.from({ length: 1000 }, () => message));
    for (let i = 0; i < MESSAGES; i += 1000) this.client.write(thousand);
    await this.until(() => this.queue.readyCount + this.queue.unacknowledgedCount === MESSAGES);
  }

  /** All messages are at the client, who gets no more. */
  async deliver(): Promise<void> {
    const consume = { noLocal: false, noAck: false, exclusive: false, noWait: true, arguments: {} };
    this.client.method(1, { name: 'basic.consume', queue: 'q', consumerTag: 'c', ...consume });
    await this.until(() => this.queue.unacknowledgedCount === MESSAGES);
    this.client.method(1, { name: 'basic.cancel', consumerTag: 'c', noWait: true });
    await this.until(() => this.client.received.length === 3 * MESSAGES && this.queue.consumerCount === 0);
    this.client.received.length = 0;
  }

  /**
   * Resolves when it is so; returns in how many states others have seen the queue, or what is named, meanwhile: two, if it
   * went from the first to the last in one piece.
   */
  async until(isSo: () => boolean, stateOf = () => this.#counts()): Promise<number> {
    const states = new Set<string>();
    let isOver = false;
    const asking = (async () => {
      while (!isOver) await this.#ask();
    })();
    for (; !isSo(); await new Promise((resolve) => setImmediate(resolve))) {
      states.add(stateOf());
    }
    states.add(stateOf());
    isOver = true;
    await asking;
    return states.size;
  }

  #counts(): string {
    return `${this.queue.readyCount} ready, ${this.queue.unacknowledgedCount} unacknowledged`;
  }
}

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
