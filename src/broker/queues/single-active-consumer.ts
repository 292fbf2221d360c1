import type { Consumer } from './consumer.ts';

/**
 * RabbitMQ's single active consumer (`x-single-active-consumer`): one of the consumers of a queue gets everything, until it
 * goes; then the first of those with the highest priority does. Of streams: streams/consumers/stream-consumers.ts.
 */
export class SingleActiveConsumer {
  /**
   * Whether one of a higher priority that comes later takes over, as in quorum queues: as soon as the active one has nothing
   * unacknowledged. Until then nobody gets anything.
   */
  takesOver = false;
  /** Null without consumers. */
  active: Consumer | null = null;
  /** The first of the highest priority. */
  #best: Consumer | null = null;

  /** A consumer came, or this one went; `best`: the first of the highest priority of those that are there. */
  changed(best: Consumer | null, gone: Consumer | null): void {
    this.#best = best;
    if (this.active !== null && this.active === gone) {
      this.active.isQuiescing = false;
      this.active = null;
    }
    this.active ??= best;
    if (this.takesOver && this.active !== null) this.#takeOver(this.active);
  }

  /** The active one, if it can take the next message now. */
  ready(): Consumer | null {
    if (this.active?.isQuiescing === true) this.#takeOver(this.active);
    const consumer = this.active;
    if (consumer === null || consumer.isQuiescing || consumer.parkedAt !== null) return null;
    return consumer.credit > 0 && consumer.gate.open ? consumer : null;
  }

  #takeOver(active: Consumer): void {
    active.isQuiescing = active !== this.#best && active.unacknowledgedCount > 0;
    if (!active.isQuiescing) this.active = this.#best;
  }
}
