import { outboxesOf } from '../publishing/atomic-append.ts';
import type { Shard } from '../shard/shard.ts';
import { NO_MARKERS, type TransactionalProducer } from './transactional-producer.ts';

/** Producers whose last transaction is over here, and whose markers are on their way to other shards. */
export class SettlingProducers {
  readonly #shard: Shard;
  readonly #listeners = new Map<TransactionalProducer, (() => void)[]>();

  constructor(shard: Shard) {
    this.#shard = shard;
  }

  /** Its markers were sent, now or before the start. */
  follow(producer: TransactionalProducer): void {
    const { markers } = producer;
    let missing = markers.length;
    const settled = (): void => {
      if (--missing === 0 && producer.markers === markers) this.#settled(producer);
    };
    for (const { shard, end } of markers) outboxesOf(this.#shard).to(shard).whenSettled(end, settled);
  }

  /** `listener` is called once, when its markers are durable in their shards: at once if they are. */
  when(producer: TransactionalProducer, listener: () => void): void {
    if (!producer.isSettling) {
      listener();
      return;
    }
    const listeners = this.#listeners.get(producer) ?? [];
    this.#listeners.set(producer, listeners);
    listeners.push(listener);
  }

  #settled(producer: TransactionalProducer): void {
    producer.markers = NO_MARKERS;
    const listeners = this.#listeners.get(producer);
    if (listeners === undefined) return;
    this.#listeners.delete(producer);
    for (const listener of listeners) listener();
  }
}
