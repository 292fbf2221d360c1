import { AmqpClient } from './amqp-client.ts';
import type { Broker } from './broker.ts';
import { declare, eventuallyReady, expected } from './declared-queue.ts';
import { changed, type ExpectedMessage, type ExpectedQueue, publish } from './expected-message.ts';

/** Every reason for which a message is dead-lettered, and what is left in the queue that it comes from. */
export async function fillDeadLetters(broker: Broker, client: AmqpClient): Promise<ExpectedQueue[]> {
  const { channel } = client;
  const name = await declare(client, 'dead');
  const dead = async (queue: string, more: Readonly<Record<string, unknown>>) =>
    await declare(client, queue, {
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': name,
      ...more,
    });
  const arrived = async (count: number) => await eventuallyReady(channel, name, count);

  const rejecting = await dead('rejecting', {});
  const rejected = publish(channel, '', rejecting, 'rejected', { headers: { mine: 1 } });
  await channel.waitForConfirms();
  const message = await channel.get(rejecting);
  if (message !== false) channel.reject(message, false);
  await arrived(1);

  const short = await dead('short', { 'x-max-length': 2, 'x-overflow': 'drop-head' });
  const [dropped, ...kept] = [0, 1, 2].map((at) => publish(channel, '', short, `short ${at}`));
  await arrived(2);

  const expiring = await dead('expiring', { 'x-message-ttl': 1 });
  const expired = publish(channel, '', expiring, 'expired');
  await arrived(3);

  const limited = await dead('limited', { 'x-queue-type': 'quorum', 'x-delivery-limit': 1 });
  const failing = publish(channel, '', limited, 'failed too often');
  await channel.waitForConfirms();
  const consumer = await AmqpClient.open(broker);
  await consumer.channel.consume(limited, (each) => each !== null && consumer.channel.reject(each, true));
  await arrived(4);
  await consumer.close();

  return [
    expected(name, [
      asDeadLetter(name, rejected, rejecting, 'rejected'),
      asDeadLetter(name, dropped!, short, 'maxlen'),
      asDeadLetter(name, expired, expiring, 'expired'),
      asDeadLetter(name, failing, limited, 'delivery_limit'),
    ]),
    { ...expected(short, kept), dropsMore: true },
    { ...expected(expiring, []), dropsMore: true },
    ...[rejecting, limited].map((queue) => expected(queue, [])),
  ];
}

/** As it arrives in `target`, by the default exchange. */
export function asDeadLetter(
  target: string,
  message: ExpectedMessage,
  queue: string,
  reason: string,
): ExpectedMessage {
  const headers: Record<string, unknown> = {
    'x-death': [{ count: 1, exchange: '', queue, reason, 'routing-keys': [queue] }],
  };
  for (const which of ['first', 'last']) {
    headers[`x-${which}-death-exchange`] = '';
    headers[`x-${which}-death-queue`] = queue;
    headers[`x-${which}-death-reason`] = reason;
  }
  return changed(message, headers, { exchange: '', routingKey: target });
}
