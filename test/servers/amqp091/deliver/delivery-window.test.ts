import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Consumer } from '../../../../src/broker/queues/consumer.ts';
import type { Queue } from '../../../../src/broker/queues/queue.ts';
import { Unacknowledged } from '../../../../src/broker/queues/unacknowledged.ts';
import { DeliveryWindows, WINDOW_MESSAGES } from '../../../../src/servers/amqp091/deliver/delivery-window.ts';
import { QueueFixture } from '../../../broker/queues/queue-fixture.ts';
import { until } from '../../../support/until.ts';
import { TestServer } from '../test-server.ts';

const WINDOW = 64;
const BACKLOG = WINDOW * 8;

/** A queue with a backlog, and a channel with a consumer of it that has no prefetch limit. */
class Scene {
  readonly test = new QueueFixture();
  readonly queue: Queue;
  readonly channel = { state: 'open', output: { isCongested: false }, isAnswering: false };
  readonly windows: DeliveryWindows;
  readonly unacknowledged = new Unacknowledged();
  readonly consumer: Consumer;

  constructor() {
    this.queue = this.test.queue({});
    this.windows = new DeliveryWindows(this.channel, this.test.deps.scheduler);
    for (let i = 0; i < BACKLOG; i++) this.test.publish(this.queue.base, 1);
    this.consumer = this.queue.addConsumer({
      tag: 'c',
      sink: {
        deliver: (consumer, level, offset, chunk, at, _, content) => {
          this.unacknowledged.add(level, consumer, offset, chunk, at, content);
          if (consumer.credit === 0) this.windows.exhausted(consumer);
          return true;
        },
        cancelled: () => undefined,
      },
      gate: { open: true },
      credit: Number.POSITIVE_INFINITY,
      window: WINDOW,
      noAck: false,
      exclusive: false,
      arguments: {},
    });
    this.test.pass(1);
  }

  ack(tag: number, multiple = false): void {
    this.windows.acknowledgements++;
    this.windows.settled(this.unacknowledged.ack(tag, multiple), [this.consumer]);
  }

  get ahead(): number {
    return this.queue.unacknowledgedCount;
  }
}

describe('a consumer without a prefetch limit', () => {
  it('that acknowledges is given no more than a window ahead of that, so that answers are not behind its backlog', () => {
    const scene = new Scene();
    for (let tag = 1; tag <= 300; tag++) {
      assert.equal(scene.ahead, WINDOW);
      scene.ack(tag);
      scene.test.pass(1);
    }
    assert.equal(scene.ahead, WINDOW);
  });

  it('that acknowledges nothing is given as much again after a while, and again, until it has all', () => {
    const scene = new Scene();
    const ahead = [1, 2, 3, 4].map(() => {
      const now = scene.ahead;
      scene.test.pass(100);
      scene.test.pass(1);
      return now / WINDOW;
    });
    assert.deepEqual(ahead, [1, 2, 4, 8]);
    scene.ack(WINDOW * 4, true);
    // It acknowledges many at once: it is given as many ahead from now on.
    assert.ok(scene.consumer.credit >= WINDOW * 4);
  });

  it('is given no more while it does not read, or waits for an answer; what it got beyond the window is for once', () => {
    const scene = new Scene();
    scene.channel.isAnswering = true;
    scene.test.pass(1000);
    assert.equal(scene.ahead, WINDOW);
    scene.channel.isAnswering = false;
    scene.channel.output.isCongested = true;
    scene.test.pass(1000);
    assert.equal(scene.ahead, WINDOW);
    scene.channel.output.isCongested = false;
    scene.test.pass(100);
    scene.test.pass(1);
    assert.equal(scene.ahead, 2 * WINDOW);
    for (let tag = 1; tag <= WINDOW; tag++) scene.ack(tag);
    scene.test.pass(1);
    assert.equal(scene.ahead, WINDOW);
    scene.ack(WINDOW + 1);
    scene.test.pass(1);
    assert.equal(scene.ahead, WINDOW);
  });

  it('of AMQP gets all there is in the end, whether it acknowledges or not', async () => {
    await using test = await TestServer.start();
    await using connection = await test.connect();
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('q');
    const count = WINDOW_MESSAGES * 3;
    for (let i = 0; i < count; i++) channel.sendToQueue('q', Buffer.from('m'));
    await channel.waitForConfirms();
    const queue = test.queue('q') as Queue;
    let got = 0;
    await channel.consume('q', () => got++);
    await until(() => got === count);
    assert.equal(queue.unacknowledgedCount, count);
    channel.ackAll();
    await until(() => queue.unacknowledgedCount === 0);
  });
});
