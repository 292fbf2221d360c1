import type { Work } from '../../../base/turn-time.ts';
import type { Broker } from '../../../broker/broker.ts';
import type { AnyQueue } from '../../../broker/queues/any-queue.ts';
import type { VirtualHost } from '../../../broker/topology/virtual-host.ts';
import type { Channel } from '../channel.ts';
import type { ConnectionEvents } from './connection-events.ts';

/** What a connection has at the broker when it ends. */
export interface ReleasedConnection {
  readonly user: string;
  readonly vhost: VirtualHost<AnyQueue>;
  readonly events: ConnectionEvents;
}

/**
 * Ends two thousand channels, with what they have not acknowledged, and deletes as many exclusive queues, on behalf of the
 * user: others go on in between.
 */
export function releaseInSteps(
  connection: ReleasedConnection,
  channels: readonly Channel[],
  { events, commands }: Pick<Broker, 'events' | 'commands'>,
): Work<void> {
  return events.inSteps(connection.user, release(connection, channels, commands));
}

function* release(
  connection: ReleasedConnection,
  channels: readonly Channel[],
  commands: Broker['commands'],
): Work<void> {
  for (const channel of channels) {
    yield* channel.releaseInSteps('closed');
    channel.counted(-1);
    connection.events.channelClosed(channel);
    yield;
  }
  yield* commands.removeExclusiveQueues(connection.vhost, connection);
}
