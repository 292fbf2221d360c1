import { type AmqpClient, GUEST } from './amqp-client.ts';
import { eventually } from './eventually.ts';
import type { ExpectedMessage, ExpectedQueue } from './expected-message.ts';

/** A durable queue. */
export async function declare(
  { channel }: AmqpClient,
  name: string,
  queueArguments: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  await channel.assertQueue(name, { durable: true, arguments: queueArguments });
  return name;
}

export function expected(name: string, messages: readonly ExpectedMessage[]): ExpectedQueue {
  return { login: GUEST, name, messages: [...messages] };
}

export async function eventuallyReady(
  channel: AmqpClient['channel'],
  queue: string,
  count: number,
): Promise<void> {
  const look = async () => (await channel.checkQueue(queue)).messageCount;
  await eventually(look, (ready) => ready === count, `messages ready in ${queue}`);
}
