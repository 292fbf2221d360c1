import type { FileSystem } from '../../log/files/filesystem.ts';
import {
  dataDirectoryOfShard,
  finishRemovals,
  isUsed,
  usedShards,
} from '../../log/files/shard-directories.ts';
import { doctorCommandLine } from '../../log/operator-advice.ts';
import type { TopologyQueue } from '../queues/queue-port.ts';
import { type PartitionPlace, placesOf } from '../streams/partition-place.ts';
import { decodeStreamOperation } from '../streams/stream-operations.ts';
import { decodeOperation } from '../topology/metadata.ts';

/** Queues and shards that are named in one message. */
const NAMED_MAX = 10;

/**
 * Goes on with the deletion of shards that are gone. Then refuses a start with fewer shards than there are on the disk: the queues there
 * would be lost from sight, and what is in them would be taken for empty. Whoever has fewer from now on moves them first
 * (`move/move-shards.ts`).
 */
export async function checkShardDirectories(
  fs: FileSystem,
  dataDirectory: string,
  count: number,
): Promise<void> {
  await finishRemovals(fs, dataDirectory);
  const beyond = (await usedShards(fs, dataDirectory)).filter(({ shard }) => shard >= count);
  if (beyond.length === 0) return;
  const numbers = beyond.map(({ shard }) => shard);
  throw new Error(
    `'${dataDirectory}' has data of ${shardsText(numbers)}, and this start is with ${countText(count)}: what is in the queues there ` +
      `would be lost from sight. Nothing was changed. Start with shards = ${numbers[numbers.length - 1] + 1}, as before. ` +
      `What is there: \`${doctorCommandLine(dataDirectory, '--logs')}\``,
  );
}

/** A stream, as far as it is of interest where its partitions are. */
interface PlacedStream {
  readonly vhost: string;
  readonly name: string;
  readonly partitions: readonly PartitionPlace[];
}

/** What the start is refused with where messages are on their way to or from a shard that is not started, whose directory is gone. */
export function shardMissing(shard: number): Error {
  return new Error(
    `messages are on their way to or from shard ${shard}, and this start is without it. Nothing was changed. Start with ` +
      `shards = ${shard + 1} or more, as before, with the directory of each shard in its place`,
  );
}

/** Refuses a start where the metadata has queues or partitions in shards that are not started, whose directories are gone. */
export function refuseQueuesElsewhere(
  queues: Iterable<TopologyQueue & { readonly vhost: string }>,
  streams: Iterable<PlacedStream>,
  count: number,
): void {
  const names: string[] = [];
  const kinds = new Set<string>();
  const shards = new Set<number>();
  for (const { shard, name, vhost, durable } of queues) {
    if (shard < count || !durable) continue;
    shards.add(shard);
    kinds.add('queues');
    names.push(`'${name}' in vhost '${vhost}'`);
  }
  for (const { name, vhost, partitions } of streams) {
    const beyond = partitions.filter(({ shard }) => shard >= count);
    if (beyond.length === 0) continue;
    for (const { shard } of beyond) shards.add(shard);
    kinds.add('partitions of streams');
    names.push(`'${name}' in vhost '${vhost}'`);
  }
  if (names.length === 0) return;
  const some = names.slice(0, NAMED_MAX).join(', ');
  const rest = names.length > NAMED_MAX ? ` and ${names.length - NAMED_MAX} more` : '';
  const numbers = [...shards].sort((a, b) => a - b);
  throw new Error(
    `${[...kinds].join(' and ')} are in ${shardsText(numbers)}, and this start is with ${countText(count)}: ${some}${rest}. ` +
      `Start with shards = ${numbers[numbers.length - 1] + 1}, as before, with the directory of each shard in its place`,
  );
}

/**
 * Refuses the start of a shard whose directory is empty, or is not there, while shard 0 has durable queues in it. Without that they
 * would be there, and have nothing in them. `operations`: the metadata of shard 0.
 */
export async function refuseLostShard(
  fs: FileSystem,
  directory: string,
  shard: number,
  operations: readonly string[],
): Promise<void> {
  if (await isUsed(fs, directory)) return;
  let queues = 0;
  let partitions = 0;
  for (const text of operations) {
    if (text.startsWith('{"op":"queue.declare"') && isQueueIn(shard, text)) queues++;
    if (text.startsWith('{"op":"stream.create"')) partitions += partitionsIn(shard, text);
  }
  if (queues + partitions === 0) return;
  const whole = dataDirectoryOfShard(directory)?.dataDirectory ?? directory;
  throw new Error(
    `${countOf({ queue: queues, partition: partitions })} in shard ${shard}, whose directory '${directory}' is empty: what was in them ` +
      'is not there. Mount or restore that directory; to go on without it, save all else into a new one: ' +
      `\`${doctorCommandLine(whole, '--save NEWDIR')}\``,
  );
}

function isQueueIn(shard: number, text: string): boolean {
  const operation = decodeOperation(Buffer.from(text, 'utf8'));
  if (operation.op !== 'queue.declare' || operation.transient === true) return false;
  return (operation.shard ?? 0) === shard;
}

function partitionsIn(shard: number, text: string): number {
  const operation = decodeStreamOperation(Buffer.from(text, 'utf8'));
  if (operation.op !== 'stream.create') return 0;
  return placesOf(operation).filter((place) => place.shard === shard).length;
}

/** '1 queue is', '2 queues and 1 partition are'; of something there is one at least. */
function countOf(counts: { readonly [what: string]: number }): string {
  const texts = Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([what, count]) => `${count} ${what}${count === 1 ? '' : 's'}`);
  const isOne = Object.values(counts).reduce((sum, count) => sum + count) === 1;
  return `${texts.join(' and ')} ${isOne ? 'is' : 'are'}`;
}

function shardsText(shards: readonly number[]): string {
  const some = shards.slice(0, NAMED_MAX).join(', ');
  const rest = shards.length > NAMED_MAX ? ` and ${shards.length - NAMED_MAX} more` : '';
  return `${shards.length === 1 ? 'shard' : 'shards'} ${some}${rest}`;
}

function countText(count: number): string {
  return count === 1 ? 'one shard' : `${count} shards`;
}
