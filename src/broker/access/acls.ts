import type { Work } from '../../base/turn-time.ts';
import { BrokerError } from '../errors.ts';
import type { AccessChanges } from './access-changes.ts';
import type { AccessState } from './access-state.ts';
import { type Acl, type AclFilter, fitsFilter, problemOf } from './acl.ts';

/** Each is looked at by some questions. */
const ACLS_MAX = 20_000;
const LOOKS_PER_STEP = 64;

/** The access control lists of the virtual hosts: to list and to change. */
export class Acls {
  readonly #state: AccessState;
  readonly #changes: AccessChanges;
  readonly #hasVhost: (name: string) => boolean;

  constructor(state: AccessState, changes: AccessChanges, hasVhost: (name: string) => boolean) {
    this.#state = state;
    this.#changes = changes;
    this.#hasVhost = hasVhost;
  }

  list(vhost: string, filter: AclFilter = {}): Acl[] {
    return this.#state.acls.get(vhost)?.find(filter) ?? [];
  }

  /** As `list`, some in each step. */
  *find(vhost: string, filter: AclFilter): Work<Acl[]> {
    const found: Acl[] = [];
    let looks = 0;
    for (const acl of this.#state.acls.get(vhost) ?? []) {
      if (fitsFilter(acl, filter)) found.push(acl);
      if (++looks % LOOKS_PER_STEP === 0) yield;
    }
    return found;
  }

  /** In effect at once; resolves when it is durable. @throws BrokerError, and has changed nothing */
  add(vhost: string, acl: Acl): Promise<void> {
    if (!this.#hasVhost(vhost)) throw new BrokerError('not-found', `no vhost '${vhost}'`);
    const problem = problemOf(acl);
    if (problem !== null) throw new BrokerError('precondition-failed', problem);
    const table = this.#state.acls.get(vhost);
    if (table?.has(acl) === true) return this.#changes.make();
    if ((table?.size ?? 0) >= ACLS_MAX) {
      throw new BrokerError(
        'resource-error',
        `vhost '${vhost}' has ${ACLS_MAX} ACLs, which is all it may have`,
      );
    }
    return this.#changes.make({ op: 'access.acl.add', vhost, acl });
  }

  has(vhost: string, acl: Acl): boolean {
    return this.#state.acls.get(vhost)?.has(acl) ?? false;
  }

  count(vhost: string): number {
    return this.#state.acls.get(vhost)?.size ?? 0;
  }

  /** It is gone at once; resolves when it is for good. */
  delete(vhost: string, acl: Acl): Promise<void> {
    return this.#changes.make({ op: 'access.acl.remove', vhost, acl });
  }

  /** Those that fit, which are gone at once; `durable` resolves when they are for good. */
  remove(
    vhost: string,
    filter: AclFilter,
  ): { readonly removed: readonly Acl[]; readonly durable: Promise<void> } {
    const removed = this.list(vhost, filter);
    let durable = Promise.resolve();
    for (const acl of removed) durable = this.delete(vhost, acl);
    return { removed, durable };
  }
}
