import { type AnyQueue, localOf } from '../../src/broker/queues/any-queue.ts';
import type { Queue } from '../../src/broker/queues/queue.ts';
import type { VirtualHost } from '../../src/broker/topology/virtual-host.ts';
import { Difference } from './entry.ts';
import type { Model } from './model.ts';
import type { ModelQueue } from './model-queue.ts';

/** Everything that can be counted, when nothing more happens. */
export function compare(
  vhost: VirtualHost<AnyQueue>,
  model: Model,
  options: { readonly bytes: boolean },
): void {
  const names = [...vhost.queues()].map((queue) => queue.name).sort();
  const expected = [...model.queues.keys()].sort();
  if (names.join() !== expected.join()) throw new Difference(`there are [${names}], not [${expected}]`);
  for (const queue of localOf(vhost.queues())) {
    const wanted = model.queueOf(queue.name);
    if (!queue.isBalanced) throw new Difference(`the ledger of ${queue.name} does not balance`);
    const is = figuresOf(queue);
    const should = figuresOfModel(wanted);
    for (const [name, value] of Object.entries(should)) {
      if (name === 'readyBytes' && !options.bytes) continue;
      if (is[name] !== value) throw new Difference(`${queue.name}: ${name} is ${is[name]}, not ${value}`);
    }
  }
}

function figuresOf(queue: Queue): Record<string, number> {
  const { ledger } = queue;
  return {
    ...Object.fromEntries(Object.entries(ledger).filter(([, value]) => typeof value === 'number')),
    readyCount: queue.readyCount,
    unacknowledgedCount: queue.unacknowledgedCount,
    leavingCount: queue.leavingCount,
    retryingCount: queue.retryingCount,
    consumerCount: queue.consumerCount,
    readyBytes: queue.readyBytes,
  };
}

function figuresOfModel(queue: ModelQueue): Record<string, number> {
  return {
    readyCount: queue.count('ready'),
    unacknowledgedCount: queue.count('unacknowledged'),
    leavingCount: queue.leaving.length,
    retryingCount: queue.count('retrying'),
    consumerCount: queue.consumers.length,
    readyBytes: queue.readyBytes,
    ...queue.columns,
  };
}
