import type { Consumer } from '../../src/broker/queues/consumer.ts';
import type { Queue } from '../../src/broker/queues/queue.ts';
import { Unacknowledged } from '../../src/broker/queues/unacknowledged.ts';
import { HistoryError } from './expected-queue.ts';
import { idInFrame, isFrameOf, type TestMessage } from './test-message.ts';

/** Takes all messages of a queue without acknowledging any, looks at them, and gives them back. */
export class QueueReader {
  /** Numbers of the messages, as they came. */
  readonly ids: number[] = [];
  /** Those of them that came as if for the first time. */
  readonly fresh: number[] = [];
  readonly #unacknowledged = new Unacknowledged();
  readonly #consumer: Consumer;

  /** `fail` hears of messages that nobody ever published like this. */
  constructor(queue: Queue, published: ReadonlyMap<number, TestMessage>, fail: (error: Error) => void) {
    this.#consumer = queue.addConsumer({
      tag: 'reader',
      sink: {
        deliver: (consumer, level, offset, chunk, at, redelivered, content) => {
          const id = idInFrame(chunk.buffer, at);
          const message = published.get(id);
          if (message === undefined)
            fail(new HistoryError(`${queue.name} has message ${id}, never published`));
          else if (!isFrameOf(message, chunk.buffer, at)) {
            fail(new HistoryError(`message ${id} in ${queue.name} has other bytes`));
          }
          this.ids.push(id);
          if (!redelivered) this.fresh.push(id);
          this.#unacknowledged.add(level, consumer, offset, chunk, at, content);
          return true;
        },
        cancelled: () => undefined,
      },
      gate: { open: true },
      credit: Number.POSITIVE_INFINITY,
      noAck: false,
      exclusive: false,
      arguments: {},
    });
  }

  /** In the end the queue is as it was, but that all of it counts as redelivered. */
  giveBack(): void {
    this.#consumer.cancel();
    this.#unacknowledged.requeueAll('lost');
  }
}
