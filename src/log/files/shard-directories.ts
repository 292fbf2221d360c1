import type { FileSystem } from './filesystem.ts';

/** One shard of a data directory: shard 0 has the directory itself, each other one `shards/<number>` in it, laid out the same. */
export interface ShardDirectory {
  readonly shard: number;
  readonly directory: string;
}

export function shardDirectory(dataDirectory: string, shard: number): string {
  return shard === 0 ? dataDirectory : `${dataDirectory}/shards/${shard}`;
}

/** Those of shards 1 and more that a broker has ever used, in their order. */
export async function usedShards(fs: FileSystem, dataDirectory: string): Promise<ShardDirectory[]> {
  const numbers = (await listed(fs, `${dataDirectory}/shards`))
    .filter((name) => /^[1-9]\d{0,3}$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
  const used: ShardDirectory[] = [];
  for (const shard of numbers) {
    const directory = shardDirectory(dataDirectory, shard);
    if (await isUsed(fs, directory)) used.push({ shard, directory });
  }
  return used;
}

/** Whether a broker has ever run on the directory: before anything else happens there is a block in its journal. */
export async function isUsed(fs: FileSystem, directory: string): Promise<boolean> {
  const names = await listed(fs, directory);
  if (names.includes('snapshot')) return true;
  for (const name of ['journal', 'logs']) {
    if (names.includes(name) && (await listed(fs, `${directory}/${name}`)).length > 0) return true;
  }
  return false;
}

/** Nothing is in what is no directory. */
async function listed(fs: FileSystem, path: string): Promise<readonly string[]> {
  try {
    return await fs.list(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return [];
    throw error;
  }
}

/** The data directory that has this one as a shard, by its name. */
export function dataDirectoryOfShard(
  directory: string,
): { readonly dataDirectory: string; readonly shard: number } | null {
  const match = /^(.+)\/shards\/([1-9]\d{0,3})\/?$/.exec(directory);
  return match === null ? null : { dataDirectory: match[1], shard: Number(match[2]) };
}
