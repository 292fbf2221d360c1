import type { ChannelContext } from '../channel-context.ts';

/**
 * RabbitMQ's consumer cancellation notification: basic.cancel from the broker, for clients with the capability
 * `consumer_cancel_notify`. It comes when what took the consumer away is durable.
 */
export function notifyConsumerCancelled(channel: ChannelContext, consumerTag: string): void {
  // If this very channel deleted the queue, delete-ok comes first, as in RabbitMQ: clients close the channel when
  // they see that the consumer is gone.
  queueMicrotask(() => sendWhenDurable(channel, consumerTag));
}

function sendWhenDurable(channel: ChannelContext, consumerTag: string): void {
  const { shard } = channel.broker;
  const send = (): void => {
    if (channel.state === 'open') channel.send({ name: 'basic.cancel', consumerTag, noWait: true });
  };
  // Where there are several shards, the deletion is in effect here before it is answered.
  shard.whenDurable(shard.metadataBlock, { onDurable: () => channel.afterAnswer(send) });
}
