import type { FileSystem } from '../../log/files/filesystem.ts';
import { type ShardDirectory, shardDirectory, usedShards } from '../../log/files/shard-directories.ts';
import { type Finding, type Inspection, Inspector, type ShardInspection } from './inspection.ts';
import type { LogOwners } from './log-owners.ts';
import { forgetLostMetadata } from './lost-metadata.ts';
import { repairAll } from './repair.ts';
import { inShard } from './shard-line.ts';

/** Inspects the directory of each shard of a data directory. What logs of the others belong to is told by shard 0. */
export async function inspectShards(fs: FileSystem, dataDirectory: string): Promise<ShardInspection[]> {
  const inspector = new Inspector(fs, dataDirectory);
  const first = await inspector.inspect();
  const { owners } = inspector;
  const { changes } = first;
  const isWhole = !first.findings.some(({ corruption }) => corruption.file !== 'segment');
  const shards: ShardInspection[] = [{ shard: 0, directory: dataDirectory, inspection: first }];
  const used: FoundShard[] = await usedShards(fs, dataDirectory);
  for (const each of [...used, ...missingShards(dataDirectory, owners, used)].sort(byShard)) {
    const { shard, directory } = each;
    const followed = { shard, owners, changes, isWhole };
    const inspection = await new Inspector(fs, directory, followed).inspect();
    const findings = [...inspection.findings, ...(each.isMissing ? [missing(directory, owners, shard)] : [])];
    if (inspection.followedChange > changes) findings.push(ahead(dataDirectory, inspection, changes));
    shards.push({ shard, directory, inspection: { ...inspection, findings } });
  }
  return shards;
}

interface FoundShard extends ShardDirectory {
  readonly isMissing?: boolean;
}

function byShard(a: FoundShard, b: FoundShard): number {
  return a.shard - b.shard;
}

/** Shards that have queues, and no data. */
function missingShards(
  dataDirectory: string,
  owners: LogOwners,
  used: readonly ShardDirectory[],
): FoundShard[] {
  const isUsed = new Set(used.map(({ shard }) => shard));
  return [...new Set(owners.shardOf.values())]
    .filter((shard) => !isUsed.has(shard))
    .map((shard) => ({ shard, directory: shardDirectory(dataDirectory, shard), isMissing: true }));
}

function missing(directory: string, owners: LogOwners, shard: number): Finding {
  const names = [...owners.shardOf].filter(([, of]) => of === shard).map(([id]) => owners.byLog.get(id));
  const some = names.slice(0, NAMED_MAX).join(', ');
  const rest = names.length > NAMED_MAX ? ` and of ${names.length - NAMED_MAX} more` : '';
  return {
    path: `${directory}/snapshot`,
    offset: 0,
    what: 'the file is missing, with all of the directory',
    affected: `all ${some}${rest}`,
    corruption: { file: 'snapshot' },
  };
}

const NAMED_MAX = 10;

function ahead(dataDirectory: string, { followedChange }: Inspection, changes: number): Finding {
  return {
    path: `${dataDirectory}/journal`,
    offset: 0,
    what: `shard 0 has ${changes} changes of the metadata, and this shard knows ${followedChange} of them`,
    affected: 'which queues there are in this shard, as shard 0 has lost what it knew of them',
    corruption: { file: 'metadata' },
  };
}

/** Cuts off what is damaged, in each shard; returns lines for the user. */
export async function repairShards(
  fs: FileSystem,
  dataDirectory: string,
  shards: readonly ShardInspection[],
): Promise<string[]> {
  const lines: string[] = [];
  for (const { shard, directory, inspection } of shards) {
    for (const line of await repairAll(fs, directory, inspection)) lines.push(inShard(shard, shards, line));
  }
  if (shards.length === 1) return lines;
  // Where shard 0 has just lost blocks, the others know more than it does.
  const after = await inspectShards(fs, dataDirectory);
  for (const { shard, line } of await forgetLostMetadata(fs, after)) lines.push(inShard(shard, shards, line));
  return lines;
}
