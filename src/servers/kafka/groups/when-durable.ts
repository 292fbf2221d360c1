import type { Broker } from '../../../broker/broker.ts';

/** The response, at once if this block of the journal is safe. */
export function whenDurable<T>(broker: Broker, block: number, response: T): T | Promise<T> {
  if (broker.isDurable(block)) return response;
  return new Promise((resolve) => broker.whenDurable(block, { onDurable: () => resolve(response) }));
}

/** The response of a group's members, when what it shows of the group is safe. */
export function whenMembersDurable<T>(
  broker: Broker,
  vhost: string,
  group: string,
  response: T,
): T | Promise<T> {
  return whenDurable(broker, broker.groups.find(vhost, group)?.membershipBlock ?? 0, response);
}
