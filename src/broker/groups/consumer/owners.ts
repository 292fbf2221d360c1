import { has, type PartitionSet } from '../partition-sets.ts';
import type { ConsumerMember } from './consumer-member.ts';

/** Who holds which partition, or has not said yet that it let go of it. */
export class Owners {
  readonly #byStream = new Map<string, Map<number, ConsumerMember>>();
  readonly #owned = new Map<ConsumerMember, PartitionSet>();

  /** Nobody else holds it. */
  mayOwn(member: ConsumerMember, streamId: string, partition: number): boolean {
    const owner = this.#byStream.get(streamId)?.get(partition);
    return owner === undefined || owner === member;
  }

  /** Whether there is anything of its target that the member does not have, and nobody else holds. */
  hasFreeFor(member: ConsumerMember): boolean {
    for (const [streamId, partitions] of member.target) {
      for (const partition of partitions) {
        if (has(member.assigned, streamId, partition)) continue;
        if (this.mayOwn(member, streamId, partition)) return true;
      }
    }
    return false;
  }

  /** What the member holds now is what it says. */
  set(member: ConsumerMember): void {
    this.release(member);
    const { owned } = member;
    for (const [streamId, partitions] of owned) {
      const owners = this.#byStream.get(streamId) ?? new Map<number, ConsumerMember>();
      this.#byStream.set(streamId, owners);
      for (const partition of partitions) owners.set(partition, member);
    }
    this.#owned.set(member, owned);
  }

  release(member: ConsumerMember): void {
    for (const [streamId, partitions] of this.#owned.get(member) ?? []) {
      const owners = this.#byStream.get(streamId);
      for (const partition of partitions) if (owners?.get(partition) === member) owners.delete(partition);
      if (owners?.size === 0) this.#byStream.delete(streamId);
    }
    this.#owned.delete(member);
  }
}
