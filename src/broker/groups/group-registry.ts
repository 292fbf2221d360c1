import { ObjectQuotas } from '../budget/object-quotas.ts';
import { Group, type GroupOwner } from './group.ts';
import { GroupQuotas } from './group-quotas.ts';
import type { CommitRequest } from './offset-commit.ts';
import { isUseless } from './offset-retention.ts';
import type { GroupDeps, OtherGroups } from './ports.ts';

/** Which groups there are, by virtual host and name, and which of them have pending offsets of which producer. */
export class GroupRegistry {
  readonly quotas: GroupQuotas;
  /** Groups of other kinds, with a home of their own: a name is one group's, of whatever kind. */
  readonly others: OtherGroups[] = [];
  readonly #deps: GroupDeps;
  readonly #owner: GroupOwner;
  readonly #byVhost = new Map<string, Map<string, Group>>();
  /** Groups with pending offsets, by the id of the producer. */
  readonly #pending = new Map<number, Set<Group>>();

  constructor(deps: GroupDeps, owner: GroupOwner) {
    this.#deps = deps;
    this.#owner = owner;
    this.quotas = new GroupQuotas(deps.quotas ?? new ObjectQuotas());
  }

  find(vhost: string, id: string): Group | undefined {
    return this.#byVhost.get(vhost)?.get(id);
  }

  list(vhost: string): Group[] {
    return [...(this.#byVhost.get(vhost)?.values() ?? [])];
  }

  /** Of all virtual hosts. A group may be removed meanwhile. */
  *all(): Iterable<Group> {
    for (const groups of this.#byVhost.values()) yield* groups.values();
  }

  otherOf(vhost: string, id: string): OtherGroups | undefined {
    return this.others.find((others) => others.has(vhost, id));
  }

  create(vhost: string, id: string, user?: string): Group {
    const groups = this.#byVhost.get(vhost) ?? new Map<string, Group>();
    this.#byVhost.set(vhost, groups);
    const group = new Group(vhost, id, this.#deps, this.#owner, this.quotas.account(user));
    groups.set(id, group);
    this.quotas.added(group);
    return group;
  }

  findOrCreate(vhost: string, id: string): Group {
    return this.find(vhost, id) ?? this.create(vhost, id);
  }

  remove(group: Group): void {
    if (group.isRemoved) return;
    this.#byVhost.get(group.vhost)?.delete(group.id);
    group.remove();
    this.quotas.removed(group);
    for (const [producer, groups] of this.#pending) {
      if (groups.delete(group) && groups.size === 0) this.#pending.delete(producer);
    }
  }

  /** What a request that was refused has made. */
  removeIfUnused(group: Group): void {
    if (isUseless(group)) this.remove(group);
  }

  /** Nothing is left of it. */
  removeVhost(vhost: string): void {
    this.#byVhost.delete(vhost);
  }

  hasPending(producer: number): boolean {
    return this.#pending.has(producer);
  }

  pendingOf(producer: number): Iterable<Group> {
    return this.#pending.get(producer) ?? [];
  }

  addPending(group: Group, producer: number, t: number, rows: CommitRequest['rows']): void {
    group.offsets.addPending(producer, t, rows);
    this.quotas.resized(group);
    const groups = this.#pending.get(producer) ?? new Set<Group>();
    this.#pending.set(producer, groups.add(group));
  }

  completePending(producer: number, isCommitted: boolean): void {
    for (const group of this.pendingOf(producer)) {
      group.offsets.complete(producer, isCommitted);
      this.quotas.resized(group);
    }
    this.#pending.delete(producer);
  }
}
