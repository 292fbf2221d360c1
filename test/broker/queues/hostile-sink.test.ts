import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Consumer, DeliverySink } from '../../../src/broker/queues/consumer.ts';
import { bodyBytesAt, type PriorityLevel } from '../../../src/broker/queues/priority-level.ts';
import type { Queue } from '../../../src/broker/queues/queue.ts';
import { Unacknowledged } from '../../../src/broker/queues/unacknowledged.ts';
import type { MessageMemory } from '../../../src/log/memory/chunks.ts';
import type { ContentView } from '../../../src/records/record-content.ts';
import { QueueFixture } from './queue-fixture.ts';

/** What a sink may return that is broken, or was written against another contract. */
const answer = fc.constantFrom(
  0,
  -1,
  Number.NaN,
  Infinity,
  -Infinity,
  2 ** 53,
  1e300,
  undefined,
  true,
  false,
);

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ publish: fc.nat(50), priority: fc.nat(2) }) },
  { weight: 3, arbitrary: fc.record({ answers: fc.array(answer, { minLength: 1, maxLength: 4 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      settle: fc.nat(20),
      multiple: fc.boolean(),
      how: fc.constantFrom('ack' as const, 'drop' as const, 'requeue' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ get: answer, noAck: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant({ purge: true }) },
);

/** Takes messages, and answers whatever the test says. */
class HostileSink implements DeliverySink {
  readonly unacknowledged = new Unacknowledged();
  /** Level and offset of each delivery that is not settled, by tag. */
  readonly outstanding = new Map<number, string>();
  answers: readonly unknown[] = [true];
  #next = 0;

  deliver(
    consumer: Consumer,
    level: PriorityLevel,
    offset: number,
    chunk: MessageMemory,
    at: number,
    _redelivered: boolean,
    content: ContentView,
  ): boolean {
    const answer = this.answers[this.#next++ % this.answers.length];
    return this.take(consumer, level, offset, chunk, at, content, answer, consumer.noAck);
  }

  take(
    consumer: Consumer | null,
    level: PriorityLevel,
    offset: number,
    chunk: MessageMemory,
    at: number,
    content: ContentView,
    answer: unknown,
    noAck: boolean,
  ): boolean {
    if (answer !== false && !noAck) {
      const tag = this.unacknowledged.add(level, consumer, offset, chunk, at, content);
      this.outstanding.set(tag, keyOf(level, offset));
    }
    return answer as boolean;
  }

  settle(index: number, multiple: boolean, how: 'ack' | 'drop' | 'requeue'): void {
    const tags = [...this.outstanding.keys()];
    const tag = tags[index % Math.max(1, tags.length)];
    if (tag === undefined) return;
    for (const each of tags) if (each === tag || (multiple && each < tag)) this.outstanding.delete(each);
    if (how === 'ack') this.unacknowledged.ack(tag, multiple);
    else this.unacknowledged.reject(tag, multiple, how === 'requeue');
  }

  cancelled(): void {}
}

function keyOf(level: PriorityLevel, offset: number): string {
  return `${level.priority} ${offset}`;
}

/** The counters, beside what the logs and the sink have. */
function assertExact(test: QueueFixture, queue: Queue, sink: HostileSink): void {
  const out = new Set(sink.outstanding.values());
  let ready = 0;
  const bytes = test.readyBytes(queue.levels, (level, offset) => {
    if (out.has(keyOf(level, offset))) return false;
    ready++;
    return true;
  });
  assert.deepEqual(
    [queue.readyCount, queue.readyBytes, queue.unacknowledgedCount, queue.isBalanced],
    [ready, bytes, out.size, true],
  );
}

describe('the counters of a queue', () => {
  it('are exact, whatever the sinks of its consumers return', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, noAck) => {
        const test = new QueueFixture();
        const queue = test.queue({ 'x-max-priority': 2 });
        const sink = new HostileSink();
        const consumer = queue.addConsumer({
          tag: 'hostile',
          sink,
          gate: { open: true },
          credit: 5,
          noAck,
          exclusive: false,
          arguments: {},
        });
        for (const each of steps) {
          if ('publish' in each) test.publish(queue.levelFor(each.priority), each.publish);
          else if ('answers' in each) sink.answers = each.answers;
          else if ('settle' in each) sink.settle(each.settle, each.multiple, each.how);
          else if ('purge' in each) queue.purge();
          else {
            queue.get(each.noAck, {
              message: (level, offset, chunk, at, _redelivered, _remaining, content) =>
                sink.take(null, level as PriorityLevel, offset, chunk, at, content, each.get, each.noAck),
              empty: () => undefined,
              failed: assert.fail,
            });
          }
          consumer.wake();
          assertExact(test, queue, sink);
          test.pass(1);
          assertExact(test, queue, sink);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('are those of the logs when a sink says of each message that it was huge', () => {
    const test = new QueueFixture();
    const queue = test.queue();
    const sink = new HostileSink();
    sink.answers = [1e300];
    queue.addConsumer({
      tag: 'hostile',
      sink,
      gate: { open: true },
      credit: 1,
      noAck: false,
      exclusive: false,
      arguments: {},
    });
    for (const bytes of [10, 20, 30]) test.publish(queue.base, bytes);
    test.pass(1);
    assert.deepEqual([queue.readyCount, queue.readyBytes, queue.unacknowledgedCount], [2, 50, 1]);
    sink.unacknowledged.reject(1, false, true);
    assert.deepEqual([queue.readyCount, queue.readyBytes, queue.unacknowledgedCount], [3, 60, 0]);
  });
});

describe('a sink that refuses a message', () => {
  it('gets nothing more until it is woken, while others go on', () => {
    const test = new QueueFixture();
    const queue = test.queue();
    const taken: Record<string, number[]> = { refusing: [], other: [] };
    let refuses = true;
    const consume = (tag: string, takes: () => boolean): Consumer =>
      queue.addConsumer({
        tag,
        sink: {
          deliver: (_consumer, _level, offset, chunk, at) => {
            assert.equal(bodyBytesAt(chunk, at), 1);
            if (!takes()) return false;
            taken[tag].push(offset);
            return true;
          },
          cancelled: () => undefined,
        },
        gate: { open: true },
        credit: 10,
        noAck: true,
        exclusive: false,
        arguments: {},
      });
    const refusing = consume('refusing', () => !refuses);
    consume('other', () => true);
    for (let i = 0; i < 3; i++) test.publish(queue.base, 1);
    test.pass(1);
    assert.deepEqual(taken, { refusing: [], other: [0, 1, 2] });
    assert.deepEqual([queue.ledger.delivered, queue.readyCount, queue.isBalanced], [3, 0, true]);
    refuses = false;
    refusing.wake();
    for (let i = 0; i < 2; i++) test.publish(queue.base, 1);
    test.pass(1);
    assert.deepEqual([taken.refusing!.length, taken.other!.length], [1, 4]);
  });

  it('keeps its message in the queue, also when it does not acknowledge', () => {
    const test = new QueueFixture();
    const queue = test.queue({ 'x-single-active-consumer': true });
    let calls = 0;
    queue.addConsumer({
      tag: 'refusing',
      sink: {
        deliver: () => {
          calls++;
          return false;
        },
        cancelled: () => undefined,
      },
      gate: { open: true },
      credit: 1,
      noAck: true,
      exclusive: false,
      arguments: {},
    });
    test.publish(queue.base, 9);
    test.pass(10);
    assert.deepEqual([calls, queue.readyCount, queue.readyBytes, queue.isBalanced], [1, 1, 9, true]);
  });
});
