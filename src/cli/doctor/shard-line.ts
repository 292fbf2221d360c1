/** The line, with the shard that it is about where there are several. */
export function inShard(shard: number, shards: readonly unknown[], line: string): string {
  return shards.length === 1 ? line : `shard ${shard}: ${line}`;
}
