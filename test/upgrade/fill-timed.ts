import type { AmqpClient } from './amqp-client.ts';
import { declare, expected } from './declared-queue.ts';
import { changed, delivered, type ExpectedQueue, publish } from './expected-message.ts';
import { asDeadLetter } from './fill-dead-letters.ts';

const HOUR_MS = 3_600_000;

/** A message that failed and waits until it is delivered again. */
export async function fillRetrying(client: AmqpClient): Promise<ExpectedQueue> {
  const { channel } = client;
  const name = await declare(client, 'retrying', {
    'x-queue-type': 'quorum',
    'x-delayed-retry-type': 'all',
    'x-delayed-retry-min': 5000,
    'x-delayed-retry-max': 5000,
  });
  const failed = publish(channel, '', name, 'failed once');
  await channel.waitForConfirms();
  const message = await channel.get(name);
  if (message !== false) channel.reject(message, true);
  // An answer that comes behind the rejection.
  await channel.checkQueue(name);
  return expected(name, [delivered(changed(failed, { 'x-acquired-count': 1, 'x-delivery-count': 1 }))]);
}

/** One message that is due soon, and one that stays away for longer than the test takes. */
export async function fillDelayed(client: AmqpClient): Promise<ExpectedQueue> {
  const { channel } = client;
  const name = await declare(client, 'delayed');
  await channel.assertExchange('later', 'x-delayed-message', { arguments: { 'x-delayed-type': 'direct' } });
  await channel.bindQueue(name, 'later', 'due');
  publish(channel, 'later', 'due', 'in an hour', { headers: { 'x-delay': HOUR_MS } });
  const soon = publish(channel, 'later', 'due', 'in five seconds', { headers: { 'x-delay': 5000 } });
  await channel.waitForConfirms();
  return expected(name, [changed(soon, { 'x-delay': -5000 })]);
}

/** A message that expires when the directory is open again, and is dead-lettered then. */
export async function fillExpiring(client: AmqpClient): Promise<ExpectedQueue[]> {
  const { channel } = client;
  const target = await declare(client, 'expired at last');
  const name = await declare(client, 'expiring later', {
    'x-message-ttl': 5000,
    'x-dead-letter-exchange': '',
    'x-dead-letter-routing-key': target,
  });
  const sent = publish(channel, '', name, 'expires in five seconds');
  await channel.waitForConfirms();
  const expired = asDeadLetter(target, sent, name, 'expired');
  return [expected(target, [expired]), { ...expected(name, []), dropsMore: true }];
}
