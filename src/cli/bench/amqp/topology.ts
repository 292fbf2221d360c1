/** Declares and deletes what a run needs on the broker. */
import type { Link } from './link.ts';
import { fanoutExchange, queueNames } from './plan.ts';
import type { BenchSettings } from './settings.ts';

export async function declareTopology(link: Link, channel: number, settings: BenchSettings): Promise<void> {
  const exchange = fanoutExchange(settings);
  const durable = settings.durable || settings.persistent;
  const flags = { durable, passive: false, autoDelete: false, noWait: false, arguments: {} };
  if (exchange !== '') {
    await link.call(
      channel,
      { name: 'exchange.declare', exchange, type: 'fanout', internal: false, ...flags },
      'exchange.declare-ok',
    );
  }
  for (const queue of queueNames(settings)) {
    await link.call(
      channel,
      { name: 'queue.declare', queue, exclusive: false, ...flags },
      'queue.declare-ok',
    );
    if (exchange === '') continue;
    await link.call(
      channel,
      { name: 'queue.bind', queue, exchange, routingKey: '', noWait: false, arguments: {} },
      'queue.bind-ok',
    );
  }
}

export async function deleteTopology(link: Link, channel: number, settings: BenchSettings): Promise<void> {
  for (const queue of queueNames(settings)) {
    await link.call(
      channel,
      { name: 'queue.delete', queue, ifUnused: false, ifEmpty: false, noWait: false },
      'queue.delete-ok',
    );
  }
  const exchange = fanoutExchange(settings);
  if (exchange === '') return;
  await link.call(
    channel,
    { name: 'exchange.delete', exchange, ifUnused: false, noWait: false },
    'exchange.delete-ok',
  );
}
