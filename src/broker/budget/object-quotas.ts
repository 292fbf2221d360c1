import { ALONE_ROWS, type Rows } from '../../base/counter.ts';
import { BrokerError } from '../errors.ts';
import { ObjectAccount } from './object-account.ts';
import { KIND_INDEX, OBJECT_KINDS, type ObjectKind } from './object-kinds.ts';
import {
  ALL_OBJECT_LIMITS,
  type ObjectLimit,
  type ObjectLimitSettings,
  type ObjectLimits,
} from './object-limits.ts';

/** What is set for one user, or one virtual host, besides the settings of the broker. */
export interface OwnLimits {
  readonly isAdministrator: boolean;
  /** By `max-` and the kind. */
  readonly limits: { readonly [name: string]: number | undefined };
}

export interface ObjectQuotasDeps {
  readonly limits: ObjectLimitSettings;
  /** Undefined for a user that is not there. */
  ofUser(name: string): OwnLimits | undefined;
  ofVhost(name: string): OwnLimits['limits'] | undefined;
  nowMs(): number;
  /** The resources that are short; nothing is made while there are any. */
  shortOf(): ReadonlySet<string>;
  /** Whether the disk has nothing left but the reserve for what frees space. */
  isDiskReserved(): boolean;
  /** A limit was reached, for whoever operates the broker: many responses have no room to say so. At most one a second. */
  onReached?(text: string): void;
  /** What other shards count, by user and by virtual host; nobody counts anything unless it is said. */
  readonly rows?: Rows;
}

/** Why something is not made: a limit, or a resource that is short for now. */
export type CreationRefusal = 'limit-reached' | 'resource-short';

export interface ObjectUse {
  readonly kind: ObjectLimit;
  readonly used: number;
  /** Infinity for none. */
  readonly limit: number;
}

/** Consuming has to go on when a resource is short. These are in memory alone, or come with messages, which are checked. */
const MADE_ANY_TIME: ReadonlySet<ObjectKind> = new Set([
  'channels',
  'consumers',
  'producers',
  'session-partitions',
  'records-in-flight',
  'deduplication-names',
]);
/** These are on the disk too: they are made until its reserve is reached. */
const MADE_LONGER: ReadonlySet<ObjectKind> = new Set(['members', 'offsets']);
/** What a limit is called among those of one user or virtual host. */
const OWN_NAMES = Object.fromEntries(ALL_OBJECT_LIMITS.map((limit) => [limit, `max-${limit}`])) as {
  readonly [limit in ObjectLimit]: string;
};
/** What the names of their rows begin with. */
const USER_ROWS = 'user ';
const VHOST_ROWS = 'vhost ';
const NAME_CHARACTERS_MAX = 60;
const TOLD_MS = 1000;
const TOLD_AGAIN_MS = 60_000;
const NOTHING_SHORT: ReadonlySet<string> = new Set();
const unlimited: ObjectQuotasDeps = {
  limits: { user: {}, administrator: {}, vhost: {} },
  ofUser: () => undefined,
  ofVhost: () => undefined,
  shortOf: () => NOTHING_SHORT,
  isDiskReserved: () => false,
  nowMs: () => 0,
};

/**
 * Counts the objects that clients have made, by user and by virtual host, and refuses more of them than there may be.
 * Whoever keeps the objects says when one comes and goes, also at recovery. Of what an older version has made the user
 * is not known: it counts for the virtual host alone.
 */
export class ObjectQuotas {
  readonly #deps: ObjectQuotasDeps;
  /** Null where there is one shard. */
  readonly #rows: Rows | null;
  readonly #users = new Map<string, ObjectAccount>();
  readonly #vhosts = new Map<string, ObjectAccount>();
  #lastText = '';
  #lastToldMs = Number.NEGATIVE_INFINITY;

  constructor(deps: ObjectQuotasDeps = unlimited) {
    this.#deps = deps;
    this.#rows = deps.rows === undefined || deps.rows === ALONE_ROWS ? null : deps.rows;
  }

  /** The account of the user of this name; null for what nobody is known to have made. */
  account(user: string | null | undefined): ObjectAccount | null {
    return user === null || user === undefined ? null : this.#accountIn(this.#users, user, USER_ROWS);
  }

  /** Before something is made. @throws BrokerError limit-reached, resource-short */
  admit(kind: ObjectKind, account: ObjectAccount | null, vhost: string, count = 1): void {
    const short = this.#shortage(kind);
    if (short !== null) throw new BrokerError('resource-short', short);
    const reached = this.#reached(kind, account, vhost, count);
    if (reached === null) return;
    this.#tell(reached);
    throw new BrokerError('limit-reached', reached);
  }

  /** What `admit` would throw, for those that answer with errors of their own; null if nothing stands against it. */
  refusal(
    kind: ObjectKind,
    account: ObjectAccount | null,
    vhost: string,
    count = 1,
  ): { readonly kind: CreationRefusal; readonly text: string } | null {
    const short = this.#shortage(kind);
    if (short !== null) return { kind: 'resource-short', text: short };
    const reached = this.#reached(kind, account, vhost, count);
    if (reached === null) return null;
    this.#tell(reached);
    return { kind: 'limit-reached', text: reached };
  }

  /** As `refusal`, for those who give no reason: asked for each message, also by a user who is at the limit. */
  hasRoomFor(kind: ObjectKind, account: ObjectAccount | null, vhost: string, count: number): boolean {
    if (this.#shortage(kind) !== null) return false;
    if (!this.#isBeyondLimit(kind, account, vhost, count)) return true;
    const { nowMs } = this.#deps;
    if (nowMs() - this.#lastToldMs < TOLD_MS) return false;
    this.#tell(this.#reached(kind, account, vhost, count) as string);
    return false;
  }

  /** Before something is written that makes nothing new. Null if nothing stands against it. */
  refusalOfWrite(): { readonly kind: CreationRefusal; readonly text: string } | null {
    if (!this.#deps.isDiskReserved()) return null;
    return {
      kind: 'resource-short',
      text: 'nothing but acknowledgements and deletions is written while the disk is almost full; try again later',
    };
  }

  /** @throws BrokerError resource-short */
  admitWrite(): void {
    const refusal = this.refusalOfWrite();
    if (refusal !== null) throw new BrokerError(refusal.kind, refusal.text);
  }

  /** So many came; went, if `difference` is below 0. */
  change(kind: ObjectKind, account: ObjectAccount | null, vhost: string, difference: number): void {
    if (difference === 0) return;
    account?.change(kind, difference);
    const ofVhost = this.#accountIn(this.#vhosts, vhost, VHOST_ROWS);
    ofVhost.change(kind, difference);
    if (difference > 0) return;
    // Names come and go without end.
    if (account?.isEmpty === true) {
      account.letGo();
      if (this.#users.get(account.name) === account) this.#users.delete(account.name);
    }
    if (ofVhost.isEmpty) {
      ofVhost.letGo();
      this.#vhosts.delete(vhost);
    }
  }

  /** The user is deleted: what it has made stays, and counts for nobody. */
  userDeleted(name: string): void {
    const account = this.#users.get(name);
    if (account === undefined) return;
    account.close();
    this.#users.delete(name);
  }

  count(kind: ObjectKind, of: { readonly user: string } | { readonly vhost: string }): number {
    return 'user' in of ? this.#countOfUser(of.user, kind) : this.#countInVhost(of.vhost, kind);
  }

  /** What the user has, and may have, of each kind. */
  useOfUser(name: string): ObjectUse[] {
    return ALL_OBJECT_LIMITS.map((kind) => ({
      kind,
      used: kind === 'memory' ? (this.#users.get(name)?.memoryBytes ?? 0) : this.#countOfUser(name, kind),
      limit: this.#userLimit(name, kind),
    }));
  }

  useOfVhost(name: string): ObjectUse[] {
    return ALL_OBJECT_LIMITS.map((kind) => ({
      kind,
      used: kind === 'memory' ? (this.#vhosts.get(name)?.memoryBytes ?? 0) : this.#countInVhost(name, kind),
      limit: this.#vhostLimit(name, kind),
    }));
  }

  #shortage(kind: ObjectKind): string | null {
    const short = this.#deps.shortOf();
    if (short.size === 0 || MADE_ANY_TIME.has(kind)) return null;
    if (MADE_LONGER.has(kind) && !this.#deps.isDiskReserved()) return null;
    const what = [...short].sort().join(' and ');
    return `no ${kind} are made while ${what} is short: consume or delete something, and try again`;
  }

  #reached(kind: ObjectKind, account: ObjectAccount | null, vhost: string, count: number): string | null {
    if (!this.#isBeyondLimit(kind, account, vhost, count)) return null;
    if (account !== null && !account.isClosed) {
      const { name } = account;
      const text = `user '${name.slice(0, NAME_CHARACTERS_MAX)}'`;
      const isAdministrator = this.#deps.ofUser(name)?.isAdministrator === true;
      const setting = isAdministrator ? 'administrator-limits' : 'user-limits';
      const limit = this.#userLimit(name, kind);
      if (account.count(kind) + count > limit) return limitText(kind, limit, text, setting);
      const memoryMax = this.#userLimit(name, 'memory');
      if (account.memoryBytes + count * OBJECT_KINDS[kind].memoryBytes > memoryMax) {
        return limitText('memory', memoryMax, text, setting);
      }
    }
    const found = this.#vhosts.get(vhost);
    const text = `vhost '${vhost.slice(0, NAME_CHARACTERS_MAX)}'`;
    const limit = this.#vhostLimit(vhost, kind);
    if (this.#countInVhost(vhost, kind) + count > limit) return limitText(kind, limit, text, 'vhost-limits');
    const memoryMax = this.#vhostLimit(vhost, 'memory');
    if (memoryMax === Number.POSITIVE_INFINITY) return null;
    const memoryBytes = (found?.memoryBytes ?? 0) + count * OBJECT_KINDS[kind].memoryBytes;
    return memoryBytes > memoryMax ? limitText('memory', memoryMax, text, 'vhost-limits') : null;
  }

  /** Whether `#reached` has something to say. */
  #isBeyondLimit(kind: ObjectKind, account: ObjectAccount | null, vhost: string, count: number): boolean {
    const { memoryBytes } = OBJECT_KINDS[kind];
    if (account !== null && !account.isClosed) {
      const { name } = account;
      if (account.count(kind) + count > this.#userLimit(name, kind)) return true;
      if (account.memoryBytes + count * memoryBytes > this.#userLimit(name, 'memory')) return true;
    }
    const found = this.#vhosts.get(vhost);
    if (this.#countInVhost(vhost, kind) + count > this.#vhostLimit(vhost, kind)) return true;
    return (found?.memoryBytes ?? 0) + count * memoryBytes > this.#vhostLimit(vhost, 'memory');
  }

  /** The same is not told again and again. */
  #tell(text: string): void {
    const { onReached, nowMs } = this.#deps;
    if (onReached === undefined) return;
    const sinceMs = nowMs() - this.#lastToldMs;
    if (sinceMs < (text === this.#lastText ? TOLD_AGAIN_MS : TOLD_MS)) return;
    this.#lastText = text;
    this.#lastToldMs = nowMs();
    onReached(text);
  }

  #countOfUser(name: string, kind: ObjectKind): number {
    return this.#users.get(name)?.count(kind) ?? this.#rows?.others(USER_ROWS + name, KIND_INDEX[kind]) ?? 0;
  }

  #countInVhost(name: string, kind: ObjectKind): number {
    return (
      this.#vhosts.get(name)?.count(kind) ?? this.#rows?.others(VHOST_ROWS + name, KIND_INDEX[kind]) ?? 0
    );
  }

  #accountIn(accounts: Map<string, ObjectAccount>, name: string, rows: string): ObjectAccount {
    let account = accounts.get(name);
    if (account === undefined) accounts.set(name, (account = new ObjectAccount(name, this.#rows, rows)));
    return account;
  }

  #userLimit(name: string, limit: ObjectLimit): number {
    const { limits } = this.#deps;
    const own = this.#deps.ofUser(name);
    const usual = own?.isAdministrator === true ? limits.administrator : limits.user;
    return limitIn(own?.limits, usual, limit);
  }

  #vhostLimit(name: string, limit: ObjectLimit): number {
    return limitIn(this.#deps.ofVhost(name), this.#deps.limits.vhost, limit);
  }
}

function limitIn(own: OwnLimits['limits'] | undefined, usual: ObjectLimits, limit: ObjectLimit): number {
  return own?.[OWN_NAMES[limit]] ?? usual[limit] ?? Number.POSITIVE_INFINITY;
}

/** Clients get at most 255 bytes of it. */
function limitText(limit: ObjectLimit, max: number, whose: string, setting: string): string {
  const what = limit === 'memory' ? `${max} bytes of memory for objects` : `${max} ${limit}`;
  return `${whose} has reached the limit of ${what}; it is set by '${setting}'`;
}
