import type { Consumer } from './consumer.ts';

/*
 * RabbitMQ's single active consumer (`x-single-active-consumer`): of all consumers of a queue, the one that came first
 * gets everything, whatever its priority, until it goes. Of streams: streams/consumers/stream-consumers.ts.
 */

/** Who that is; null without consumers. `all`: in the order in which they came. */
export function activeOf(all: readonly Consumer[]): Consumer | null {
  return all[0] ?? null;
}

/** The active one, if it can take the next message now. */
export function readyActiveOf(all: readonly Consumer[]): Consumer | null {
  const consumer = all[0];
  if (consumer === undefined || consumer.parkedAt !== null) return null;
  return consumer.credit > 0 && consumer.gate.open ? consumer : null;
}
