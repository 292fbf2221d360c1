import { NO_PARTITIONS, type PartitionSet } from '../partition-sets.ts';
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

/** What the members of a group read, as it is now. */
export class Reading {
  /** Another text for other streams, or other numbers of partitions. */
  readonly hash: string;
  readonly #streams = new Map<string, GroupStream>();
  readonly #members: { readonly member: ConsumerMember; readonly streamIds: ReadonlySet<string> }[];

  constructor(members: Iterable<ConsumerMember>, subscriptions: Subscriptions) {
    this.#members = Array.from(members, (member) => {
      const streams = subscriptions.streamsOf(member);
      for (const [id, stream] of streams) this.#streams.set(id, stream);
      return { member, streamIds: new Set(streams.keys()) };
    });
    this.hash = hashOf(this.#streams.values());
  }

  get expressions(): ReadonlySet<string> {
    return new Set(this.#members.map(({ member }) => member.wishes.expression ?? ''));
  }

  /** What most members want. */
  get assignor(): string {
    const votes = new Map<string, number>();
    for (const { member } of this.#members) {
      const { assignor } = member.wishes;
      if (assignor !== null) votes.set(assignor, (votes.get(assignor) ?? 0) + 1);
    }
    let best = DEFAULT_ASSIGNOR;
    for (const [name, count] of votes) if (count > (votes.get(best) ?? 0)) best = name;
    return best;
  }

  /** What each shall have. */
  *divide(assignor: string): Iterable<readonly [ConsumerMember, PartitionSet]> {
    const assign = ASSIGNORS.get(assignor) ?? assignUniformly;
    const members = this.#members.map(({ member: { id, instanceId, target }, streamIds }) => ({
      id,
      instanceId,
      target,
      streamIds,
    }));
    const sorted = [...this.#streams.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    const targets = assign(
      members,
      sorted.map(({ id, partitions }) => ({ id, partitionCount: partitions.length })),
    );
    for (const { member } of this.#members) yield [member, targets.get(member.id) ?? NO_PARTITIONS];
  }
}
