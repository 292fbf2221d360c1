import type { Broker } from '../../broker/broker.ts';

/** Resolves when all that was journaled until now is safe: nothing is answered as done before that. */
export function durable(broker: Broker): Promise<void> {
  const block = broker.undurableBlock;
  if (block === 0) return Promise.resolve();
  return new Promise((resolve) => broker.whenDurable(block, { onDurable: () => resolve() }));
}
