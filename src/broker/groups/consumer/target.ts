import type { Work } from '../../../base/turn-time.ts';
import { equals, NO_PARTITIONS, type PartitionSet } from '../partition-sets.ts';
import type { GroupStream } from '../ports.ts';
import type { Assignor } from './assignor.ts';
import type { ConsumerMember } from './consumer-member.ts';
import { assignRanges } from './range-assignor.ts';
import { hashOf, type Subscriptions } from './subscriptions.ts';
import { assignUniformly } from './uniform-assignor.ts';

/** By the names that members ask for. */
export const ASSIGNORS: ReadonlyMap<string, Assignor> = new Map([
  ['uniform', assignUniformly],
  ['range', assignRanges],
]);
/** Unless the members prefer another. */
export const DEFAULT_ASSIGNOR = 'uniform';

const STREAMS_PER_STEP = 64;

interface Reader {
  readonly member: ConsumerMember;
  readonly streamIds: ReadonlySet<string>;
}

/** What the members of a group read, as it was when this was made. */
export class Reading {
  /** Another text for other streams, or other numbers of partitions. */
  readonly hash: string;
  readonly #streams: ReadonlyMap<string, GroupStream>;
  readonly #readers: readonly Reader[];

  static *of(members: Iterable<ConsumerMember>, subscriptions: Subscriptions): Work<Reading> {
    const all = new Map<string, GroupStream>();
    const readers: Reader[] = [];
    for (const member of [...members]) {
      const streams = subscriptions.streamsOf(member);
      for (const [id, stream] of streams) all.set(id, stream);
      readers.push({ member, streamIds: new Set(streams.keys()) });
      // A member can read as much as a thousand others.
      for (let count = 0; count <= streams.size; count += STREAMS_PER_STEP) yield;
    }
    return new Reading(readers, all);
  }

  private constructor(readers: readonly Reader[], streams: ReadonlyMap<string, GroupStream>) {
    this.#readers = readers;
    this.#streams = streams;
    this.hash = hashOf(streams.values());
  }

  get expressions(): ReadonlySet<string> {
    return new Set(this.#readers.map(({ member }) => member.wishes.expression ?? ''));
  }

  /** What most members want. */
  get assignor(): string {
    const votes = new Map<string, number>();
    for (const { member } of this.#readers) {
      const { assignor } = member.wishes;
      if (assignor !== null) votes.set(assignor, (votes.get(assignor) ?? 0) + 1);
    }
    let best = DEFAULT_ASSIGNOR;
    for (const [name, count] of votes) if (count > (votes.get(best) ?? 0)) best = name;
    return best;
  }

  /** What each shall have, of those for whom that is something else than before. */
  *divide(assignor: string): Work<Map<ConsumerMember, PartitionSet>> {
    const assign = ASSIGNORS.get(assignor) ?? assignUniformly;
    const members = this.#readers.map(({ member: { id, instanceId, target }, streamIds }) => ({
      id,
      instanceId,
      target,
      streamIds,
    }));
    const sorted = [...this.#streams.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    const targets = yield* assign(
      members,
      sorted.map(({ id, partitions }) => ({ id, partitionCount: partitions.length })),
    );
    const others = new Map<ConsumerMember, PartitionSet>();
    for (const { member } of this.#readers) {
      const target = targets.get(member.id) ?? NO_PARTITIONS;
      if (!equals(target, member.target)) others.set(member, target);
      yield;
    }
    return others;
  }
}
