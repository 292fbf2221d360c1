import type { HistogramState } from '../../base/histogram.ts';
import { type Work, walked } from '../../base/turn-time.ts';
import type { Budget } from '../budget/budget.ts';
import type { LongestStretch, LoopStretches } from '../budget/loop-stretches.ts';
import type { ConnectionRegistry } from '../connections/connection-registry.ts';
import type { DoorFigures } from '../doors/door.ts';
import type { ShardSeat } from '../doors/shard-link.ts';
import { type AnyQueue, localOf } from '../queues/any-queue.ts';
import type { Shard } from '../shard/shard.ts';
import { ownPartitions } from '../streams/any-partition.ts';
import type { Streams } from '../streams/streams.ts';
import type { VirtualHosts } from '../topology/virtual-hosts.ts';

/** Both directions between a shard and another one. */
export type DoorUse = {
  readonly peer: number;
  readonly sent: { readonly [figure in keyof DoorFigures]: number };
  readonly received: { readonly [figure in keyof DoorFigures]: number };
};

/** What one shard has and does, as JSON has it. */
export type ShardFigures = {
  readonly shard: number;
  readonly connections: number;
  readonly channels: number;
  /** Of its queues. */
  readonly consumers: number;
  readonly queues: number;
  /** Of streams, whose logs it has. */
  readonly partitions: number;
  readonly ready: number;
  readonly unacknowledged: number;
  readonly published: number;
  readonly acknowledged: number;
  readonly delivered: number;
  readonly redelivered: number;
  readonly blockedReasons: readonly string[];
  /** Of its thread. */
  readonly heapUsedBytes: number;
  /** Of messages, in memory. */
  readonly messageBytes: number;
  readonly clientBytes: number;
  readonly journalBytes: number;
  readonly lastBlock: number;
  readonly durableBlock: number;
  /** Messages that wait for the answers of other shards. */
  readonly waits: number;
  readonly doors: readonly DoorUse[];
  /** As in `HistogramState`. */
  readonly stretches: {
    readonly count: number;
    readonly sumMicros: number;
    readonly maxMicros: number;
    readonly counts: readonly number[] | null;
  };
  /** The longest first. */
  readonly longest: readonly { readonly [field in keyof LongestStretch]: LongestStretch[field] }[];
};

export interface FiguresDeps {
  readonly shard: Shard;
  readonly vhosts: VirtualHosts<AnyQueue>;
  readonly streams: Streams;
  readonly connections: ConnectionRegistry;
  readonly budget: Budget;
  readonly loopStretches: LoopStretches;
  /** Null with one shard. */
  readonly seat: ShardSeat | null;
}

/** Kinds of requests that are told of, of those that held the event loop longest. */
export const LONGEST_SHOWN = 10;

export function* shardFigures(deps: FiguresDeps): Work<ShardFigures> {
  const { shard, connections, budget, loopStretches, seat } = deps;
  const totals = yield* queueTotals(deps.vhosts);
  let channels = 0;
  yield* walked([...connections], (connection) => {
    channels += connection.describe().channelCount;
  });
  let partitions = 0;
  yield* walked([...deps.streams], (stream) => {
    partitions += ownPartitions(stream.partitions).length;
  });
  const { journalFileBytes, messageBytes } = shard.storageUse;
  const { lastBlock, durableBlock } = shard.journalPosition;
  return {
    shard: seat?.number ?? 0,
    connections: connections.size,
    channels,
    ...totals,
    partitions,
    blockedReasons: [...shard.alarms.raised],
    heapUsedBytes: process.memoryUsage().heapUsed,
    messageBytes,
    clientBytes: budget.memory.bytesHere,
    journalBytes: journalFileBytes,
    lastBlock,
    durableBlock,
    waits: shard.waits.count,
    doors: seat === null ? [] : doorsOf(seat),
    stretches: plainState(loopStretches.histogram.state()),
    longest: loopStretches
      .longest()
      .slice(0, LONGEST_SHOWN)
      .map((each) => ({ ...each })),
  };
}

type QueueTotals = Pick<
  ShardFigures,
  | 'queues'
  | 'consumers'
  | 'ready'
  | 'unacknowledged'
  | 'published'
  | 'acknowledged'
  | 'delivered'
  | 'redelivered'
>;

function* queueTotals(vhosts: VirtualHosts<AnyQueue>): Work<QueueTotals> {
  let [queues, consumers, ready, unacknowledged] = [0, 0, 0, 0];
  let [published, acknowledged, delivered, redelivered] = [0, 0, 0, 0];
  for (const vhost of vhosts) {
    yield;
    yield* walked(localOf(vhost.queues()), (queue) => {
      const { ledger } = queue;
      queues++;
      consumers += queue.consumerCount;
      ready += queue.readyCount;
      unacknowledged += queue.unacknowledgedCount;
      published += ledger.routed;
      acknowledged += ledger.acknowledged;
      delivered += ledger.delivered;
      redelivered += ledger.redelivered;
    });
  }
  return { queues, consumers, ready, unacknowledged, published, acknowledged, delivered, redelivered };
}

function doorsOf({ rooms }: ShardSeat): DoorUse[] {
  const doors: DoorUse[] = [];
  for (const [peer, room] of rooms.entries()) {
    if (room !== undefined)
      doors.push({ peer, sent: { ...room.door.sent }, received: { ...room.door.received } });
  }
  return doors;
}

function plainState({ counts, ...state }: HistogramState): ShardFigures['stretches'] {
  return { ...state, counts: counts === null ? null : [...counts] };
}
