import type { Broker } from '../../../src/broker/broker.ts';
import { localOf } from '../../../src/broker/queues/any-queue.ts';
import type { PriorityLevel } from '../../../src/broker/queues/priority-level.ts';
import type { Queue } from '../../../src/broker/queues/queue.ts';
import { FRAME_HEADER_BYTES, frameContentBytes, frameTimestampMs } from '../../../src/log/memory/chunks.ts';
import type { SegmentedLog } from '../../../src/log/segments/segmented-log.ts';
import { ContentView } from '../../../src/records/record-content.ts';

/** A message that waits, and all that the queue knows of it. */
export interface Waiting {
  readonly priority: number;
  readonly offset: number;
  /** In whole milliseconds, as segments keep them. */
  readonly publishedMs: number;
  readonly body: string;
  readonly failures: number;
  readonly acquisitions: number;
  readonly wasDelivered: boolean;
}

/** What a queue has, wherever it lies; nothing is taken. */
export async function contentsOf(queue: Queue, broker: Broker): Promise<readonly Waiting[]> {
  const contents: Waiting[] = [];
  for (const level of queue.levels) contents.push(...(await levelContents(level, broker)));
  return contents;
}

async function levelContents(level: PriorityLevel, broker: Broker): Promise<readonly Waiting[]> {
  const { log, priority, deliveredBelow } = level;
  const found: Waiting[] = [];
  const view = new ContentView();
  const add = (offset: number, timestampMs: number, buffer: Buffer, start: number, length: number): void => {
    view.parse(buffer, start, length);
    found.push({
      priority,
      offset,
      publishedMs: Math.floor(timestampMs),
      body: buffer.toString('latin1', view.bodyStart, view.bodyEnd),
      failures: level.failuresOf(offset),
      acquisitions: level.acquisitionsOf(offset),
      wasDelivered: offset < deliveredBelow,
    });
  };
  const segments = log.segments as SegmentedLog;
  for (let offset = log.head; offset < log.tailStart; ) {
    const slice = await segments.read(offset, 65_536);
    slice.forEach((at, ...record) => {
      if (at < log.tailStart && !log.isAcknowledged(at)) add(at, ...record);
    });
    if (slice.isEmpty) break;
    offset = slice.nextOffset;
  }
  const { chunks } = broker.shard.store;
  for (let offset = log.tailStart; offset < log.end; offset++) {
    const position = log.ring[offset & log.mask];
    if (position < 0 || log.isAcknowledged(offset)) continue;
    const chunk = chunks.of(position);
    const at = position >>> 0;
    const [start, length] = [at + FRAME_HEADER_BYTES, frameContentBytes(chunk, at)];
    add(offset, frameTimestampMs(chunk, at), chunk.buffer, start, length);
  }
  return found;
}

/** What a queue is, and has. */
export interface KnownQueue {
  readonly id: number;
  readonly contents: readonly Waiting[];
  readonly names: readonly unknown[];
  readonly ready: number;
  readonly readyBytes: number;
  readonly settings: unknown;
}

/** All durable queues of all shards, by virtual host and name, without where they are. */
export async function everything(brokers: readonly Broker[]): Promise<ReadonlyMap<string, KnownQueue>> {
  const found = new Map<string, KnownQueue>();
  for (const broker of brokers) {
    for (const vhost of broker.vhosts) {
      for (const queue of localOf(vhost.queues())) {
        if (!queue.log.durable) continue;
        const key = `${vhost.name} ${queue.name}`;
        if (found.has(key)) throw new Error(`${key} is in two shards`);
        const { deduplicator, readyCount: ready, readyBytes, settings, id } = queue;
        const names = [
          ...(deduplicator?.presentKept() ?? []),
          ...(deduplicator?.recentKept(broker.shard.nowMs) ?? []),
        ];
        const contents = await contentsOf(queue, broker);
        found.set(key, { id, contents, names, ready, readyBytes, settings });
      }
    }
  }
  return found;
}
