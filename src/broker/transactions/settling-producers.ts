import { outboxesOf } from '../publishing/atomic-append.ts';
import type { Shard } from '../shard/shard.ts';
import type { Owner } from './requests.ts';
import { TransactionError } from './transaction-error.ts';
import { NO_MARKERS, type TransactionalProducer } from './transactional-producer.ts';

/** How long a request waits for other shards, of those that do, before its client is told to come again. */
const PATIENCE_MS = 5000;

type ProducerKey = Pick<Owner, 'vhost' | 'id'>;

/** Producers whose last transaction is over here, and whose markers are on their way to other shards. */
export class SettlingProducers {
  readonly #shard: Shard;
  readonly #find: (vhost: string, id: string) => TransactionalProducer | undefined;
  /** Those whose markers are on their way. */
  readonly #producers = new Set<TransactionalProducer>();
  readonly #listeners = new Map<TransactionalProducer, (() => void)[]>();

  constructor(shard: Shard, find: (vhost: string, id: string) => TransactionalProducer | undefined) {
    this.#shard = shard;
    this.#find = find;
  }

  /** Its markers were sent, now or before the start. */
  follow(producer: TransactionalProducer): void {
    const { markers } = producer;
    if (markers.length === 0) return;
    this.#producers.add(producer);
    let missing = markers.length;
    const settled = (): void => {
      if (--missing === 0 && producer.markers === markers) this.#settled(producer);
    };
    for (const { shard, end } of markers) outboxesOf(this.#shard).to(shard).whenSettled(end, settled);
  }

  /** Runs `run` again while it is refused because other shards have to get something first: for some seconds. */
  async patiently<T>(key: ProducerKey, run: () => T): Promise<T> {
    const { clock } = this.#shard;
    const untilMs = clock.monotonicMs() + PATIENCE_MS;
    for (;;) {
      try {
        return run();
      } catch (error) {
        const wait = error instanceof TransactionError ? this.#waitAfter(error, key) : null;
        const leftMs = untilMs - clock.monotonicMs();
        if (wait === null || leftMs <= 0 || !(await this.#within(leftMs, wait))) throw error;
      }
    }
  }

  /** Resolves when the end of the last transaction is durable in all shards; with false, if that takes too long. */
  async settled(key: ProducerKey): Promise<boolean> {
    if (this.#find(key.vhost, key.id)?.isSettling !== true) return true;
    return this.#within(PATIENCE_MS, (listener) => this.#when(key, listener));
  }

  /** `listener` is called once, when all markers that are on their way now are durable in their shards: at once if there are none. */
  whenAll(listener: () => void): void {
    let missing = 1;
    const settled = (): void => {
      if (--missing === 0) listener();
    };
    for (const producer of this.#producers) {
      missing++;
      this.#listen(producer, settled);
    }
    settled();
  }

  /** `listener` is called once, when an end that had no room is to be tried again. */
  whenRoom(listener: () => void): void {
    outboxesOf(this.#shard).whenRoom(listener);
  }

  #waitAfter({ kind }: TransactionError, key: ProducerKey): ((listener: () => void) => void) | null {
    if (kind === 'no-room') return (listener) => this.whenRoom(listener);
    return kind === 'concurrent' ? (listener) => this.#when(key, listener) : null;
  }

  /** Whether the listener that `wait` gets is called within this time. */
  #within(ms: number, wait: (listener: () => void) => void): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = this.#shard.scheduler.after(ms, () => resolve(false));
      wait(() => {
        timer.cancel();
        resolve(true);
      });
    });
  }

  /** `listener` is called once, when its markers are durable in their shards: at once if they are. */
  #when({ vhost, id }: ProducerKey, listener: () => void): void {
    const producer = this.#find(vhost, id);
    if (producer?.isSettling === true) this.#listen(producer, listener);
    else listener();
  }

  #listen(producer: TransactionalProducer, listener: () => void): void {
    const listeners = this.#listeners.get(producer) ?? [];
    this.#listeners.set(producer, listeners);
    listeners.push(listener);
  }

  #settled(producer: TransactionalProducer): void {
    producer.markers = NO_MARKERS;
    this.#producers.delete(producer);
    const listeners = this.#listeners.get(producer);
    if (listeners === undefined) return;
    this.#listeners.delete(producer);
    for (const listener of listeners) listener();
  }
}
