import {
  type Acl,
  type AclFilter,
  type AclOperation,
  type AclResource,
  ANY_HOST,
  ANY_NAME,
  ANY_USER,
  aclKey,
  coversName,
  fitsFilter,
  isAbout,
} from './acl.ts';

/** Who asks, under all the names that an access control list may use, and from where. */
export interface Asker {
  /** `User:ada`. */
  readonly principals: readonly string[];
  readonly host: string;
}

interface OfResource {
  readonly literal: Map<string, Map<string, Acl>>;
  readonly prefixed: Map<string, Acl>;
}

/** The access control list of one virtual host. */
export class AclTable {
  readonly #all = new Map<string, Acl>();
  readonly #byResource = new Map<AclResource, OfResource>();

  get size(): number {
    return this.#all.size;
  }

  [Symbol.iterator](): IterableIterator<Acl> {
    return this.#all.values();
  }

  has(acl: Acl): boolean {
    return this.#all.has(aclKey(acl));
  }

  /** One that is there already is not there twice. */
  add(acl: Acl): void {
    const key = aclKey(acl);
    this.#all.set(key, acl);
    this.#listOf(acl).set(key, acl);
  }

  delete(acl: Acl): void {
    const key = aclKey(acl);
    if (!this.#all.delete(key)) return;
    const list = this.#listOf(acl);
    list.delete(key);
    if (list.size === 0 && acl.pattern === 'literal') this.#of(acl.resource).literal.delete(acl.name);
  }

  find(filter: AclFilter): Acl[] {
    return [...this].filter((acl) => fitsFilter(acl, filter));
  }

  /** Whether anything is said about these principals. */
  names(principals: readonly string[]): boolean {
    for (const { principal, permission } of this) {
      if (permission === 'allow' && isOneOf(principal, principals)) return true;
    }
    return false;
  }

  /** What is denied is denied, whatever else is said. Null: nothing is said. */
  decide(
    asker: Asker,
    operation: AclOperation,
    resource: AclResource,
    name: string,
  ): Acl['permission'] | null {
    const lists = this.#byResource.get(resource);
    if (lists === undefined) return null;
    let isAllowed = false;
    for (const list of [lists.literal.get(name), lists.literal.get(ANY_NAME), lists.prefixed]) {
      if (list === undefined) continue;
      for (const acl of list.values()) {
        if (!coversName(acl, name) || !isAbout(acl, operation) || !isFor(acl, asker)) continue;
        if (acl.permission === 'deny') return 'deny';
        isAllowed = true;
      }
    }
    return isAllowed ? 'allow' : null;
  }

  /**
   * Whether the operation is allowed on some resource of the kind, whatever its name: on one that is not denied. As
   * KIP-679 has it: to be allowed to write to any topic is to be allowed to write idempotently.
   */
  allowsAny(asker: Asker, operation: AclOperation, resource: AclResource): boolean {
    const denied: Acl[] = [];
    const allowed: Acl[] = [];
    for (const acl of this) {
      if (acl.resource !== resource || !isAbout(acl, operation) || !isFor(acl, asker)) continue;
      (acl.permission === 'deny' ? denied : allowed).push(acl);
    }
    return allowed.some((acl) => !denied.some((deny) => includesAll(deny, acl)));
  }

  #listOf({ resource, pattern, name }: Acl): Map<string, Acl> {
    const { literal, prefixed } = this.#of(resource);
    if (pattern === 'prefixed') return prefixed;
    let list = literal.get(name);
    if (list === undefined) literal.set(name, (list = new Map()));
    return list;
  }

  #of(resource: AclResource): OfResource {
    let lists = this.#byResource.get(resource);
    if (lists === undefined) {
      this.#byResource.set(resource, (lists = { literal: new Map(), prefixed: new Map() }));
    }
    return lists;
  }
}

function isFor({ principal, host }: Acl, asker: Asker): boolean {
  return (host === ANY_HOST || host === asker.host) && isOneOf(principal, asker.principals);
}

function isOneOf(principal: string, principals: readonly string[]): boolean {
  return principal === ANY_USER || principals.includes(principal);
}

/** Whether every name that the one is about is one that the other is about. */
function includesAll(outer: Acl, inner: Acl): boolean {
  if (outer.pattern === 'literal' && outer.name === ANY_NAME) return true;
  if (inner.pattern === 'literal' && inner.name === ANY_NAME) return false;
  if (outer.pattern === 'literal') return inner.pattern === 'literal' && inner.name === outer.name;
  return inner.name.startsWith(outer.name);
}
