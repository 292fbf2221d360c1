import { createHash } from 'node:crypto';
import type { Broker } from '../../../src/broker/broker.ts';
import { LeaderEpochs } from '../../../src/broker/streams/leader-epochs.ts';
import type { Partition } from '../../../src/broker/streams/partition.ts';
import { batchBytes } from '../../../src/records/batch-view.ts';

/** How far a share group is on a partition. */
interface KnownShare {
  readonly group: string;
  readonly head: number;
  readonly settled: readonly number[];
  readonly counts: readonly number[];
}

/** What there is to a partition, wherever it is. */
export interface KnownPartition {
  readonly id: number;
  readonly start: number;
  readonly end: number;
  readonly stable: number;
  /** Of all batches that can be read, as they are. */
  readonly batches: readonly string[];
  readonly epochs: readonly number[];
  /** Without when they were seen. */
  readonly producers: readonly string[];
  readonly aborted: readonly string[];
  readonly shares: readonly KnownShare[];
}

const READ_BYTES = 64 * 1024;

/** By '/ stream 0': each has to be in exactly one shard, which all shards know. */
export async function everyPartition(brokers: readonly Broker[]): Promise<Map<string, KnownPartition>> {
  const found = new Map<string, KnownPartition>();
  for (const [shard, broker] of brokers.entries()) {
    for (const partition of broker.streams.partitions()) {
      const { stream, index } = partition;
      const key = `${stream.vhost} ${stream.name} ${index}`;
      if (found.has(key)) throw new Error(`${key} is in two shards`);
      for (const other of brokers) {
        const known = other.streams.byId(stream.id)?.partitions[index];
        if (known?.shard !== shard) throw new Error(`${key} is in shard ${shard}, not in ${known?.shard}`);
      }
      found.set(key, await contentsOf(broker, partition));
    }
  }
  return found;
}

async function contentsOf(broker: Broker, partition: Partition): Promise<KnownPartition> {
  const { id, startOffset: start, endOffset: end, lastStableOffset: stable, epochs, producers } = partition;
  return {
    id,
    start,
    end,
    stable,
    batches: await batchesOf(partition),
    epochs: knownFrom(epochs.state(), start),
    producers: Array.from(producers, ({ id: its, epoch, transactionStart, ...rest }) =>
      JSON.stringify([its, epoch, transactionStart, sequencesOf(rest)]),
    ).sort(),
    aborted: producers
      .abortedIn(start, end)
      .map(({ producerId, firstOffset, lastOffset }) => `${producerId} ${firstOffset} ${lastOffset}`),
    shares: sharesOf(broker, partition),
  };
}

/** A crash forgets that what is before the start was forgotten. */
function knownFrom(pairs: readonly number[], start: number): readonly number[] {
  const known = new LeaderEpochs();
  known.load(pairs);
  known.trim(start);
  return known.state();
}

function sequencesOf(rest: object): unknown {
  const { seenMs: _seen, lastTimestampMs: _time, ...others } = rest as Record<string, unknown>;
  return others;
}

async function batchesOf(partition: Partition): Promise<string[]> {
  const { startOffset, highWatermark } = partition;
  const batches: string[] = [];
  for (let from = startOffset; from < highWatermark; ) {
    const { bytes, nextOffset } = await partition.read(from, highWatermark, READ_BYTES);
    for (let at = 0; at < bytes.length; at += batchBytes(bytes, at)) {
      const batch = bytes.subarray(at, at + batchBytes(bytes, at));
      const hash = createHash('sha1').update(batch).digest('hex').slice(0, 12);
      batches.push(`${batch.readBigInt64BE(0)} ${hash}`);
    }
    if (nextOffset <= from) throw new Error(`${partition.id} cannot be read on at ${from}`);
    from = nextOffset;
  }
  return batches;
}

function sharesOf({ shareGroups }: Broker, { stream, index }: Partition): KnownShare[] {
  return shareGroups.list(stream.vhost).flatMap((group) => {
    const share = group.readers.get(stream.id)?.get(index)?.share;
    if (share === undefined) return [];
    const { settled } = share;
    return [{ group: group.id, head: settled.head, settled: [...settled.state()], counts: share.counts() }];
  });
}
