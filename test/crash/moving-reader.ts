import type { Consumer } from '../../src/broker/queues/consumer.ts';
import type { PriorityLevel } from '../../src/broker/queues/priority-level.ts';
import type { Queue } from '../../src/broker/queues/queue.ts';
import { Unacknowledged } from '../../src/broker/queues/unacknowledged.ts';
import type { MessageMemory } from '../../src/log/memory/chunks.ts';
import type { ContentView } from '../../src/records/record-content.ts';
import { HistoryError } from './expected-queue.ts';
import { readFrame } from './moving-message.ts';
import type { Fate } from './moving-run.ts';
import { bodyOf } from './test-message.ts';

/** What a reader needs of the run that it is part of. */
export interface ReaderHost {
  readonly fates: ReadonlyMap<number, Fate>;
  note(line: string): void;
  fail(error: unknown): void;
}

/** A consumer with a channel of its own, that looks at every message. */
export class MovingReader {
  readonly #host: ReaderHost;
  readonly #queue: Queue;
  readonly #unacknowledged = new Unacknowledged();
  readonly #consumer: Consumer;
  readonly #held = new Map<number, Fate>();

  constructor(host: ReaderHost, queue: Queue, credit: number) {
    this.#host = host;
    this.#queue = queue;
    host.note(`read ${queue.name}, credit ${credit}`);
    this.#consumer = queue.addConsumer({
      tag: 'reader',
      sink: {
        deliver: (consumer, level, offset, chunk, at, redelivered, content) => {
          this.#take(consumer, level as PriorityLevel, offset, chunk, at, redelivered, content);
          return true;
        },
        cancelled: () => undefined,
      },
      gate: { open: true },
      credit,
      noAck: false,
      exclusive: false,
      arguments: {},
    });
  }

  settleOne(random: number): void {
    const tags = [...this.#held.keys()];
    const tag = tags[Math.floor(random * tags.length)];
    if (tag === undefined) return;
    const outcome = (random * 1000) % 1;
    const fate = this.#held.get(tag) as Fate;
    this.#held.delete(tag);
    // Where nothing takes dead letters, a rejected one is dropped as if it were acknowledged.
    const isLast = this.#queue.settings.deadLetterExchange === null;
    if (outcome < 0.5) {
      fate.ack = 'sent';
      this.#unacknowledged.ack(tag, false);
    } else if (outcome < 0.7) {
      if (isLast) fate.ack = 'sent';
      this.#unacknowledged.reject(tag, false, false);
    } else this.#unacknowledged.reject(tag, false, true);
    this.#host.note(`settle ${fate.message.id} of ${this.#queue.name}: ${outcome.toFixed(2)}`);
  }

  ackAll(): void {
    if (this.#held.size === 0) return;
    for (const fate of this.#held.values()) fate.ack = 'sent';
    this.#held.clear();
    this.#unacknowledged.ack(0, true);
  }

  requeueAll(): void {
    this.#held.clear();
    this.#unacknowledged.reject(0, true, true);
  }

  rejectAll(): void {
    this.#held.clear();
    this.#unacknowledged.reject(0, true, false);
  }

  close(): void {
    this.#consumer.cancel();
    this.#held.clear();
    this.#unacknowledged.requeueAll('lost');
  }

  #take(
    consumer: Consumer,
    level: PriorityLevel,
    offset: number,
    chunk: MessageMemory,
    at: number,
    redelivered: boolean,
    content: ContentView,
  ): void {
    const found = readFrame(chunk, at);
    const fate = found === null ? undefined : this.#host.fates.get(found.id);
    const tag = this.#unacknowledged.add(level, consumer, offset, chunk, at, content);
    if (found === null || fate === undefined) {
      this.#host.fail(new HistoryError(`${this.#queue.name} has a message that was never published`));
      return;
    }
    const { message } = fate;
    this.#host.note(`${this.#queue.name} delivers ${message.id}`);
    if (!bodyOf({ ...message, persistent: true, isKept: true }).equals(found.body)) {
      this.#host.fail(new HistoryError(`message ${message.id} in ${this.#queue.name} has other bytes`));
    }
    const { deliveryLimit } = this.#queue.settings;
    if (deliveryLimit !== null && level.failuresOf(offset) > deliveryLimit) {
      this.#host.fail(new HistoryError(`message ${message.id} comes once more, and failed too often`));
    }
    // Where it was moved to it is new; where it was before, it is not.
    if (fate.deliveredFrom.has(this.#queue.name) && !redelivered) {
      this.#host.fail(
        new HistoryError(`message ${message.id} comes from ${this.#queue.name} again as if it were new`),
      );
    }
    fate.deliveredFrom.add(this.#queue.name);
    if (fate.ack === 'safe') {
      this.#host.fail(new HistoryError(`message ${message.id} was acknowledged for good, and comes again`));
    }
    fate.ack = 'none';
    this.#held.set(tag, fate);
  }
}
