import type { Queue } from '../../src/broker/queues/queue.ts';
import { type ExpectedQueue, HistoryError } from './expected-queue.ts';
import { QueueReader } from './queue-reader.ts';
import type { SimulatedTime } from './simulated-time.ts';
import type { TestMessage } from './test-message.ts';

export interface ComparisonHost {
  readonly time: SimulatedTime;
  readonly messages: ReadonlyMap<number, TestMessage>;
  /** A file in which there is a wrong bit: queues may say so. */
  readonly damagedPath: string | null;
  /** What has gone wrong meanwhile; null if nothing has. */
  readonly fault: unknown;
  note(line: string): void;
  fail(error: unknown): void;
}

/**
 * After a start that found the journal up to `last`: what is in the queue against what has to be. Afterwards the history goes on from
 * what was found.
 */
export async function compareQueue(
  queue: Queue,
  known: ExpectedQueue,
  last: number,
  patienceMs: number,
  host: ComparisonHost,
): Promise<void> {
  const { damagedPath } = host;
  if (queue.corruption !== null && queue.corruption.path === damagedPath) return;
  const { must, may } = known.afterRestart(last);
  const reader = new QueueReader(queue, host.messages, (error) => host.fail(error));
  const { ids } = reader;
  const isDone = await host.time.runUntil(
    () => queue.readyCount === 0 || queue.corruption !== null || host.fault !== null,
    patienceMs,
  );
  if (host.fault !== null) throw host.fault;
  host.note(`${queue.name} has ${ids.join(' ')}`);
  if (queue.corruption !== null) {
    if (queue.corruption.path !== damagedPath) throw queue.corruption;
    // It says so. What came before is right, and nothing is left out of it.
    for (const id of [...known.entries.keys()].reverse()) {
      if (id === ids.at(-1)) break;
      must.delete(id);
    }
  }
  for (const id of must) {
    if (!ids.includes(id)) throw new HistoryError(`message ${id} is gone from ${queue.name}`);
  }
  for (const id of ids) {
    if (!may.has(id)) throw new HistoryError(`message ${id} should not be in ${queue.name}`);
  }
  const inOrder = [...known.entries.keys()].filter((id) => ids.includes(id));
  if (inOrder.join() !== ids.join()) throw new HistoryError(`${queue.name} has [${ids}], not [${inOrder}]`);
  if (!isDone) throw new HistoryError(`${queue.name} does not give its last ${queue.readyCount} messages`);
  const again = reader.fresh.find((id) => known.entries.get(id)?.wasDelivered);
  if (again !== undefined) throw new HistoryError(`message ${again} comes again as if for the first time`);
  known.found(ids);
  for (const entry of known.entries.values()) entry.wasDelivered = true;
  reader.giveBack();
}
