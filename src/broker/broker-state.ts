import type { StateMachine } from '../log/store.ts';
import type { Access } from './access/access.ts';
import { decodeAccessOperation, encodeAccessOperation, isAccessOperation } from './access/operations.ts';
import type { Delays } from './delays/delays.ts';
import type { Events } from './events/events.ts';
import { type AnyQueue, localOf } from './queues/any-queue.ts';
import type { Queue } from './queues/queue.ts';
import { isQueueOperation } from './queues/queue-operations.ts';
import { type QueueRecovery, type QueueState, stateOf } from './queues/queue-recovery.ts';
import type { Shard } from './shard/shard.ts';
import { isOf, type SnapshotSection, SnapshotSections } from './shard/snapshot-section.ts';
import { isMetadataChange } from './shards/metadata-changes.ts';
import type { FollowedMetadata } from './shards/metadata-copy.ts';
import { refuseQueuesElsewhere, shardMissing } from './shards/missing-shards.ts';
import { type MovedQueues, NOTHING_TAKEN, type Taken } from './shards/move/moved-queues.ts';
import { OUTBOX_PREFIX, peerOf } from './shards/outbox/outbox-operations.ts';
import type { Shards } from './shards/shards.ts';
import type { StreamExchanges } from './streams/bindings/stream-exchanges.ts';
import type { Streams } from './streams/streams.ts';
import { decodeOperation, encodeOperation } from './topology/metadata.ts';
import type { VirtualHosts } from './topology/virtual-hosts.ts';

/** From here on a shard that follows gives ids of its own to logs: to delays and to priorities. They have 32 bits. */
export const OWN_LOG_IDS = 2 ** 31;

/** What the snapshot keeps of the broker. */
interface BrokerSnapshot {
  /** The log id that is given next; queues have theirs from the same numbers. */
  readonly nextQueueId: number;
  readonly metadata: readonly string[];
  /** The id of a log and the offset below which messages were handed out, in pairs. */
  readonly delivered: readonly (readonly [number, number])[];
  readonly queues: readonly QueueState[];
  /** Operations of snapshot sections. */
  readonly parts?: readonly string[];
  /** The last change of shard 0 that is known; not in shard 0. */
  readonly followedChange?: number;
  /** How many changes of the metadata there were; in shard 0 of several. */
  readonly changes?: number;
  /** What was copied here from other shards, and is this shard's as soon as shard 0 says so. */
  readonly taken?: Taken;
}

export interface BrokerStateDeps {
  readonly shard: Shard;
  readonly vhosts: VirtualHosts<AnyQueue>;
  readonly access: Access;
  readonly events: Events;
  readonly delays: Delays;
  readonly streams: Streams;
  readonly streamExchanges: StreamExchanges;
  readonly queueRecovery: QueueRecovery;
  /** What shard 0 has, where this one follows it. */
  readonly followed: FollowedMetadata | null;
  /** Null with one shard. */
  readonly shards: Shards | null;
  readonly moved: MovedQueues;
  /** What all shards have in common beside topology, access and streams: a shard that follows keeps none of it. */
  readonly copied: readonly SnapshotSection[];
  /** In the order in which they are restored. */
  readonly sections: readonly SnapshotSection[];
}

/** The durable state of a broker: gives each operation of the journal to its owner, and gathers the snapshot. */
export class BrokerState implements StateMachine {
  readonly #deps: BrokerStateDeps;
  readonly #sections: SnapshotSections;
  /** Until the journal is read, where shard 0 is followed: the shards of its queues, by the ids of their logs. */
  #shardOfLog = new Map<number, number>();

  constructor(deps: BrokerStateDeps) {
    this.#deps = deps;
    const { copied, sections, followed } = deps;
    // Those of streams come first.
    const [streams, ...others] = sections;
    const kept = followed === null ? copied : copied.map(withoutSnapshot);
    this.#sections = new SnapshotSections([streams, ...kept, ...others]);
    const named = (id: number): void => deps.shard.store.named(id);
    deps.queueRecovery.onLogOfOther = named;
  }

  /** Reads the data directory, then starts what makes changes of its own. */
  async recover(): Promise<void> {
    const { shard, delays, events, access, queueRecovery, followed, shards } = this.#deps;
    const clean = await shard.recover(this);
    shards?.metadataRecovered();
    if (followed === null)
      refuseQueuesElsewhere(this.#allQueues(), this.#deps.streams, shards?.seat.count ?? 1);
    // Not earlier: what expires or comes due makes changes that have to be in the journal.
    for (const queue of [...this.#queues()]) {
      queue.recovered(
        ({ log }) => (clean ? queueRecovery.deliveredBelow(log.id) : log.end),
        queueRecovery.readyBefore(queue.id),
      );
    }
    queueRecovery.finish();
    this.#shardOfLog.clear();
    delays.recovered();
    for (const section of this.#sections)
      if (!shard.isHeld || section.fillsQueues !== true) section.recovered?.();
    events.isOn = !shard.isHeld;
    if (followed === null) access.begin();
    shards?.recovered();
    this.#reportPatterns();
    shard.turn.schedule();
  }

  /** What an older broker took for a regular expression may be none: the start goes on without it. */
  #reportPatterns(): void {
    const { shard, access, vhosts } = this.#deps;
    for (const invalid of access.invalidPatterns()) {
      shard.log.error(invalid, 'a permission denies everything: its pattern is refused; set it anew');
    }
    for (const vhost of vhosts) {
      for (const { kind, policy, problem } of vhost.invalidPolicies()) {
        const { name, pattern } = policy;
        const fields = { vhost: vhost.name, [kind]: name, pattern, problem };
        shard.log.error(fields, 'a policy applies to nothing: its pattern is refused; set it anew');
      }
    }
  }

  /** No timer fires any more. */
  stop(): void {
    for (const queue of this.#queues()) queue.stop();
    this.#deps.delays.stop();
    for (const section of this.#sections) section.stop?.();
  }

  /** From the store: the snapshot, or null on an empty directory. */
  restore(snapshot: unknown): void {
    const { shard, queueRecovery, streams, followed, shards } = this.#deps;
    if (followed !== null) {
      // Its own ids are above all those that shard 0 gives.
      shard.nextLogId = OWN_LOG_IDS;
      for (const operation of followed.operations) this.applyMetadata(Buffer.from(operation, 'utf8'));
      for (const { id, shard: its, durable } of this.#allQueues()) if (durable) this.#shardOfLog.set(id, its);
      for (const { partitions } of streams)
        for (const { id, shard: its } of partitions) this.#shardOfLog.set(id, its);
    }
    if (snapshot === null) return;
    const {
      nextQueueId,
      metadata,
      delivered,
      queues,
      parts = [],
      followedChange = 0,
      changes = 0,
      taken = NOTHING_TAKEN,
    } = snapshot as BrokerSnapshot;
    shard.nextLogId = nextQueueId;
    queueRecovery.followedChange = followedChange;
    this.#assertNotAhead();
    for (const [id] of delivered) this.#assertOwn(id);
    queueRecovery.delivered(delivered);
    queueRecovery.delivered(taken.delivered);
    const operations = parts.map((operation) => Buffer.from(operation, 'utf8'));
    const isOfStreams = (operation: Buffer) => this.#sections.of(operation) === streams;
    // Exchanges refer to streams, the other sections to both.
    for (const operation of operations) if (isOfStreams(operation)) this.applyMetadata(operation);
    for (const operation of metadata) this.applyMetadata(Buffer.from(operation, 'utf8'));
    for (const operation of operations) if (!isOfStreams(operation)) this.applyMetadata(operation);
    for (const state of [...(queues ?? []), ...taken.queues]) queueRecovery.restore(state);
    for (const operation of taken.parts) this.applyMetadata(Buffer.from(operation, 'utf8'));
    if (shards !== null) shards.changes = changes;
  }

  applyMetadata(bytes: Buffer): void {
    const { shard, queueRecovery, access, vhosts, shards } = this.#deps;
    if (shards !== null && isMetadataChange(bytes)) shards.changes++;
    if (isQueueOperation(bytes)) {
      const opened = queueRecovery.apply(bytes);
      if (opened === null) return;
      // Now, as at the end of the journal the files of queues that are gone are deleted.
      this.#assertNotAhead();
      this.#assertOwn(opened);
      shard.store.named(opened);
    } else if (isAccessOperation(bytes)) access.apply(decodeAccessOperation(bytes));
    else {
      const section = this.#sections.of(bytes);
      if (section !== undefined) section.apply(bytes);
      // With one shard there is no section for it.
      else if (isOf({ prefix: OUTBOX_PREFIX }, bytes)) throw shardMissing(peerOf(bytes));
      else vhosts.apply(decodeOperation(bytes));
    }
  }

  snapshot(): BrokerSnapshot {
    const { shard, vhosts, followed, shards, moved } = this.#deps;
    const delivered: [number, number][] = [];
    const queues: QueueState[] = [];
    for (const queue of this.#queues()) {
      if (!queue.log.durable || queue.isRemoved) continue;
      for (const level of queue.levels) delivered.push([level.log.id, level.deliveredBelow]);
      const state = stateOf(queue, shard.nowMs);
      if (state !== null) queues.push(state);
    }
    const delays = vhosts.delaySnapshot().map(encodeOperation).map(bytesText);
    const parts = this.#sections.snapshot();
    const taken = moved.hasTaken ? { taken: moved.taken } : {};
    const base = { nextQueueId: shard.nextLogId, delivered, queues, parts, ...taken };
    if (followed === null) {
      const changes = shards === null ? {} : { changes: shards.changes };
      return { ...base, metadata: [...this.metadata(), ...delays], ...changes };
    }

    return { ...base, metadata: delays, followedChange: shards?.followedChange ?? 0 };
  }

  /** What all shards have in common. */
  metadata(): string[] {
    const { vhosts, access } = this.#deps;
    return [
      ...vhosts.topologySnapshot().map(encodeOperation),
      ...access.snapshot().map(encodeAccessOperation),
    ].map(bytesText);
  }

  /** As `metadata`, for a shard that follows. Streams are before the exchanges that they belong to, as at recovery. */
  followedMetadata(): string[] {
    const { streams, streamExchanges, copied, moved } = this.#deps;
    const operations = [...moved.all()].map(bytesText);
    for (const section of copied) for (const bytes of section.snapshot()) operations.push(bytesText(bytes));
    for (const text of this.metadata()) {
      operations.push(text);
      if (!text.startsWith('{"op":"vhost.create"')) continue;
      const { vhost } = decodeOperation(Buffer.from(text, 'utf8'));
      for (const bytes of streams.followedIn(vhost)) operations.push(bytesText(bytes));
      for (const bytes of streamExchanges.followedIn(vhost)) operations.push(bytesText(bytes));
    }
    return operations;
  }

  /** What is restored from a copy may be older than what others have seen of it. */
  #assertNotAhead(): void {
    const { followed, shards, queueRecovery } = this.#deps;
    if (followed === null || queueRecovery.followedChange <= followed.recoveredChanges) return;
    throw new Error(
      `shard ${shards?.seat.number} knows ${queueRecovery.followedChange} changes of the metadata, and shard 0 has ` +
        `${followed.recoveredChanges} of them: shard 0 is older, as after a restored copy. Restore all shards from the same copy`,
    );
  }

  /**
   * The directories of two shards that were exchanged would each be full of logs that its shard has not, which are removed at the end
   * of recovery. A queue that was moved may have left its logs where it was.
   */
  #assertOwn(logId: number): void {
    const { shards, moved } = this.#deps;
    const number = shards?.seat.number ?? 0;
    const its = this.#shardOfLog.get(logId) ?? number;
    if (its === number || moved.hasLeft(number, logId)) return;
    throw new Error(
      `the directory of shard ${number} has the log of a queue that is in shard ${its}: directories of shards were exchanged, or are ` +
        'from different copies. Nothing was removed. Put each back in its place, shards/1, shards/2 and so on, and start again',
    );
  }

  *#allQueues(): Generator<AnyQueue> {
    for (const vhost of this.#deps.vhosts) yield* vhost.queues();
  }

  /** Those of this shard. */
  *#queues(): Generator<Queue> {
    for (const vhost of this.#deps.vhosts) yield* localOf(vhost.queues());
  }
}

/** Followed: what is there comes from shard 0. */
function withoutSnapshot(section: SnapshotSection): SnapshotSection {
  return {
    prefix: section.prefix,
    apply: (operation) => section.apply(operation),
    snapshot: () => [],
    recovered: () => section.recovered?.(),
    stop: () => section.stop?.(),
  };
}

function bytesText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8');
}
