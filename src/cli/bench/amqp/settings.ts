/** What a run of the load generator is asked to do; also part of its result, so that a figure can be repeated. */
import type { Table } from '../../../base/value.ts';
import { PUBLISHERS_MAX } from './stamp.ts';

export interface BenchSettings {
  readonly url: string;
  readonly publishers: number;
  readonly consumers: number;
  readonly queues: number;
  /** 0: one for each publisher and one for each consumer. */
  readonly connections: number;
  /** Each connection has its own queue, and publishes to it and consumes from it. */
  readonly queuePerConnection: boolean;
  /** 0: no fan-out; else a fanout exchange with so many queues, each with at least one consumer. */
  readonly fanout: number;
  readonly sizeBytes: number;
  readonly persistent: boolean;
  /** The messages take turns with so many priorities, from 0 on; 0: none. */
  readonly priorities: number;
  /** Milliseconds, of each message; 0: none. */
  readonly expirationMs: number;
  /** Arguments of the queues, as JSON. */
  readonly queueArguments: Table;
  /** Messages are published to queues where they expire at once, and reach the others as dead letters. */
  readonly deadLetter: boolean;
  readonly durable: boolean;
  /** At most so many unconfirmed messages for each publisher; 0: no publisher confirms. */
  readonly confirmWindow: number;
  /** 0: none. */
  readonly prefetch: number;
  readonly autoAck: boolean;
  readonly ackEvery: number;
  /** Acknowledge no faster than is published, so that a backlog keeps its size. */
  readonly level: boolean;
  /** Messages a second that all publishers together offer; 0: as fast as possible. */
  readonly ratePerSecond: number;
  /** Messages to publish in all; 0: the run ends by time. */
  readonly messages: number;
  readonly durationSeconds: number;
  readonly warmupSeconds: number;
  /** How long to wait, after publishing has stopped, for what is still in the queues. */
  readonly drainSeconds: number;
  /** Messages published and confirmed before anything is consumed or measured. */
  readonly preload: number;
  readonly publish: boolean;
  readonly consume: boolean;
  readonly keep: boolean;
  readonly queuePrefix: string;
  /** The number of the first publisher: runs that share a queue must not share publishers' numbers. */
  readonly publisherBase: number;
  readonly processes: number;
}

export const defaultSettings: BenchSettings = {
  url: 'amqp://guest:guest@127.0.0.1:5672/',
  publishers: 1,
  consumers: 1,
  queues: 1,
  connections: 0,
  queuePerConnection: false,
  fanout: 0,
  sizeBytes: 16,
  persistent: false,
  priorities: 0,
  expirationMs: 0,
  queueArguments: {},
  deadLetter: false,
  durable: false,
  confirmWindow: 0,
  prefetch: 0,
  autoAck: false,
  ackEvery: 1,
  level: false,
  ratePerSecond: 0,
  messages: 0,
  durationSeconds: 10,
  warmupSeconds: 1,
  drainSeconds: 5,
  preload: 0,
  publish: true,
  consume: true,
  keep: false,
  queuePrefix: 'sluice-bench',
  publisherBase: 0,
  processes: 1,
};

/** Throws an error that names the option for a combination that cannot be run or would never end. */
export function checkSettings(s: BenchSettings): void {
  if (!s.publish && !s.consume) throw new Error('--publish-only and --consume-only exclude each other');
  if (s.queuePerConnection && s.fanout > 0) {
    throw new Error('--queue-per-connection and --fanout exclude each other');
  }
  if (s.queuePerConnection && s.connections < 1) {
    throw new Error(
      '--queue-per-connection needs --connections, the number of connections with a queue each',
    );
  }
  if (!s.autoAck && s.prefetch > 0 && s.ackEvery > s.prefetch) {
    throw new Error(`--ack-every ${s.ackEvery} would never be reached with --prefetch ${s.prefetch}`);
  }
  // Acknowledgements that are held back go out when confirms come in.
  const canLevel = s.confirmWindow > 0 && s.prefetch > 0 && !s.autoAck && s.publish && s.consume;
  if (s.level && !(canLevel && s.processes === 1)) {
    throw new Error(
      '--level needs --confirm, --prefetch, publishers and consumers in one process, and no --auto-ack',
    );
  }
  if (s.deadLetter && s.fanout > 0) throw new Error('--dead-letter and --fanout exclude each other');
  if (s.priorities > 256) throw new Error('--priorities is at most 256');
  if (s.prefetch > 0xffff) throw new Error('--prefetch is at most 65535');
  if (s.publisherBase + publisherCount(s) > PUBLISHERS_MAX)
    throw new Error('too many publishers (65535 at most)');
  if (s.messages === 0 && s.durationSeconds <= 0) throw new Error('--duration or --messages must be above 0');
}

export function publisherCount(s: BenchSettings): number {
  return s.queuePerConnection ? s.connections : s.publishers;
}

export function consumerCount(s: BenchSettings): number {
  return s.queuePerConnection ? s.connections : Math.max(s.consumers, s.fanout);
}

export function queueCount(s: BenchSettings): number {
  if (s.queuePerConnection) return s.connections;
  return s.fanout > 0 ? s.fanout : s.queues;
}
