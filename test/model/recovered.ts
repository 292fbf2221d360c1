import type { Broker } from '../../src/broker/broker.ts';
import { localOf } from '../../src/broker/queues/any-queue.ts';
import type { PriorityLevel } from '../../src/broker/queues/priority-level.ts';
import type { Recovered } from './entry.ts';
import { type Found, readContent, readFrame } from './message.ts';

const READ_BYTES = 1024 * 1024;

/** What is in the queues of a broker that has just started, in the order of delivery: nothing is touched. */
export async function contentsOf(
  broker: Broker,
  disk: <T>(promise: Promise<T>) => Promise<T>,
): Promise<Map<string, Recovered[]>> {
  const contents = new Map<string, Recovered[]>();
  for (const queue of localOf(broker.vhosts.get('/')!.queues())) {
    const entries: Recovered[] = [];
    for (const level of queue.levels) {
      const stored = new Map<number, Found>();
      for (let offset = level.log.nextUnacknowledged(0); offset < level.log.end; ) {
        const found = stored.get(offset) ?? (await read(broker, level, offset, stored, disk));
        entries.push({ found, failures: level.failuresOf(offset) });
        offset = level.log.nextUnacknowledged(offset + 1);
      }
    }
    contents.set(queue.name, entries);
  }
  return contents;
}

async function read(
  broker: Broker,
  { log }: PriorityLevel,
  offset: number,
  stored: Map<number, Found>,
  disk: <T>(promise: Promise<T>) => Promise<T>,
): Promise<Found> {
  const position = log.positionOf(offset);
  if (position >= 0) return readFrame(broker.shard.store.chunks.of(position), position >>> 0);
  const slice = await disk(log.segments!.read(offset, READ_BYTES));
  slice.forEach((at, _timestampMs, buffer, start, length) => {
    stored.set(at, readContent(buffer, start, length));
  });
  const found = stored.get(offset);
  if (found === undefined) throw new Error(`offset ${offset} of log ${log.id} is nowhere`);
  return found;
}
