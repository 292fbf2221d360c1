import { Histogram } from '../../base/histogram.ts';
import type { Json } from '../../base/value-json.ts';
import { nodeName } from '../../broker/events/node-name.ts';
import { type DoorUse, LONGEST_SHOWN, type ShardFigures } from '../../broker/shards/shard-figures.ts';
import type { AdminContext } from '../context.ts';
import { type ApiResponse, ok } from '../response.ts';
import type { Route } from '../router.ts';

export const overviewRoutes: readonly Route[] = [{ method: 'GET', path: '/api/overview', handle: overview }];

/** The sums of all shards; where there are several, `shards` has what each of them has. */
async function overview({ broker, version, startedAtMs }: AdminContext): Promise<ApiResponse> {
  const shards = await broker.allShards.figures();
  const sum = (of: (figures: ShardFigures) => number): number =>
    shards.reduce((total, each) => total + of(each), 0);
  let exchanges = 0;
  for (const vhost of broker.vhosts) exchanges += vhost.exchangeCount;
  const [ready, unacknowledged] = [sum((each) => each.ready), sum((each) => each.unacknowledged)];
  return ok({
    product_name: 'Sluice',
    product_version: version,
    node: nodeName,
    cluster_name: nodeName,
    uptime: Math.max(0, Math.round(broker.shard.clock.now() - startedAtMs)),
    object_totals: {
      connections: sum((each) => each.connections),
      channels: sum((each) => each.channels),
      consumers: sum((each) => each.consumers),
      exchanges,
      queues: sum((each) => each.queues),
    },
    stream_totals: {
      streams: [...broker.streams].length,
      partitions: sum((each) => each.partitions),
    },
    queue_totals: {
      messages: ready + unacknowledged,
      messages_ready: ready,
      messages_unacknowledged: unacknowledged,
    },
    message_stats: {
      publish: sum((each) => each.published),
      ack: sum((each) => each.acknowledged),
      deliver_get: sum((each) => each.delivered),
      redeliver: sum((each) => each.redelivered),
    },
    blocked_reasons: [...new Set(shards.flatMap(({ blockedReasons }) => blockedReasons))],
    memory: {
      resident: process.memoryUsage.rss(),
      heap_used: sum((each) => each.heapUsedBytes),
      messages: sum((each) => each.messageBytes),
      clients: sum((each) => each.clientBytes),
    },
    journal_bytes: sum((each) => each.journalBytes),
    loop: loopOf(shards),
    ...(shards.length > 1 && { shards: shards.map(shardView) }),
  });
}

/** How long clients have held an event loop, of which each shard has one: stretches of 1 ms and more. */
function loopOf(shards: readonly ShardFigures[]): { readonly [field: string]: Json } {
  const histogram = new Histogram();
  for (const { stretches } of shards) {
    const { counts, ...state } = stretches;
    histogram.add({ ...state, counts: counts === null ? null : Float64Array.from(counts) });
  }
  const longest = shards.flatMap((each) =>
    each.longest.map((stretch) => ({
      ...stretch,
      ms: rounded(stretch.ms),
      ...(shards.length > 1 && { shard: each.shard }),
    })),
  );
  return {
    stretches: histogram.count,
    p99_ms: rounded(histogram.quantileMs(0.99)),
    longest_ms: rounded(histogram.maxMs),
    longest: longest.sort((a, b) => b.ms - a.ms).slice(0, LONGEST_SHOWN),
  };
}

function shardView(figures: ShardFigures): { readonly [field: string]: Json } {
  return {
    shard: figures.shard,
    connections: figures.connections,
    channels: figures.channels,
    queues: figures.queues,
    partitions: figures.partitions,
    consumers: figures.consumers,
    messages: figures.ready + figures.unacknowledged,
    messages_ready: figures.ready,
    messages_unacknowledged: figures.unacknowledged,
    message_stats: {
      publish: figures.published,
      ack: figures.acknowledged,
      deliver_get: figures.delivered,
      redeliver: figures.redelivered,
    },
    blocked_reasons: figures.blockedReasons,
    memory: {
      heap_used: figures.heapUsedBytes,
      messages: figures.messageBytes,
      clients: figures.clientBytes,
    },
    journal_bytes: figures.journalBytes,
    journal_block: figures.lastBlock,
    durable_block: figures.durableBlock,
    waits: figures.waits,
    loop: loopOf([figures]),
    doors: figures.doors.map(doorView),
  };
}

function doorView({ peer, sent, received }: DoorUse): { readonly [field: string]: Json } {
  return {
    shard: peer,
    sent_frames: sent.frames,
    sent_bytes: sent.bytes,
    sent_full_waits: sent.fullWaits,
    received_frames: received.frames,
    received_bytes: received.bytes,
    received_full_waits: received.fullWaits,
  };
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
