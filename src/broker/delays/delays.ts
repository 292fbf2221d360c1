import type { CorruptionError } from '../../log/corruption.ts';
import { damagedSegmentText } from '../../log/operator-advice.ts';
import type { AnyQueue } from '../queues/any-queue.ts';
import type { VirtualHost } from '../topology/virtual-host.ts';
import { DelayStore, type DelayStoreDeps } from './delay-store.ts';

/** How much of the memory for messages those may take that were read back and come due in a moment. */
const HELD_SHARE = 1 / 4;

export interface DelaysDeps
  extends Omit<DelayStoreDeps, 'vhost' | 'budget' | 'routeDelayed' | 'onCorruption' | 'onRemoved'> {
  onCorruption(fields: object, message: string): void;
}

/** The delayed messages of all virtual hosts. */
export class Delays {
  readonly #deps: DelaysDeps;
  readonly #budget: DelayStoreDeps['budget'];
  readonly #stores = new Map<string, DelayStore>();

  constructor(deps: DelaysDeps) {
    this.#deps = deps;
    this.#budget = { bytes: 0, bytesMax: deps.shard.storage.memoryBytes * HELD_SHARE };
  }

  /** For a new virtual host. */
  create(vhost: VirtualHost<AnyQueue>): DelayStore {
    const store = new DelayStore({
      ...this.#deps,
      vhost: vhost.name,
      budget: this.#budget,
      routeDelayed: (exchange, key, message) => vhost.routeDelayed(exchange, key, message),
      onRemoved: () => this.#stores.delete(vhost.name),
      onCorruption: (name, error) => this.#reportDamage(name, error),
    });
    this.#stores.set(vhost.name, store);
    return store;
  }

  /** That of a virtual host. */
  of(vhost: string): DelayStore | undefined {
    return this.#stores.get(vhost);
  }

  /** Those of each virtual host. */
  stores(): IterableIterator<DelayStore> {
    return this.#stores.values();
  }

  /** Called once the logs are recovered. */
  recovered(): void {
    for (const store of this.#stores.values()) store.recovered();
  }

  /** The numbers of all logs. */
  *logIds(): Generator<number> {
    for (const store of this.#stores.values()) yield* store.logIds();
  }

  /** No timer rings any more. */
  stop(): void {
    for (const store of this.#stores.values()) store.stop();
  }

  #reportDamage(vhost: string, { path, offset, what }: CorruptionError): void {
    this.#deps.onCorruption(
      { vhost, path, offset, what },
      damagedSegmentText('delayed messages of some interval of time are not delivered', path),
    );
  }
}
