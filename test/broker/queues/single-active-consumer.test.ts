import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Queue } from '../../../src/broker/queues/queue.ts';
import { Unacknowledged } from '../../../src/broker/queues/unacknowledged.ts';
import { QueueFixture } from './queue-fixture.ts';

/** A queue with a single active consumer, and who gets its messages. */
class Scene {
  readonly test = new QueueFixture();
  readonly queue: Queue;
  /** The names of those who got a message, in order. */
  readonly got: string[] = [];

  constructor(type: 'classic' | 'quorum') {
    this.queue = this.test.queue({ 'x-single-active-consumer': true, 'x-queue-type': type });
  }

  consume(tag: string, priority: number): { ack(): void; cancel(): void } {
    const unacknowledged = new Unacknowledged();
    const consumer = this.queue.addConsumer({
      tag,
      sink: {
        deliver: (consumer, level, offset, chunk, at, _, content) => {
          this.got.push(tag);
          unacknowledged.add(level, consumer, offset, chunk, at, content);
          return true;
        },
        cancelled: () => undefined,
      },
      gate: { open: true },
      credit: 10,
      noAck: false,
      exclusive: false,
      priority,
      arguments: {},
    });
    return { ack: () => unacknowledged.ack(0, true), cancel: () => consumer.cancel() };
  }

  publish(): void {
    this.test.publish(this.queue.base, 1);
    this.test.pass(1);
  }

  get active(): string | undefined {
    return this.queue.consumers.active?.tag;
  }
}

describe('the single active consumer', () => {
  it('of a quorum queue is the one of the highest priority, also if it comes later (RabbitMQ 4)', () => {
    const scene = new Scene('quorum');
    scene.consume('first', 0);
    scene.consume('equal', 0);
    assert.equal(scene.active, 'first');
    scene.consume('higher', 5);
    assert.equal(scene.active, 'higher');
    scene.publish();
    assert.deepEqual(scene.got, ['higher']);
  });

  it('of a quorum queue hands over when it has settled what it has; until then nobody gets anything', () => {
    const scene = new Scene('quorum');
    const first = scene.consume('first', 0);
    scene.publish();
    scene.publish();
    const higher = scene.consume('higher', 5);
    scene.publish();
    assert.deepEqual([scene.active, scene.got], ['first', ['first', 'first']]);
    first.ack();
    scene.test.pass(1);
    assert.deepEqual([scene.active, scene.got], ['higher', ['first', 'first', 'higher']]);
    higher.cancel();
    scene.publish();
    assert.deepEqual([scene.active, scene.got.at(-1)], ['first', 'first']);
  });

  it('of a quorum queue goes on if the one that waits for it goes away', () => {
    const scene = new Scene('quorum');
    scene.consume('first', 0);
    scene.publish();
    const higher = scene.consume('higher', 5);
    scene.publish();
    higher.cancel();
    scene.test.pass(1);
    assert.deepEqual([scene.active, scene.got], ['first', ['first', 'first']]);
  });

  it('of a classic queue stays until it goes; then the highest priority is next', () => {
    const scene = new Scene('classic');
    const first = scene.consume('first', 0);
    scene.consume('second', 0);
    scene.consume('higher', 5);
    scene.publish();
    assert.deepEqual([scene.active, scene.got], ['first', ['first']]);
    first.cancel();
    scene.publish();
    assert.deepEqual([scene.active, scene.got], ['higher', ['first', 'higher']]);
  });
});
