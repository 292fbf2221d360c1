import type { ObjectAccount } from '../budget/object-account.ts';
import type { ObjectQuotas } from '../budget/object-quotas.ts';
import type { JoinRequest } from './classic/requests.ts';
import type { HeartbeatRequest } from './consumer/requests.ts';
import type { Group } from './group.ts';
import { GroupError, type GroupErrorKind } from './group-error.ts';
import type { CommitRequest } from './offset-commit.ts';

/**
 * Counts groups, and their members and offsets, for the user who began with the group: whoever joins it later has been
 * given access to it.
 */
export class GroupQuotas {
  readonly #quotas: ObjectQuotas;

  constructor(quotas: ObjectQuotas) {
    this.#quotas = quotas;
  }

  account(user: string | undefined): ObjectAccount | null {
    return this.#quotas.account(user);
  }

  added({ account, vhost }: Group): void {
    this.#quotas.change('groups', account, vhost, 1);
  }

  removed(group: Group): void {
    this.#resize(group, 0, 0);
    this.#quotas.change('groups', group.account, group.vhost, -1);
  }

  /** There may be more or fewer members or offsets. */
  resized(group: Group): void {
    if (!group.isRemoved) this.#resize(group, group.memberCount, group.offsets.partitionCount);
  }

  /** From the journal: who began with the group. */
  setOwner(group: Group, user: string): void {
    const account = this.#quotas.account(user);
    group.isAccountKept = true;
    if (account === group.account) return;
    this.removed(group);
    group.account = account;
    this.added(group);
    this.resized(group);
  }

  /** @throws GroupError limit-reached, unavailable */
  admitGroup(vhost: string, user: string | undefined): void {
    refuse(this.#quotas.refusal('groups', this.#quotas.account(user), vhost));
  }

  /** One more member; with `group` undefined, of a group that is made for it. @throws GroupError limit-reached, unavailable */
  admitMember(vhost: string, group: Group | undefined, user: string | undefined): void {
    if (group === undefined) this.admitGroup(vhost, user);
    const account = group === undefined ? this.#quotas.account(user) : group.account;
    refuse(this.#quotas.refusal('members', account, vhost));
  }

  /** As `admitMember`, unless it is in the group already. */
  admitConsumer(vhost: string, group: Group | undefined, { memberId, user }: HeartbeatRequest): void {
    refuse(this.#quotas.refusalOfWrite());
    const membership = group?.membership;
    if (membership?.type === 'consumer' && membership.members.has(memberId)) return;
    this.admitMember(vhost, group, user);
  }

  /** As `admitMember`, for a classic group. Null if nothing stands against it. */
  refusalOfJoin(
    vhost: string,
    group: Group | undefined,
    { memberId, instanceId, user }: JoinRequest,
  ): GroupErrorKind | null {
    try {
      // Each join is a new generation, which is written.
      refuse(this.#quotas.refusalOfWrite());
      // Whoever has an id is counted, and so is one that comes back under its own name.
      if (memberId !== '' || (group !== undefined && isKept(group, instanceId))) return null;
      this.admitMember(vhost, group, user);
      return null;
    } catch (error) {
      if (error instanceof GroupError) return error.kind;
      throw error;
    }
  }

  /** @throws GroupError limit-reached, unavailable */
  admitOffsets({ account, vhost, offsets }: Group, rows: CommitRequest['rows']): void {
    refuse(this.#quotas.refusalOfWrite());
    let added = 0;
    for (const streamId in rows) {
      for (const row of rows[streamId]) if (!offsets.has(streamId, row[0])) added++;
    }
    if (added > 0) refuse(this.#quotas.refusal('offsets', account, vhost, added));
  }

  #resize(group: Group, members: number, offsets: number): void {
    const { account, vhost } = group;
    this.#quotas.change('members', account, vhost, members - group.countedMembers);
    this.#quotas.change('offsets', account, vhost, offsets - group.countedOffsets);
    group.countedMembers = members;
    group.countedOffsets = offsets;
  }
}

function isKept({ membership }: Group, instanceId: string | null): boolean {
  return membership.type === 'classic' && membership.roster.staticMembers.idOf(instanceId) !== undefined;
}

/** @throws GroupError */
export function refuse(refusal: ReturnType<ObjectQuotas['refusal']>): void {
  if (refusal === null) return;
  throw new GroupError(refusal.kind === 'limit-reached' ? 'limit-reached' : 'unavailable', refusal.text);
}
