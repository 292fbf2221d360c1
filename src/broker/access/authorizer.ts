import type { Pattern } from '../policies/pattern.ts';
import type { AccessState } from './access-state.ts';
import { ACL_OPERATIONS, type AclOperation, type AclResource } from './acl.ts';
import type { Asker } from './acl-table.ts';
import type { User, Verb } from './user.ts';

/** Names can be made up without end. */
const KNOWN_MAX = 4096;

/** Each operation's bit in what is known of a name; the bit for the answer is so much further up. */
const BITS: { readonly [operation in AclOperation]: number } = {
  all: 1 << 0,
  read: 1 << 1,
  write: 1 << 2,
  create: 1 << 3,
  delete: 1 << 4,
  alter: 1 << 5,
  describe: 1 << 6,
  'cluster-action': 1 << 7,
  'describe-configs': 1 << 8,
  'alter-configs': 1 << 9,
  'idempotent-write': 1 << 10,
  'create-tokens': 1 << 11,
  'describe-tokens': 1 << 12,
  'two-phase-commit': 1 << 13,
};
const ANSWER_SHIFT = 14;

/** Which of the permissions of the virtual host allows an operation: any of these on the same name. */
const VERBS: {
  readonly [resource in AclResource]: { readonly [operation in AclOperation]?: readonly Verb[] };
} = {
  topic: {
    read: ['read'],
    write: ['write'],
    describe: ['read', 'write', 'configure'],
    create: ['configure'],
    delete: ['configure'],
    alter: ['configure'],
    'describe-configs': ['configure'],
    'alter-configs': ['configure'],
  },
  group: {
    read: ['read'],
    describe: ['read', 'configure'],
    delete: ['configure'],
    'describe-configs': ['configure'],
    'alter-configs': ['configure'],
  },
  'transactional-id': {
    write: ['write'],
    describe: ['write'],
    'two-phase-commit': ['write'],
  },
  cluster: {},
  user: {},
};

/** What changes the broker itself, or others' rights: no list gives it to a client that has not logged in. */
const ADMINISTRATION: ReadonlySet<AclOperation> = new Set([
  'all',
  'alter',
  'alter-configs',
  'cluster-action',
  'create-tokens',
  'delete',
  'describe-tokens',
]);

const NO_TAGS: ReadonlySet<string> = new Set();

/** To look at the broker, and not at what is in it. */
const MONITORED: ReadonlySet<AclOperation> = new Set(['describe', 'describe-configs']);

/**
 * What one who is connected may do in a virtual host. An access control list comes first: what it denies is denied,
 * what it allows is allowed. Where it says nothing, the permissions that the user has in the virtual host decide, and
 * for the cluster the tags. Answers are remembered until anything about access changes.
 *
 * Whoever has not logged in has the permissions of the user that stands for such clients, and none of its tags.
 */
export class Authorizer {
  readonly user: User;
  readonly vhost: string;
  readonly #isAnonymous: boolean;
  readonly #state: AccessState;
  readonly #asker: Asker;
  /** By name: a bit for what is known, and one for the answer. */
  readonly #known: { readonly [resource in AclResource]: Map<string, number> } = {
    topic: new Map(),
    group: new Map(),
    cluster: new Map(),
    'transactional-id': new Map(),
    user: new Map(),
  };
  #version = -1;

  constructor(state: AccessState, user: User, vhost: string, asker: Asker, isAnonymous = false) {
    this.#isAnonymous = isAnonymous;
    this.#state = state;
    this.user = user;
    this.vhost = vhost;
    this.#asker = asker;
  }

  may(operation: AclOperation, resource: AclResource, name: string): boolean {
    if (this.#version !== this.#state.version) this.#forget();
    const answers = this.#known[resource];
    const bit = BITS[operation];
    const known = answers.get(name) ?? 0;
    if ((known & bit) !== 0) return (known & (bit << ANSWER_SHIFT)) !== 0;
    const answer = this.#decide(operation, resource, name);
    if (answers.size >= KNOWN_MAX) answers.clear();
    answers.set(name, known | bit | (answer ? bit << ANSWER_SHIFT : 0));
    return answer;
  }

  get isAdministrator(): boolean {
    return this.#tags.has('administrator');
  }

  /** All that this one may do to it. */
  operations(resource: AclResource, name: string): AclOperation[] {
    return ACL_OPERATIONS[resource].filter((operation) => this.may(operation, resource, name));
  }

  /** Whether this one may write to some topic, whichever: then records may also be numbered (KIP-679). */
  get mayWriteSomewhere(): boolean {
    if (this.user.isDeleted) return false;
    if (this.#state.acls.get(this.vhost)?.allowsAny(this.#asker, 'write', 'topic') === true) return true;
    return (this.user.grants.get(this.vhost)?.write.source ?? '') !== '';
  }

  /** The routing keys with which this one may write to an exchange that is a stream; null if it may with all. */
  writableKeys(exchange: string): Pattern | null {
    return this.#topicPattern('write', exchange);
  }

  /** Users, quotas and settings are those of all virtual hosts: an access control list gives them in `/` alone. */
  mayRule(operation: AclOperation, resource: AclResource, name: string): boolean {
    if (this.vhost !== '/' && !this.isAdministrator) return false;
    return this.may(operation, resource, name);
  }

  #decide(operation: AclOperation, resource: AclResource, name: string): boolean {
    if (this.user.isDeleted) return false;
    const isOfBroker = resource === 'cluster' || resource === 'user';
    // Whoever could lock administrators out could not be stopped any more.
    if (isOfBroker && this.isAdministrator) return true;
    if (isOfBroker && this.#isAnonymous && ADMINISTRATION.has(operation)) return false;
    const said = this.#state.acls.get(this.vhost)?.decide(this.#asker, operation, resource, name) ?? null;
    if (said !== null) return said === 'allow';
    if (isOfBroker) return MONITORED.has(operation) && this.#tags.has('monitoring');
    // A stream is read as a whole, and a list that allows it would have been asked first.
    if (resource === 'topic' && operation === 'read' && this.#topicPattern('read', name) !== null)
      return false;
    const verbs = VERBS[resource][operation];
    return verbs?.some((verb) => this.user.may(verb, this.vhost, name)) ?? false;
  }

  get #tags(): ReadonlySet<string> {
    return this.#isAnonymous ? NO_TAGS : this.user.tags;
  }

  #topicPattern(verb: 'write' | 'read', exchange: string): Pattern | null {
    return this.user.topicGrants.pattern(verb, this.vhost, exchange);
  }

  #forget(): void {
    for (const answers of Object.values(this.#known)) answers.clear();
    this.#version = this.#state.version;
  }
}
