import type { Table } from '../../base/value.ts';
import type { MatchedKind } from './apply-to.ts';
import { mergeDefinitions, type PolicyKind } from './operator-policy.ts';
import { ActivePolicy, type Policy } from './policy.ts';

/** What policies come to for one queue or exchange. */
export interface AppliedPolicies {
  readonly policy: Policy | null;
  readonly operatorPolicy: Policy | null;
  /** Both of them merged: what counts beside the arguments. */
  readonly definition: Table;
}

const nothing: AppliedPolicies = { policy: null, operatorPolicy: null, definition: {} };

/** The policies and operator policies of a virtual host. */
export class Policies {
  readonly #byKind = { policy: new PolicySet(), 'operator-policy': new PolicySet() } as const;

  get isEmpty(): boolean {
    return Object.values(this.#byKind).every(({ ordered }) => ordered.length === 0);
  }

  /** Returns both the one that was there under this name and the new one: what either matches may have changed. */
  set(kind: PolicyKind, policy: Policy): ActivePolicy[] {
    return this.#byKind[kind].set(policy);
  }

  /** Returns the one that was removed, if it was there. */
  clear(kind: PolicyKind, name: string): ActivePolicy[] {
    return this.#byKind[kind].clear(name);
  }

  has(kind: PolicyKind, name: string): boolean {
    return this.#byKind[kind].has(name);
  }

  /** The one that counts most first. */
  list(kind: PolicyKind): Policy[] {
    return this.#byKind[kind].ordered.map(({ policy }) => policy);
  }

  /** Those that apply to nothing, with the reason: of an older data directory, and with a pattern that is none now. */
  *invalid(): Generator<{ readonly kind: PolicyKind; readonly policy: Policy; readonly problem: string }> {
    for (const kind of ['policy', 'operator-policy'] as const) {
      for (const { policy, problem } of this.#byKind[kind].ordered) {
        if (problem !== null) yield { kind, policy, problem };
      }
    }
  }

  appliedTo(kind: MatchedKind, name: string): AppliedPolicies {
    const policy = this.#byKind.policy.find(kind, name);
    const operatorPolicy = this.#byKind['operator-policy'].find(kind, name);
    if (policy === null && operatorPolicy === null) return nothing;
    const definition = mergeDefinitions(policy?.definition ?? null, operatorPolicy?.definition ?? null);
    return { policy, operatorPolicy, definition };
  }
}

class PolicySet {
  /** By priority, the highest first; of the same priority by name, so that the order is always the same. */
  ordered: readonly ActivePolicy[] = [];

  set(policy: Policy): ActivePolicy[] {
    const active = new ActivePolicy(policy);
    const before = this.clear(policy.name);
    this.ordered = [...this.ordered, active].sort(byPrecedence);
    return [...before, active];
  }

  clear(name: string): ActivePolicy[] {
    const removed = this.ordered.filter(({ policy }) => policy.name === name);
    this.ordered = this.ordered.filter(({ policy }) => policy.name !== name);
    return removed;
  }

  has(name: string): boolean {
    return this.ordered.some(({ policy }) => policy.name === name);
  }

  find(kind: MatchedKind, name: string): Policy | null {
    return this.ordered.find((active) => active.matches(kind, name))?.policy ?? null;
  }
}

function byPrecedence({ policy: a }: ActivePolicy, { policy: b }: ActivePolicy): number {
  if (a.priority !== b.priority) return b.priority - a.priority;
  return a.name < b.name ? -1 : 1;
}
