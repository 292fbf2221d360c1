import type { GroupErrorKind } from './group-error.ts';

/** What static membership needs to know of a member. */
interface NamedMember {
  readonly id: string;
  /** `group.instance.id`; null for a dynamic member. */
  readonly instanceId: string | null;
}

/**
 * Kafka's static membership (KIP-345): the members of a group by `group.instance.id`, the name that a client keeps over
 * restarts, while it gets another id each time.
 */
export class StaticMembers {
  readonly #ids = new Map<string, string>();

  /** The id of the member that has this name; undefined if nobody has it, or there is no name. */
  idOf(instanceId: string | null): string | undefined {
    return instanceId === null ? undefined : this.#ids.get(instanceId);
  }

  /**
   * What stands against a request in this name from the member `memberId`: nobody has the name, also if the member is
   * known without it, or another member has it. Null if nothing does, or there is no name.
   */
  refusalOf(memberId: string, instanceId: string | null): GroupErrorKind | null {
    if (instanceId === null) return null;
    const id = this.#ids.get(instanceId);
    if (id === undefined) return 'unknown-member';
    return id === memberId ? null : 'fenced-instance';
  }

  /** A member that has its name from now on, whoever had it before. Dynamic members are let be. */
  add({ id, instanceId }: NamedMember): void {
    if (instanceId !== null) this.#ids.set(instanceId, id);
  }

  /** The name stays with a successor that has it already. */
  remove({ id, instanceId }: NamedMember): void {
    if (instanceId !== null && this.#ids.get(instanceId) === id) this.#ids.delete(instanceId);
  }

  clear(): void {
    this.#ids.clear();
  }
}
