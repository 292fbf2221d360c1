/** The loads under which brokers are compared, as options of the load generator. */
export interface Scenario {
  readonly title: string;
  readonly options: readonly string[];
  /** What is compared: a throughput (more is better), or latencies (less is better). */
  readonly measure: 'consumed' | 'latency';
  /** The least ratio to RabbitMQ that we have promised ourselves (see `docs/`); a latency's is 1. */
  readonly target: number;
}

const persistent = ['--persistent', '--confirm', '200', '--prefetch', '200', '--ack-every', '10'];
const transient = ['--auto-ack'];

export const scenarios: Readonly<Record<string, Scenario>> = {
  a: {
    title: 'transient, auto-ack, 16 B, 1 queue, 1 publisher, 1 consumer, no confirms',
    options: [...transient, '--size', '16'],
    measure: 'consumed',
    target: 4,
  },
  b100: {
    title: 'persistent, 100 B, durable queue, 200 unconfirmed, prefetch 200, ack every 10',
    options: [...persistent, '--size', '100'],
    measure: 'consumed',
    target: 4,
  },
  b1k: {
    title: 'persistent, 1 KiB, durable queue, 200 unconfirmed, prefetch 200, ack every 10',
    options: [...persistent, '--size', '1024'],
    measure: 'consumed',
    target: 4,
  },
  c: {
    title: 'fan-out to 10 queues with a consumer each, transient, auto-ack, 16 B (deliveries/s)',
    options: [...transient, '--size', '16', '--fanout', '10'],
    measure: 'consumed',
    target: 3,
  },
  'd-transient': {
    title: '10,000 msg/s offered, transient, auto-ack, 100 B (ms, publish to deliver)',
    options: [...transient, '--size', '100', '--rate', '10000'],
    measure: 'latency',
    target: 1,
  },
  'd-persistent': {
    title:
      '10,000 msg/s offered, persistent, 100 B, at most 2,000 unconfirmed, prefetch 200, ack every 10 (ms)',
    options: [
      '--persistent',
      '--confirm',
      '2000',
      '--prefetch',
      '200',
      '--ack-every',
      '10',
      '--size',
      '100',
      '--rate',
      '10000',
    ],
    measure: 'latency',
    target: 1,
  },
  // With confirms: 500 sockets without any hold gigabytes of messages in the kernel's buffers, and what is measured in the
  // first minute is how a broker reads those, not how it delivers.
  'e-transient': {
    title: '500 connections, each with its queue, transient, 100 B, 100 unconfirmed, auto-ack',
    options: [
      ...[...transient, '--size', '100', '--confirm', '100'],
      ...['--connections', '500', '--queue-per-connection'],
    ],
    measure: 'consumed',
    target: 2,
  },
  'e-persistent': {
    title:
      '500 connections, each with its durable queue, persistent, 100 B, 10 unconfirmed, prefetch 200, ack every 10',
    options: [
      ...['--persistent', '--confirm', '10', '--prefetch', '200', '--ack-every', '10', '--size', '100'],
      ...['--connections', '500', '--queue-per-connection'],
    ],
    measure: 'consumed',
    target: 2,
  },
};

/** `d` stands for `d-transient` and `d-persistent`, `b` for `b100` and `b1k`; nothing for all. */
export function selectScenarios(names: readonly string[]): string[] {
  const all = Object.keys(scenarios);
  if (names.length === 0) return all;
  return names.flatMap((name) => {
    const found = all.filter((key) => key === name);
    const chosen = found.length > 0 ? found : all.filter((key) => key.startsWith(name));
    if (chosen.length === 0) throw new Error(`there is no scenario ${name}; there are ${all.join(', ')}`);
    return chosen;
  });
}
