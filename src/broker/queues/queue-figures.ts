import type { Histogram } from '../../base/histogram.ts';
import type { Queue } from './queue.ts';

/** Milliseconds; `count` is of messages. */
export type LatencyFigures = {
  readonly count: number;
  readonly average: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
};

/** What only the shard of a queue knows of it, as JSON has it: others show it. */
export type QueueFigures = {
  /** What is wrong with the segment that the queue cannot read; null if nothing is. */
  readonly damage: string | null;
  readonly consumers: number;
  readonly singleActiveConsumerTag: string | null;
  readonly ready: number;
  readonly unacknowledged: number;
  /** Come back, and wait for their time. */
  readonly retrying: number;
  /** Wait to go where dead letters go. */
  readonly leaving: number;
  readonly readyBytes: number;
  /** The numbers of `Ledger`. */
  readonly ledger: { readonly [count: string]: number };
  readonly publishToDeliver: LatencyFigures;
  readonly publishToAck: LatencyFigures;
};

export function queueFigures(queue: Queue): QueueFigures {
  const { ledger } = queue;
  return {
    damage: queue.corruption?.message ?? null,
    consumers: queue.consumerCount,
    singleActiveConsumerTag: queue.consumers.active?.tag ?? null,
    ready: queue.readyCount,
    unacknowledged: queue.unacknowledgedCount,
    retrying: queue.retryingCount,
    leaving: queue.leavingCount,
    readyBytes: queue.readyBytes,
    ledger: countsOf(ledger),
    publishToDeliver: latencies(ledger.publishToDeliver),
    publishToAck: latencies(ledger.publishToAck),
  };
}

function countsOf(ledger: Queue['ledger']): { readonly [count: string]: number } {
  const isCount = (entry: [string, unknown]): entry is [string, number] => typeof entry[1] === 'number';
  return Object.fromEntries(Object.entries(ledger).filter(isCount));
}

function latencies(histogram: Histogram): LatencyFigures {
  return {
    count: histogram.count,
    average: histogram.count === 0 ? 0 : histogram.sumMs / histogram.count,
    p50: histogram.quantileMs(0.5),
    p99: histogram.quantileMs(0.99),
    max: histogram.maxMs,
  };
}
