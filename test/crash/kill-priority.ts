import type { Channel, ChannelModel } from 'amqplib';
import { HistoryError } from './expected-queue.ts';
import { type Load, readBody } from './kill-clients.ts';
import { type Feature, publishTo, takeAll, took } from './kill-feature.ts';
import { KillHistory } from './kill-history.ts';

const QUEUE = 'priority';
const PRIORITY_MAX = 4;

/** A queue whose messages have priorities, some beyond the highest one. */
export class PriorityFeature implements Feature {
  readonly queues = [QUEUE];
  readonly #history = new KillHistory({ moves: true });

  async declare(channel: Channel): Promise<void> {
    await channel.assertQueue(QUEUE, { durable: true, arguments: { 'x-max-priority': PRIORITY_MAX } });
  }

  clients(load: Load, [first, second]: readonly [ChannelModel, ChannelModel, ChannelModel]): Promise<void>[] {
    return [
      publishTo(load, first, this.#history, { place: QUEUE, publisher: 'r1' }, (sequence) => ({
        exchange: '',
        key: QUEUE,
        options: { priority: priorityOf(sequence) },
      })),
      this.#consume(load, second),
    ];
  }

  lifeEnds(): void {
    this.#history.lifeEnds();
  }

  /** Nobody publishes any more: now the order is known. */
  async end(load: Load, connection: ChannelModel): Promise<void> {
    let last = { priority: PRIORITY_MAX, sequence: -1 };
    await takeAll(
      load,
      connection,
      this.#history,
      { place: QUEUE, queue: QUEUE },
      ({ content, properties }) => {
        const { sequence } = readBody(content);
        if (properties.priority !== priorityOf(sequence))
          throw new HistoryError(`message ${sequence} has priority ${properties.priority}`);
        const next = { priority: Math.min(priorityOf(sequence), PRIORITY_MAX), sequence };
        const isLater = next.priority === last.priority && next.sequence > last.sequence;
        if (next.priority >= last.priority && !isLater)
          throw new HistoryError(`message ${JSON.stringify(next)} comes after ${JSON.stringify(last)}`);
        last = next;
      },
    );
    this.#history.checkAll();
  }

  /** More slowly than they come, so that all priorities are there. */
  async #consume(load: Load, connection: ChannelModel): Promise<void> {
    const channel = await connection.createChannel();
    channel.on('error', () => undefined);
    await channel.prefetch(4);
    await channel.consume(QUEUE, (message) => {
      const copy = message === null || load.isOver ? null : took(load, this.#history, QUEUE, message);
      if (copy === null) return;
      setTimeout(() => {
        if (load.isOver) return;
        if (load.random() < 0.8) {
          copy.ack = 'sent';
          channel.ack(message!);
        } else {
          this.#history.requeued(copy);
          channel.nack(message!, false, true);
        }
      }, 20);
    });
  }
}

function priorityOf(sequence: number): number {
  return (sequence * 5) % (PRIORITY_MAX + 3);
}
