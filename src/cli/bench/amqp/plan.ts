/** Who publishes and consumes where, on which connection, in which process. */
import { type BenchSettings, consumerCount, publisherCount, queueCount } from './settings.ts';

export interface PublisherPlan {
  readonly number: number;
  readonly exchange: string;
  readonly routingKey: string;
}

export interface ConsumerPlan {
  readonly queue: string;
}

export interface ConnectionPlan {
  readonly publishers: PublisherPlan[];
  readonly consumers: ConsumerPlan[];
}

/** What one process does. */
export interface Share {
  readonly settings: BenchSettings;
  readonly connections: readonly ConnectionPlan[];
  /** This share's part of `ratePerSecond`. */
  readonly ratePerSecond: number;
  /** Publishers with this number or a higher one began with this run; the others' messages were there before. */
  readonly freshFrom: number;
}

export function queueNames(s: BenchSettings): string[] {
  const count = queueCount(s);
  if (count === 1) return [s.queuePrefix];
  return Array.from({ length: count }, (_, i) => `${s.queuePrefix}-${i}`);
}

/** Where messages are published that are to reach the queue as dead letters. */
export function entryQueue(queue: string): string {
  return `${queue}.entry`;
}

export function fanoutExchange(s: BenchSettings): string {
  return s.fanout > 0 ? `${s.queuePrefix}-fanout` : '';
}

/**
 * Publisher i publishes to queue i mod Q, consumer j reads queue j mod Q (all of them from the same process, because the
 * sequence of a queue is checked where it is consumed).
 */
function planConnections(s: BenchSettings): ConnectionPlan[] {
  const queues = queueNames(s);
  const exchange = fanoutExchange(s);
  const entry = (queue: string): string => (s.deadLetter ? entryQueue(queue) : queue);
  const publishers: PublisherPlan[] = Array.from({ length: publisherCount(s) }, (_, i) => ({
    number: s.publisherBase + i,
    exchange,
    routingKey: exchange === '' ? entry(queues[i % queues.length]) : '',
  }));
  const consumers: ConsumerPlan[] = Array.from({ length: consumerCount(s) }, (_, j) => ({
    queue: queues[j % queues.length],
  }));
  if (s.queuePerConnection) {
    return publishers.map((publisher, i) => ({ publishers: [publisher], consumers: [consumers[i]] }));
  }
  if (s.connections === 0) {
    return [
      ...publishers.map((publisher) => ({ publishers: [publisher], consumers: [] })),
      ...consumers.map((consumer) => ({ publishers: [], consumers: [consumer] })),
    ];
  }
  const plans: ConnectionPlan[] = Array.from({ length: s.connections }, () => ({
    publishers: [],
    consumers: [],
  }));
  publishers.forEach((publisher, i) => {
    plans[i % plans.length].publishers.push(publisher);
  });
  consumers.forEach((consumer, j) => {
    plans[j % plans.length].consumers.push(consumer);
  });
  return plans;
}

/** Divides connections among processes so that all consumers of a queue stay together. */
export function planShares(s: BenchSettings, freshFrom: number): Share[] {
  const groups: ConnectionPlan[][] = Array.from({ length: Math.max(1, s.processes) }, () => []);
  const connections = planConnections(s);
  const publishing = Math.ceil(groups.length / 2);
  const queues = queueNames(s);
  connections.forEach((connection, i) => {
    groups[groupOf(connection, i)].push(connection);
  });
  return groups
    .filter((group) => group.length > 0)
    .map((group) => ({
      settings: s,
      connections: group,
      ratePerSecond: (s.ratePerSecond * countPublishers(group)) / Math.max(1, countPublishers(connections)),
      freshFrom,
    }));

  function groupOf(connection: ConnectionPlan, index: number): number {
    if (groups.length === 1) return 0;
    if (s.queuePerConnection) return index % groups.length;
    if (s.connections > 0)
      throw new Error('--processes needs one connection for each publisher and consumer');
    const [consumer] = connection.consumers;
    if (consumer === undefined) return index % publishing;
    return publishing + (queues.indexOf(consumer.queue) % (groups.length - publishing));
  }
}

function countPublishers(connections: readonly ConnectionPlan[]): number {
  return connections.reduce((sum, connection) => sum + connection.publishers.length, 0);
}
