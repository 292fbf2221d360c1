import type { Work } from '../../../base/turn-time.ts';
import type { Events } from '../../../broker/events/events.ts';
import type { Queue } from '../../../broker/queues/queue.ts';
import type { VirtualHost } from '../../../broker/topology/virtual-host.ts';
import type { Channel } from '../channel.ts';
import type { ConnectionEvents } from './connection-events.ts';

/** What a connection has at the broker when it ends. */
export interface ReleasedConnection {
  readonly user: string;
  readonly vhost: VirtualHost<Queue>;
  readonly events: ConnectionEvents;
}

/**
 * Ends two thousand channels, with what they have not acknowledged, and deletes as many exclusive queues, on behalf of the
 * user: others go on in between.
 */
export function releaseInSteps(
  connection: ReleasedConnection,
  channels: readonly Channel[],
  events: Events,
): Work<void> {
  return events.inSteps(connection.user, release(connection, channels));
}

function* release(connection: ReleasedConnection, channels: readonly Channel[]): Work<void> {
  for (const channel of channels) {
    yield* channel.releaseInSteps('closed');
    channel.counted(-1);
    connection.events.channelClosed(channel);
    yield;
  }
  yield* connection.vhost.removeExclusiveQueuesInSteps(connection);
}
