import type { FileSystem } from './filesystem.ts';

/** One shard of a data directory: shard 0 has the directory itself, each other one `shards/<number>` in it, laid out the same. */
export interface ShardDirectory {
  readonly shard: number;
  readonly directory: string;
}

export function shardDirectory(dataDirectory: string, shard: number): string {
  return shard === 0 ? dataDirectory : `${dataDirectory}/shards/${shard}`;
}

/** In the directory of a shard: all that it had is elsewhere, and what is left of it is being deleted. */
const MOVED_AWAY = 'moved-away';
/** What is kept of it, as nobody knows what that is: see `set-aside.ts`. */
const SET_ASIDE = 'set-aside';

/**
 * Deletes the directory of a shard that has nothing any more, but for what was set aside in it. An interruption leaves a directory that is not used, and that `finishRemovals` deletes. True if something is left in it.
 */
export async function removeShard(fs: FileSystem, dataDirectory: string, shard: number): Promise<boolean> {
  const directory = shardDirectory(dataDirectory, shard);
  if (!(await listed(fs, directory)).includes(MOVED_AWAY)) {
    const mark = await fs.open(`${directory}/${MOVED_AWAY}`, 'create');
    await mark.sync();
    await mark.close();
    await fs.syncDirectory(directory);
  }
  for (const name of await listed(fs, directory)) {
    if (name !== MOVED_AWAY && name !== SET_ASIDE) await fs.remove(`${directory}/${name}`);
  }
  await fs.syncDirectory(directory);
  await fs.remove(`${directory}/${MOVED_AWAY}`);
  await fs.syncDirectory(directory);
  if ((await listed(fs, directory)).length > 0) return true;
  // The root of a volume stays, and is empty.
  await fs.remove(directory).catch(() => undefined);
  await fs.syncDirectory(`${dataDirectory}/shards`);
  return false;
}

/** At a start: goes on with what `removeShard` has begun. */
export async function finishRemovals(fs: FileSystem, dataDirectory: string): Promise<void> {
  for (const shard of await shardNumbers(fs, dataDirectory)) {
    const names = await listed(fs, shardDirectory(dataDirectory, shard));
    if (names.includes(MOVED_AWAY)) await removeShard(fs, dataDirectory, shard);
  }
}

/** Those that have a directory. */
async function shardNumbers(fs: FileSystem, dataDirectory: string): Promise<number[]> {
  return (await listed(fs, `${dataDirectory}/shards`))
    .filter((name) => /^[1-9]\d{0,3}$/.test(name))
    .map(Number)
    .sort((a, b) => a - b);
}

/** Those of shards 1 and more that a broker has ever used, in their order. */
export async function usedShards(fs: FileSystem, dataDirectory: string): Promise<ShardDirectory[]> {
  const used: ShardDirectory[] = [];
  for (const shard of await shardNumbers(fs, dataDirectory)) {
    const directory = shardDirectory(dataDirectory, shard);
    if (await isUsed(fs, directory)) used.push({ shard, directory });
  }
  return used;
}

/**
 * Whether a broker has ever run on the directory: before anything else happens there is a block in its journal. One that is being
 * deleted is not used, whatever is left of it.
 */
export async function isUsed(fs: FileSystem, directory: string): Promise<boolean> {
  const names = await listed(fs, directory);
  if (names.includes(MOVED_AWAY)) return false;
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
