import { OWN_LOG_IDS } from '../../broker/broker-state.ts';
import type { FileSystem } from '../../log/files/filesystem.ts';
import { FIRST_FILE } from '../../log/journal/position.ts';
import { type Snapshot, writeSnapshot } from '../../log/snapshot.ts';
import type { ShardInspection } from './inspection.ts';

/** The part of the broker's snapshot that is changed here. */
interface BrokerPart {
  readonly nextQueueId: number;
  readonly metadata: readonly string[];
  readonly parts: readonly string[];
  readonly delivered: readonly unknown[];
  readonly queues: readonly unknown[];
  readonly changes?: number;
}

/**
 * Where shard 0 has lost metadata that other shards have seen, a start is refused until shard 0 is told that it counts as known. Nor
 * does shard 0 then give an id again that is in use in another shard: what is there of a queue that was lost must not come up in
 * another queue.
 */
export async function forgetLostMetadata(
  fs: FileSystem,
  [first, ...others]: readonly ShardInspection[],
): Promise<{ readonly shard: number; readonly line: string }[]> {
  const ahead = others.filter(({ inspection }) => hasFinding(inspection, 'metadata'));
  if (ahead.length === 0) return [];
  if (hasFinding(first.inspection, 'snapshot')) {
    return ahead.map(({ shard }) => ({
      shard,
      line: 'not cut: nothing can be without the snapshot of shard 0',
    }));
  }
  let nextId = 1;
  let missing = 0;
  const { snapshot, changes } = first.inspection;
  for (const { inspection } of others) {
    for (const id of inspection.logIds) if (id < OWN_LOG_IDS) nextId = Math.max(nextId, id + 1);
    missing = Math.max(missing, inspection.followedChange - changes);
  }
  const nothing = { nextQueueId: 1, metadata: [], parts: [], delivered: [], queues: [] };
  const known: BrokerPart = { ...nothing, ...(snapshot?.broker as Partial<BrokerPart> | undefined) };
  await writeSnapshot(fs, first.directory, {
    ...(snapshot ?? EMPTY),
    broker: {
      ...known,
      nextQueueId: Math.max(known.nextQueueId, nextId),
      changes: (known.changes ?? 0) + missing,
    },
  });
  return ahead.map(({ shard, inspection: { nameless } }) => ({
    shard,
    line:
      'cut: it takes the metadata of shard 0 as it is now' +
      (nameless.length === 0
        ? ''
        : `; the next start deletes ${nameless.map((id) => `logs/${id}`).join(', ')}`),
  }));
}

/** All is in the journal, from its first block on. */
const EMPTY: Snapshot = {
  nextBlock: 1,
  journal: FIRST_FILE,
  clean: false,
  logs: [],
  streams: [],
  deleted: [],
  broker: null,
};

function hasFinding({ findings }: ShardInspection['inspection'], file: 'metadata' | 'snapshot'): boolean {
  return findings.some(({ corruption }) => corruption.file === file);
}
