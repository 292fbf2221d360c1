import type { Client } from '../client.ts';
import { contentChecks } from './content.ts';
import { deliveryChecks } from './delivery.ts';
import { errorChecks } from './errors.ts';
import { featureChecks } from './features.ts';
import { topologyChecks } from './topology.ts';
import { type Check, World } from './world.ts';

/**
 * The round: all that an AMQP 0-9-1 client may expect of Sluice, and of RabbitMQ. It passes against both (RabbitMQ
 * 3.10), which is how we know that our expectations are right. Not in it is what Sluice does otherwise than 3.10 on
 * purpose: an unknown exchange type ends the channel and not the connection (as in RabbitMQ 4), and channel.flow is
 * obeyed, where RabbitMQ refuses it.
 */
export function round(client: Client, headers: Record<string, unknown>): readonly Check[] {
  const checks = [
    ...topologyChecks,
    ...deliveryChecks,
    ...contentChecks(client, headers),
    ...featureChecks,
    ...errorChecks,
  ];
  return checks.filter(({ needs }) => needs === undefined || needs !== client.lacks);
}

export async function runCheck(check: Check, client: Client, url: string): Promise<void> {
  const world = await World.open(client, url);
  try {
    await check.run(world);
  } finally {
    await world.close();
  }
}
