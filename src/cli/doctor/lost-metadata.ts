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
  readonly followedBlock?: number;
  readonly forgottenBlock?: number;
}

/**
 * Where shard 0 has lost metadata that other shards have seen, they take what it has now; until then a start would be refused.
 * Shard 0 first gives no id again that is in use in another shard: what is there of a queue that was lost must not come up in
 * another queue.
 */
export async function forgetLostMetadata(
  fs: FileSystem,
  [first, ...others]: readonly ShardInspection[],
): Promise<{ readonly shard: number; readonly line: string }[]> {
  const ahead = others.filter(({ inspection }) => hasFinding(inspection, 'metadata'));
  if (ahead.length === 0) return [];
  const unreadable = [first, ...ahead].filter(({ inspection }) => hasFinding(inspection, 'snapshot'));
  if (unreadable.length > 0) {
    return ahead.map(({ shard }) => ({
      shard,
      line: `not cut: the snapshot of shard ${unreadable[0].shard} is damaged or missing`,
    }));
  }
  let nextId = 1;
  for (const { inspection } of others)
    for (const id of inspection.logIds) if (id < OWN_LOG_IDS) nextId = Math.max(nextId, id + 1);
  const known = brokerPart(first.inspection.snapshot, 1);
  await write(fs, first, { ...known, nextQueueId: Math.max(known.nextQueueId, nextId) });
  for (const shard of ahead) {
    const { snapshot, followedBlock } = shard.inspection;
    const part = brokerPart(snapshot, OWN_LOG_IDS);
    const { lastBlock } = first.inspection;
    await write(fs, shard, {
      ...part,
      followedBlock: Math.min(part.followedBlock ?? 0, lastBlock),
      forgottenBlock: followedBlock,
    });
  }
  return ahead.map(({ shard, inspection: { nameless } }) => ({
    shard,
    line:
      `cut: it takes the metadata of shard 0 as it is now` +
      (nameless.length === 0
        ? ''
        : `; the next start deletes ${nameless.map((id) => `logs/${id}`).join(', ')}`),
  }));
}

function hasFinding({ findings }: ShardInspection['inspection'], file: 'metadata' | 'snapshot'): boolean {
  return findings.some(({ corruption }) => corruption.file === file);
}

function brokerPart(snapshot: Snapshot | null, nextQueueId: number): BrokerPart {
  const nothing = { nextQueueId, metadata: [], parts: [], delivered: [], queues: [] };
  return { ...nothing, ...(snapshot?.broker as Partial<BrokerPart> | undefined) };
}

/** Without a snapshot all is in the journal, from its first block on. */
async function write(
  fs: FileSystem,
  { directory, inspection }: ShardInspection,
  broker: BrokerPart,
): Promise<void> {
  const snapshot: Snapshot = inspection.snapshot ?? {
    nextBlock: 1,
    journal: FIRST_FILE,
    clean: false,
    logs: [],
    streams: [],
    deleted: [],
    broker: null,
  };
  await writeSnapshot(fs, directory, { ...snapshot, broker });
}
