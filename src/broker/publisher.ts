import type { MessageLog } from '../log/message-log.ts';
import { MessageParts } from '../log/message-parts.ts';
import type { Store } from '../log/store.ts';
import type { Broker } from './broker.ts';
import type { Queue } from './queue.ts';
import { type Targets, targetsOf } from './targets.ts';
import type { Route } from './topology/routing.ts';

/** How messages come into the broker, one after the other: one for each channel, session or stream of requests. */
export class Publisher {
  readonly parts = new MessageParts();
  readonly #broker: Broker;
  readonly #store: Store;
  #route: Route<Queue> | null = null;
  #targets: Targets | null = null;

  constructor(broker: Broker) {
    this.#broker = broker;
    this.#store = broker.store;
  }

  /**
   * Copies the message described by `parts` and hands it to the queues of the route. Returns the number of the
   * journal block that has to be durable before the message may be confirmed; 0 if there is nothing to wait for.
   */
  publish(route: Route<Queue>, persistent: boolean): number {
    if (route !== this.#route) {
      this.#route = route;
      this.#targets = targetsOf(route);
    }
    const targets = this.#targets as Targets;
    const { queues } = targets;
    if (queues.length === 0) return 0;
    const store = this.#store;
    const journaled = store.append(
      targets.logs,
      targets.durableLogs,
      persistent,
      this.parts,
      this.#broker.turn.nowMs,
    );
    for (let i = 0; i < queues.length; i++) (queues[i] as Queue).published();
    return journaled ? store.journal.blockNumber : 0;
  }

  /** Whether the source of these messages should not be read for now: it fills memory faster than it is emptied. */
  get mustPause(): boolean {
    return this.#targets !== null && this.#broker.pressure.mustPause(this.#targets.logs);
  }

  /** `listener` is called once, as soon as it may go on. */
  onResume(listener: () => void): void {
    this.#broker.pressure.onResume(this.#targets?.logs ?? NO_LOGS, listener);
  }
}

const NO_LOGS: readonly MessageLog[] = [];
