import type { ConsumerChange } from './consumer/ports.ts';
import type { Group } from './group.ts';
import type { GroupRegistry } from './group-registry.ts';
import { decodeGroupOperation, encodeGroupOperation, type GroupOperation } from './operations.ts';
import type { GroupDeps } from './ports.ts';

/** What the journal and the snapshot have of groups: written as they change, and read at recovery. */
export class GroupJournal {
  readonly #deps: GroupDeps;
  readonly #registry: GroupRegistry;

  constructor(deps: GroupDeps, registry: GroupRegistry) {
    this.#deps = deps;
    this.#registry = registry;
  }

  /** The number of the block in which the operation is. */
  record(operation: GroupOperation): number {
    return this.#deps.record(encodeGroupOperation(operation));
  }

  /** Says whose the group is, if that was not said: before anything else is said of it. */
  keepOwner(group: Group): void {
    if (group.isAccountKept) return;
    group.isAccountKept = true;
    const u = group.account?.openName ?? null;
    if (u !== null) this.record({ op: 'group.owner', v: group.vhost, g: group.id, u });
  }

  keepClassic(group: Group): void {
    const { membership, vhost: v, id: g } = group;
    if (membership.type !== 'classic') return;
    const operation = encodeGroupOperation({ op: 'group.classic', v, g, ...membership.stateToKeep() });
    group.keptMembership = operation;
    this.keepOwner(group);
    group.membershipBlock = this.#deps.record(operation);
  }

  keepConsumer(group: Group, change: ConsumerChange): void {
    group.keptMembership = null;
    this.keepOwner(group);
    group.membershipBlock = this.record({ op: 'group.consumer', v: group.vhost, g: group.id, ...change });
  }

  apply(bytes: Uint8Array): void {
    const operation = decodeGroupOperation(bytes);
    this.#apply(operation, bytes);
    if ('g' in operation) {
      const group = this.#registry.find(operation.v, operation.g);
      if (group !== undefined) this.#registry.quotas.resized(group);
    }
  }

  #apply(operation: GroupOperation, bytes: Uint8Array): void {
    const registry = this.#registry;
    switch (operation.op) {
      case 'group.owner':
        registry.quotas.setOwner(registry.findOrCreate(operation.v, operation.g), operation.u);
        return;
      case 'group.classic': {
        const group = registry.findOrCreate(operation.v, operation.g);
        group.keptMembership = Uint8Array.from(bytes);
        group.becomeClassic().restore(operation);
        return;
      }
      case 'group.consumer':
        registry.findOrCreate(operation.v, operation.g).becomeConsumer().restore(operation);
        return;
      case 'group.commit':
        registry.findOrCreate(operation.v, operation.g).offsets.commit(operation.t, operation.o);
        return;
      case 'group.pending': {
        const group = registry.findOrCreate(operation.v, operation.g);
        registry.addPending(group, operation.producer, operation.t, operation.o);
        return;
      }
      case 'group.complete':
        registry.completePending(operation.producer, operation.committed);
        return;
      case 'group.forget': {
        const offsets = registry.find(operation.v, operation.g)?.offsets;
        for (const [streamId, partitions] of Object.entries(operation.o)) {
          for (const partition of partitions) offsets?.forget(streamId, partition);
        }
        return;
      }
      case 'group.delete': {
        const group = registry.find(operation.v, operation.g);
        if (group !== undefined) registry.remove(group);
      }
    }
  }

  *snapshot(): Iterable<Uint8Array> {
    for (const group of this.#registry.all()) {
      const { vhost: v, id: g, membership } = group;
      const u = group.account?.openName ?? null;
      if (u !== null) yield encodeGroupOperation({ op: 'group.owner', v, g, u });
      if (membership.type === 'consumer') {
        yield encodeGroupOperation({ op: 'group.consumer', v, g, ...membership.stateToKeep() });
      } else if (group.keptMembership !== null) {
        yield group.keptMembership;
      }
      for (const { producer, t, o } of group.offsets.rows()) {
        if (producer === null) yield encodeGroupOperation({ op: 'group.commit', v, g, t, o });
        else yield encodeGroupOperation({ op: 'group.pending', v, g, t, producer, o });
      }
    }
  }
}
