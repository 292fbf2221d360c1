import { walked } from '../../base/turn-time.ts';
import type { LoopStretches } from '../../broker/budget/loop-stretches.ts';
import { nodeName } from '../../broker/events/node-name.ts';
import { localOf } from '../../broker/queues/any-queue.ts';
import type { AdminContext } from '../context.ts';
import { type ApiResponse, ok } from '../response.ts';
import type { Route } from '../router.ts';
import { inSteps } from './in-steps.ts';

export const overviewRoutes: readonly Route[] = [{ method: 'GET', path: '/api/overview', handle: overview }];

async function overview(context: AdminContext): Promise<ApiResponse> {
  const { broker, version, startedAtMs } = context;
  const objects = {
    connections: broker.connections.size,
    channels: 0,
    consumers: 0,
    exchanges: 0,
    queues: 0,
  };
  const messages = { ready: 0, unacknowledged: 0 };
  const stats = { publish: 0, ack: 0, deliver_get: 0, redeliver: 0 };
  for (const connection of broker.connections) objects.channels += connection.describe().channelCount;
  for (const vhost of broker.vhosts) {
    const walk = walked(
      localOf(vhost.queues()),
      ({ ledger, readyCount, unacknowledgedCount, consumerCount }) => {
        objects.queues++;
        objects.consumers += consumerCount;
        messages.ready += readyCount;
        messages.unacknowledged += unacknowledgedCount;
        stats.publish += ledger.routed;
        stats.ack += ledger.acknowledged;
        stats.deliver_get += ledger.delivered;
        stats.redeliver += ledger.redelivered;
      },
    );
    await inSteps(context, walk);
    objects.exchanges += vhost.exchangeCount;
  }
  const memory = process.memoryUsage();
  const { journalFileBytes, messageBytes } = broker.shard.storageUse;
  return ok({
    product_name: 'Sluice',
    product_version: version,
    node: nodeName,
    cluster_name: nodeName,
    uptime: Math.max(0, Math.round(broker.shard.clock.now() - startedAtMs)),
    object_totals: objects,
    queue_totals: {
      messages: messages.ready + messages.unacknowledged,
      messages_ready: messages.ready,
      messages_unacknowledged: messages.unacknowledged,
    },
    message_stats: stats,
    blocked_reasons: [...broker.shard.alarms.raised],
    memory: {
      resident: memory.rss,
      heap_used: memory.heapUsed,
      messages: messageBytes,
      clients: broker.budget.memory.bytes,
    },
    journal_bytes: journalFileBytes,
    loop: loopOf(broker.loopStretches),
  });
}

const LONGEST_SHOWN = 10;

/** How long clients have held the event loop, which is one for all of them: stretches of 1 ms and more. */
function loopOf(stretches: LoopStretches) {
  const { histogram } = stretches;
  return {
    stretches: histogram.count,
    p99_ms: rounded(histogram.quantileMs(0.99)),
    longest_ms: rounded(histogram.maxMs),
    longest: stretches
      .longest()
      .slice(0, LONGEST_SHOWN)
      .map(({ protocol, request, ms, user }) => ({ protocol, request, ms: rounded(ms), user })),
  };
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
