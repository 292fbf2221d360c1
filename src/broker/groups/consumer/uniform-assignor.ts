import type { Work } from '../../../base/turn-time.ts';
import { type PartitionSet, PartitionSetBuilder } from '../partition-sets.ts';
import { type AssignorMember, type AssignorStream, inOrder } from './assignor.ts';
import { LeastShare } from './least-share.ts';

interface Share {
  readonly member: AssignorMember;
  readonly parts: PartitionSetBuilder;
  count: number;
}

/** Those who read the same streams, and the streams. */
interface Readers {
  readonly shares: readonly Share[];
  readonly streams: AssignorStream[];
}

/** Looks that are one step. */
const LOOKS_PER_STEP = 32;

/** Each partition's share, by stream. */
type Owners = Map<string, (Share | undefined)[]>;

/**
 * To all members as much as to the others, as far as what they read allows, and to each as much as possible of what it
 * had. If all read the same, shares differ by one at most.
 */
export function* assignUniformly(
  members: readonly AssignorMember[],
  streams: readonly AssignorStream[],
): Work<ReadonlyMap<string, PartitionSet>> {
  const shares = inOrder(members).map(
    (member): Share => ({ member, parts: new PartitionSetBuilder(), count: 0 }),
  );
  const groups = yield* byReaders(shares, streams);
  const owners: Owners = new Map(streams.map(({ id }) => [id, []]));
  const [only] = groups;
  if (groups.length === 1 && only?.shares.length === shares.length) yield* assignToEquals(only, owners);
  else yield* assignToAny(groups, owners);
  for (const [streamId, parts] of owners) {
    for (const [partition, share] of parts.entries()) {
      share?.parts.add(streamId, partition);
      if (partition % LOOKS_PER_STEP === 0) yield;
    }
  }
  return new Map(shares.map(({ member, parts }) => [member.id, parts.set]));
}

function* byReaders(shares: readonly Share[], streams: readonly AssignorStream[]): Work<Readers[]> {
  const groups: Readers[] = [];
  /** By how many they are, and a checksum of who: their names would be too long. */
  const byChecksum = new Map<number, Readers[]>();
  for (const stream of streams) {
    const readers: Share[] = [];
    let checksum = 0;
    for (let index = 0; index < shares.length; index++) {
      if (!shares[index].member.streamIds.has(stream.id)) continue;
      readers.push(shares[index]);
      checksum = (Math.imul(checksum, 31) + index + 1) | 0;
      if (index % LOOKS_PER_STEP === LOOKS_PER_STEP - 1) yield;
    }
    yield;
    if (readers.length === 0) continue;
    const alike = byChecksum.get(checksum) ?? [];
    byChecksum.set(checksum, alike);
    const group = alike.find(({ shares: others }) => isSame(others, readers));
    if (group !== undefined) group.streams.push(stream);
    else {
      const added = { shares: readers, streams: [stream] };
      alike.push(added);
      groups.push(added);
    }
  }
  return groups;
}

function isSame(left: readonly Share[], right: readonly Share[]): boolean {
  return left.length === right.length && left.every((share, index) => share === right[index]);
}

/** Each keeps what it had, up to its quota; what is left fills up the quotas. */
function* assignToEquals({ shares, streams }: Readers, owners: Owners): Work<void> {
  let total = 0;
  for (const { partitionCount } of streams) total += partitionCount;
  const least = Math.floor(total / shares.length);
  let extra = total % shares.length;
  for (const share of shares) {
    yield* keep(share, streams, owners, least + (extra > 0 ? 1 : 0));
    if (share.count > least) extra--;
  }
  const quotas = shares.map(({ count }) => {
    if (count > least) return count;
    return extra-- > 0 ? least + 1 : least;
  });
  let at = 0;
  for (const [streamId, partition] of unowned(streams, owners)) {
    while (shares[at].count >= quotas[at]) at++;
    give(owners, streamId, partition, shares[at]);
    if (partition % LOOKS_PER_STEP === 0) yield;
  }
}

/** Each keeps what it had; what is left goes where there is least; then what is too much somewhere goes there too. */
function* assignToAny(groups: readonly Readers[], owners: Owners): Work<void> {
  for (const { shares, streams } of groups) {
    for (const share of shares) yield* keep(share, streams, owners, Number.POSITIVE_INFINITY);
  }
  // Those with fewer readers have less of a choice.
  for (const { shares, streams } of [...groups].sort((a, b) => a.shares.length - b.shares.length)) {
    const least = new LeastShare(shares);
    for (const [streamId, partition] of unowned(streams, owners)) {
      give(owners, streamId, partition, least.share);
      least.changed(least.share);
      if (partition % LOOKS_PER_STEP === 0) yield;
    }
  }
  // Each move makes the differences smaller, so that there is an end.
  for (let isMoved = true; isMoved; ) {
    isMoved = false;
    for (const group of groups) isMoved ||= yield* level(group, owners);
  }
}

/** True if something was moved. */
function* level({ shares, streams }: Readers, owners: Owners): Work<boolean> {
  if (shares.length === 1) return false;
  let isMoved = false;
  const leastShare = new LeastShare(shares);
  for (const { id, partitionCount } of streams) {
    for (let partition = 0; partition < partitionCount; partition++) {
      if (partition % LOOKS_PER_STEP === 0) yield;
      const owner = owners.get(id)?.[partition] as Share;
      const least = leastShare.share;
      if (owner.count <= least.count + 1) continue;
      owner.count--;
      give(owners, id, partition, least);
      leastShare.changed(least);
      leastShare.changed(owner);
      isMoved = true;
    }
  }
  return isMoved;
}

function* keep(
  share: Share,
  streams: readonly AssignorStream[],
  owners: Owners,
  countMax: number,
): Work<void> {
  for (const { id, partitionCount } of streams) {
    for (const partition of share.member.target.get(id) ?? []) {
      if (share.count >= countMax) return;
      const isFree = partition < partitionCount && owners.get(id)?.[partition] === undefined;
      if (isFree) give(owners, id, partition, share);
    }
    yield;
  }
}

function give(owners: Owners, streamId: string, partition: number, share: Share): void {
  (owners.get(streamId) as (Share | undefined)[])[partition] = share;
  share.count++;
}

function* unowned(
  streams: readonly AssignorStream[],
  owners: Owners,
): Iterable<readonly [streamId: string, partition: number]> {
  for (const { id, partitionCount } of streams) {
    for (let partition = 0; partition < partitionCount; partition++) {
      if (owners.get(id)?.[partition] === undefined) yield [id, partition];
    }
  }
}
