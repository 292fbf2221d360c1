/** Declares and deletes what a run needs on the broker. */
import type { ClientConnection } from './client-connection.ts';
import { entryQueue, fanoutExchange, queueNames } from './plan.ts';
import type { BenchSettings } from './settings.ts';

/** A broker that syncs each declare to disk needs several at a time, and a channel answers one after the other. */
const CHANNELS_MAX = 32;

export async function declareTopology(connection: ClientConnection, settings: BenchSettings): Promise<void> {
  const exchange = fanoutExchange(settings);
  const durable = settings.durable || settings.persistent;
  const flags = { durable, passive: false, autoDelete: false, noWait: false, arguments: {} };
  if (exchange !== '') {
    await connection.call(
      await connection.openChannel(),
      { name: 'exchange.declare', exchange, type: 'fanout', internal: false, ...flags },
      'exchange.declare-ok',
    );
  }
  const queues = areQueuesOfConnections(settings) ? [] : queueNames(settings);
  await onChannels(connection, queues, async (channel, queue) => {
    await declareQueue(connection, channel, settings, queue);
    if (settings.deadLetter) {
      const args = { 'x-message-ttl': 0, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': queue };
      await connection.call(
        channel,
        { name: 'queue.declare', queue: entryQueue(queue), exclusive: false, ...flags, arguments: args },
        'queue.declare-ok',
      );
    }
    if (exchange === '') return;
    await connection.call(
      channel,
      { name: 'queue.bind', queue, exchange, routingKey: '', noWait: false, arguments: {} },
      'queue.bind-ok',
    );
  });
}

/** Whether each connection declares the queue that is its own, as an application does. */
export function areQueuesOfConnections(settings: BenchSettings): boolean {
  return settings.queuePerConnection && settings.preload === 0;
}

export async function declareQueue(
  connection: ClientConnection,
  channel: number,
  settings: BenchSettings,
  queue: string,
): Promise<void> {
  const { queueArguments } = settings;
  const durable = settings.durable || settings.persistent;
  const flags = { durable, passive: false, autoDelete: false, exclusive: false, noWait: false };
  await connection.call(
    channel,
    { name: 'queue.declare', queue, ...flags, arguments: queueArguments },
    'queue.declare-ok',
  );
}

export async function deleteTopology(connection: ClientConnection, settings: BenchSettings): Promise<void> {
  const queues = queueNames(settings);
  const all = settings.deadLetter ? [...queues.map(entryQueue), ...queues] : queues;
  await onChannels(connection, all, async (channel, queue) => {
    await connection.call(
      channel,
      { name: 'queue.delete', queue, ifUnused: false, ifEmpty: false, noWait: false },
      'queue.delete-ok',
    );
  });
  const exchange = fanoutExchange(settings);
  if (exchange === '') return;
  await connection.call(
    await connection.openChannel(),
    { name: 'exchange.delete', exchange, ifUnused: false, noWait: false },
    'exchange.delete-ok',
  );
}

async function onChannels(
  connection: ClientConnection,
  queues: readonly string[],
  use: (channel: number, queue: string) => Promise<void>,
): Promise<void> {
  const waiting = queues.values();
  const channels = Array.from({ length: Math.min(CHANNELS_MAX, queues.length) }, async () => {
    const channel = await connection.openChannel();
    // One iterator for all channels: each takes the next queue when it has done one.
    for (const queue of waiting) await use(channel, queue);
  });
  await Promise.all(channels);
}
