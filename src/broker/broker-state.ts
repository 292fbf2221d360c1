import type { StateMachine } from '../log/store.ts';
import type { Access } from './access/access.ts';
import { decodeAccessOperation, encodeAccessOperation, isAccessOperation } from './access/operations.ts';
import type { Delays } from './delays/delays.ts';
import type { Events } from './events/events.ts';
import type { Queue } from './queues/queue.ts';
import { isQueueOperation } from './queues/queue-operations.ts';
import { type QueueRecovery, type QueueState, stateOf } from './queues/queue-recovery.ts';
import type { Shard } from './shard/shard.ts';
import { type SnapshotSection, SnapshotSections } from './shard/snapshot-section.ts';
import type { Streams } from './streams/streams.ts';
import { decodeOperation, encodeOperation } from './topology/metadata.ts';
import type { VirtualHosts } from './topology/virtual-hosts.ts';

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
}

export interface BrokerStateDeps {
  readonly shard: Shard;
  readonly vhosts: VirtualHosts<Queue>;
  readonly access: Access;
  readonly events: Events;
  readonly delays: Delays;
  readonly streams: Streams;
  readonly queueRecovery: QueueRecovery;
  /** In the order in which they are restored. */
  readonly sections: readonly SnapshotSection[];
}

/** The durable state of a broker: gives each operation of the journal to its owner, and gathers the snapshot. */
export class BrokerState implements StateMachine {
  readonly #deps: BrokerStateDeps;
  readonly #sections: SnapshotSections;

  constructor(deps: BrokerStateDeps) {
    this.#deps = deps;
    this.#sections = new SnapshotSections(deps.sections);
  }

  /** Reads the data directory, then starts what makes changes of its own. */
  async recover(): Promise<void> {
    const { shard, delays, events, access, queueRecovery } = this.#deps;
    const clean = await shard.recover(this);
    // Not earlier: what expires or comes due makes changes that have to be in the journal.
    for (const queue of [...this.#queues()]) {
      queue.recovered(
        ({ log }) => (clean ? queueRecovery.deliveredBelow(log.id) : log.end),
        queueRecovery.readyBefore(queue.id),
      );
    }
    queueRecovery.finish();
    delays.recovered();
    for (const section of this.#sections) section.recovered?.();
    events.isOn = true;
    access.begin();
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
    if (snapshot === null) return;
    const { shard, queueRecovery, streams } = this.#deps;
    const { nextQueueId, metadata, delivered, queues, parts = [] } = snapshot as BrokerSnapshot;
    shard.nextLogId = nextQueueId;
    queueRecovery.delivered(delivered);
    const operations = parts.map((operation) => Buffer.from(operation, 'utf8'));
    const isOfStreams = (operation: Buffer) => this.#sections.of(operation) === streams;
    // Exchanges refer to streams, the other sections to both.
    for (const operation of operations) if (isOfStreams(operation)) this.applyMetadata(operation);
    for (const operation of metadata) this.applyMetadata(Buffer.from(operation, 'utf8'));
    for (const operation of operations) if (!isOfStreams(operation)) this.applyMetadata(operation);
    for (const state of queues ?? []) queueRecovery.restore(state);
  }

  applyMetadata(bytes: Buffer): void {
    const { queueRecovery, access, vhosts } = this.#deps;
    if (isQueueOperation(bytes)) queueRecovery.apply(bytes);
    else if (isAccessOperation(bytes)) access.apply(decodeAccessOperation(bytes));
    else {
      const section = this.#sections.of(bytes);
      if (section !== undefined) section.apply(bytes);
      else vhosts.apply(decodeOperation(bytes));
    }
  }

  snapshot(): BrokerSnapshot {
    const { shard, vhosts, access } = this.#deps;
    const delivered: [number, number][] = [];
    const queues: QueueState[] = [];
    for (const queue of this.#queues()) {
      if (!queue.log.durable) continue;
      for (const level of queue.levels) delivered.push([level.log.id, level.deliveredBelow]);
      const state = stateOf(queue, shard.nowMs);
      if (state !== null) queues.push(state);
    }
    const metadata = [
      ...vhosts.snapshot().map(encodeOperation),
      ...access.snapshot().map(encodeAccessOperation),
    ].map((bytes) => Buffer.from(bytes).toString('utf8'));
    return {
      nextQueueId: shard.nextLogId,
      metadata,
      delivered,
      queues,
      parts: this.#sections.snapshot(),
    };
  }

  *#queues(): Generator<Queue> {
    for (const vhost of this.#deps.vhosts) yield* vhost.queues();
  }
}
