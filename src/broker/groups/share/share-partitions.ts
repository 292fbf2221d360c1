import type { Work } from '../../../base/turn-time.ts';
import { ObjectCounter } from '../../budget/object-counter.ts';
import type { ObjectQuotas } from '../../budget/object-quotas.ts';
import { ownPartition } from '../../streams/any-partition.ts';
import { offsetAtTime } from '../../streams/consumers/offset-at-time.ts';
import type { Partition } from '../../streams/partition.ts';
import type { PartitionOwner } from '../../streams/partition-owner.ts';
import type { Stream } from '../../streams/stream.ts';
import { DeadLetterStreams } from './dead-letter-streams.ts';
import { type DeadRecordSource, DeadRecords } from './dead-records.ts';
import type { ShareGroupsDeps } from './ports.ts';
import type { ShareGroup } from './share-group.ts';
import {
  encodeShareOperation,
  groupNames,
  type ShareOperation,
  type ShareProgress,
  type ShareStart,
} from './share-operations.ts';
import { SharePartition } from './share-partition.ts';
import { ShareReader } from './share-reader.ts';

/** What share groups have of the partitions of this shard: where each group begins on one, and how far it is. */
export class SharePartitions {
  readonly #deps: ShareGroupsDeps;
  readonly #quotas: ObjectQuotas;
  readonly #byId = new Map<number, SharePartition>();
  readonly #dead: DeadRecords;
  readonly #deadLetterStreams: DeadLetterStreams;
  /** Partitions, by id, and groups that are about to begin on them. */
  readonly #searching = new Set<string>();
  #nextId = 1;
  #isStopped = false;

  constructor(deps: ShareGroupsDeps, quotas: ObjectQuotas) {
    this.#deps = deps;
    this.#quotas = quotas;
    this.#deadLetterStreams = new DeadLetterStreams(deps);
    this.#dead = new DeadRecords({
      shard: deps.shard,
      onFailure: ({ group, partition }, error) =>
        deps.onProblem(
          { err: error, group, stream: partition.stream.name, partition: partition.index },
          'records that a share group gave up cannot be moved yet',
        ),
    });
  }

  /** The group begins at this offset, also where it was elsewhere. */
  startAt(group: ShareGroup, stream: Stream, index: number, head: number): void {
    const known = group.readers.get(stream.id)?.get(index)?.share;
    this.#start(group, stream, index, known?.id ?? this.#nextId, head);
  }

  /** The group begins on the partitions of the stream that it did not read before; false if it may not have so many. */
  *begin(group: ShareGroup, streamId: string): Work<boolean> {
    const stream = this.#deps.streams.byId(streamId);
    if (stream === undefined) return true;
    const known = group.readers.get(streamId)?.size ?? 0;
    if (known === stream.partitions.length) return true;
    const { ownPartitions } = stream;
    if (!this.#mayRead(group, ownPartitions.length - known)) return false;
    if (known === ownPartitions.length) return true;
    for (const partition of ownPartitions) {
      if (group.isRemoved || stream.isRemoved) return true;
      // Others of the same user may have begun on some meanwhile.
      if (!this.#mayRead(group, 1)) return false;
      if (group.readers.get(streamId)?.has(partition.index) !== true) this.#beginOn(group, partition);
      yield;
    }
    return true;
  }

  /** It begins on one of them, if it may. */
  beginOn(group: ShareGroup, partition: Partition): void {
    if (this.#mayRead(group, 1)) this.#beginOn(group, partition);
  }

  #beginOn(group: ShareGroup, partition: Partition): void {
    const { reset } = group.settings;
    const { stream, index, startOffset, highWatermark } = partition;
    if (reset.kind === 'duration') this.#beginAt(group, partition, this.#deps.shard.clock.now() - reset.ms);
    else
      this.#start(group, stream, index, this.#nextId, reset.kind === 'latest' ? highWatermark : startOffset);
  }

  /** Where that is has to be looked up; until then members are given nothing. */
  #beginAt(group: ShareGroup, partition: Partition, timestampMs: number): void {
    const key = `${partition.id} ${group.id}`;
    if (this.#searching.has(key)) return;
    this.#searching.add(key);
    const { stream, index } = partition;
    offsetAtTime(partition, timestampMs)
      .then((head) => {
        const isWanted = !group.isRemoved && !stream.isRemoved && !this.#isStopped;
        if (isWanted && group.readers.get(stream.id)?.has(index) !== true) {
          this.#start(group, stream, index, this.#nextId, head);
        }
      })
      .catch((error: unknown) =>
        this.#deps.onProblem(
          { err: error, group: group.id, stream: stream.name, partition: index },
          'a share group cannot begin on a partition',
        ),
      )
      .finally(() => this.#searching.delete(key));
  }

  #start(group: ShareGroup, stream: PartitionOwner, partition: number, id: number, head: number): void {
    const operation: ShareStart = {
      op: 'share.start',
      ...groupNames(group),
      stream: stream.id,
      partition,
      id,
      head,
      s: [],
      c: [],
    };
    this.#record(operation);
    this.applyStart(group, operation);
  }

  /** By which progress is told here. */
  newId(): number {
    return this.#nextId++;
  }

  /** `group`: undefined for one that is gone, of which nothing is left but the id. */
  applyStart(
    group: ShareGroup | undefined,
    { stream: streamId, partition: index, id, head, s, c }: ShareStart,
  ): void {
    this.#nextId = Math.max(this.#nextId, id + 1);
    if (group === undefined) return;
    const partition = ownPartition(this.#deps.streams.byId(streamId)?.partitions[index]);
    if (partition === undefined) return;
    let readers = group.readers.get(streamId);
    if (readers === undefined) group.readers.set(streamId, (readers = new Map()));
    let reader = readers.get(index);
    if (reader === undefined) {
      this.#keepAccount(group);
      reader = this.#newReader(group, partition, id);
      this.#quotas.change('share-partitions', group.account, group.vhost, 1);
    }
    readers.set(index, reader);
    reader.share.begin(head, s, c);
  }

  /** In a shard without its members nothing but its partitions counts for the group: its account is forgotten while it has none. */
  #keepAccount(group: ShareGroup): void {
    if ((this.#deps.seat?.number ?? 0) === 0) return;
    for (const _ of group.allReaders()) return;
    group.account = this.#quotas.account(group.account?.openName);
  }

  #newReader(group: ShareGroup, partition: Partition, id: number): ShareReader {
    const { clock, scheduler } = this.#deps.shard;
    const share: SharePartition = new SharePartition({
      id,
      clock,
      scheduler,
      settings: () => group.settings,
      counter: new ObjectCounter(this.#quotas, 'records-in-flight', group.account, group.vhost),
      progress: (s, c) => this.#record({ op: 'share.progress', id, s, c }),
      giveUp: (records) => this.#dead.send(source, records),
    });
    const source: DeadRecordSource = {
      share,
      partition,
      group: group.id,
      target: () => this.#deadLetterStreams.of(group),
    };
    this.#byId.set(id, share);
    return new ShareReader(share, partition, () => group.settings.readsUncommitted);
  }

  /** For a shard that has given up records of the group: the topic that they go to is made, if it is not there. */
  makeDeadLetterStream(group: ShareGroup): void {
    void this.#deadLetterStreams.of(group);
  }

  /** The group knows nothing of the stream any more. */
  forget(group: ShareGroup, streamId: string): void {
    const readers = group.readers.get(streamId);
    if (readers === undefined) return;
    for (const { share } of readers.values()) this.#byId.delete(share.id);
    // Last, as it keeps the account.
    group.forget(streamId);
    this.#quotas.change('share-partitions', group.account, group.vhost, -readers.size);
  }

  /** As `forget`, of all streams of a group that is removed. */
  forgetAll(group: ShareGroup): void {
    for (const { share } of group.allReaders()) {
      this.#byId.delete(share.id);
      this.#quotas.change('share-partitions', group.account, group.vhost, -1);
    }
  }

  applyProgress({ id, s, c }: ShareProgress): void {
    this.#byId.get(id)?.replay(s, c);
  }

  recovered(): void {
    for (const share of this.#byId.values()) share.recovered();
  }

  /** No group begins on anything any more. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Whether the group may begin on so many partitions more; otherwise its members get nothing from the stream. */
  #mayRead(group: ShareGroup, partitions: number): boolean {
    if (partitions <= 0) return true;
    const refusal = this.#quotas.refusal('share-partitions', group.account, group.vhost, partitions);
    if (refusal === null) return true;
    if (!group.isRefusalLogged) {
      group.isRefusalLogged = true;
      this.#deps.shard.log.warn(
        { group: group.id, vhost: group.vhost, reason: refusal.text },
        'a share group cannot read more',
      );
    }
    return false;
  }

  #record(operation: ShareOperation): void {
    this.#deps.shard.record(encodeShareOperation(operation));
  }
}
