import type { Counter, Row, Rows } from '../../base/counter.ts';
import { ALONE, type CountedTogether } from './counted-together.ts';

/** What a connection does when its memory says so. */
export interface MemoryUser {
  /** Reads nothing more from its peer, until `memoryResumed`. `because` is for the peer and the log. */
  memoryPaused(because: string): void;
  memoryResumed(): void;
  /** It has been paused for too long: what it holds has to go. `because` as above. */
  memoryRefused(because: string): void;
}

export interface ClientMemoryOptions {
  /** For all clients together. */
  readonly bytesMax: number;
  /** For all connections of one user. */
  readonly userBytesMax: number;
  /** After this long a paused connection is closed. */
  readonly pausedMsMax: number;
}

export const UNLIMITED_MEMORY: ClientMemoryOptions = {
  bytesMax: Number.POSITIVE_INFINITY,
  userBytesMax: Number.POSITIVE_INFINITY,
  pausedMsMax: 60_000,
};

/**
 * Beyond this many times its share a user is refused more: so much may be begun by connections that went on one after the
 * other. Where the share is small, one message of the usual greatest size has room in any case.
 */
const SHARES_MAX = 1.5;
const REFUSED_BYTES_MIN = 160 * 1024 * 1024;
/** Of the limit of all, for one user in any case: the others always have the rest. */
const USER_PART_MAX = 0.75;
/** So many checks the one connection that may go on is the same at most, while it grows. */
const EXEMPT_CHECKS_MAX = 10;
/** Below this part of a limit those who were paused because of it may go on. */
const RESUMED_BELOW = 0.9;
/** All is used up for so long, and others wait for it: then whoever has most has to give it back. */
const USED_UP_MS_MAX = 10_000;

/** The connections of one user, or of those at one address that have not logged in. */
interface UserAccount {
  /** `user 'ada'`, `address 10.0.0.1`. */
  readonly name: string;
  /** In this shard. */
  bytes: number;
  /** What others have of the same name, and what this one has for them. */
  readonly row: Row;
  readonly connections: Set<ConnectionMemory>;
  /** The one that was paused first is the first. */
  readonly paused: Set<ConnectionMemory>;
  /** The one connection that may go on though the share is used up: otherwise nothing would ever be finished. */
  exempt: ConnectionMemory | null;
  /** What that one held at the last check, and how many checks it has been the one. */
  exemptBytes: number;
  exemptChecks: number;
}

/**
 * Memory that clients have the broker hold: input that is not finished, output that is not sent. It is counted when
 * buffers are made, grow and go, by connection, user and in all:
 *
 *     user over its share      ──▶ its connections are paused when they grow, but for one, which changes with time
 *     user over 1 1/2 of it    ──▶ its connections are refused when they grow; over 3/4 of all in any case
 *     all over the limit       ──▶ whoever grows is paused, or refused if its user is over its share
 *     for ten seconds          ──▶ the largest connection of the user who holds most is refused, each second another one
 *
 * What is paused holds no more than it did. So one user slows itself down first, and can never take it all; and several,
 * who hold it and do not grow any more, cannot keep it.
 *
 * Shards count together, all and each user. In each of them one connection of a user may go on; what is freed in another shard
 * is seen at the next check; and connections are refused in the shards where whoever holds most of all has some.
 */
export class ClientMemory {
  readonly options: ClientMemoryOptions;
  /** In this shard. */
  #bytes = 0;
  /** Whether others have to be told, and asked: it is counted more often than anything else here. */
  readonly #isTogether: boolean;
  readonly #bytesOfAll: Counter;
  readonly #waitingOfAll: Counter;
  readonly #largestOfAll: Counter;
  readonly #rows: Rows;
  readonly #users = new Map<string, UserAccount>();
  /** Those with paused connections. */
  readonly #short = new Set<UserAccount>();
  /** Since when all is used up while somebody waits, on the clock of `check`; -1 while it is not so. */
  #usedUpAtMs = -1;

  constructor(options: ClientMemoryOptions = UNLIMITED_MEMORY, together: CountedTogether = ALONE) {
    this.options = options;
    this.#isTogether = together.shards > 1;
    this.#bytesOfAll = together.counter('client-memory');
    this.#waitingOfAll = together.counter('client-memory-waiting');
    this.#largestOfAll = together.counter('client-memory-largest');
    this.#rows = together.clientMemory;
  }

  /** Of all shards. */
  get bytes(): number {
    return this.#bytes + this.#bytesOfAll.others;
  }

  get bytesHere(): number {
    return this.#bytes;
  }

  /** Users and addresses that have a connection. */
  get userCount(): number {
    return this.#users.size;
  }

  bytesOf(user: string): number {
    const account = this.#users.get(user);
    return account === undefined ? this.#rows.others(user, 0) : bytesOf(account);
  }

  /** Whether so much is held that what is kept for later use should go. */
  get isTight(): boolean {
    return this.bytes > this.options.bytesMax / 2;
  }

  /** The memory of a new connection of this user, which has to be closed. */
  open(user: string, connection: MemoryUser): ConnectionMemory {
    return new ConnectionMemory(this, user, connection);
  }

  /** To be called each second or so. */
  check(nowMs: number): void {
    for (const user of [...this.#short]) {
      for (const each of [...user.paused]) each.checkPause(nowMs);
      this.#relieve(user, true);
    }
    this.#reclaim(nowMs);
  }

  enter(name: string, connection: ConnectionMemory): UserAccount {
    let user = this.#users.get(name);
    if (user === undefined) {
      user = {
        name,
        bytes: 0,
        row: this.#rows.claim(name),
        connections: new Set(),
        paused: new Set(),
        exempt: null,
        exemptBytes: 0,
        exemptChecks: 0,
      };
      this.#users.set(name, user);
    }
    user.connections.add(connection);
    return user;
  }

  leave(user: UserAccount, connection: ConnectionMemory): void {
    user.connections.delete(connection);
    if (user.connections.size > 0) return;
    this.#users.delete(user.name);
    user.row.release();
  }

  /** So many bytes of the user came, or went; no limit is looked at. */
  count(user: UserAccount, difference: number): void {
    user.bytes += difference;
    this.#bytes += difference;
    if (!this.#isTogether) return;
    user.row.add(0, difference);
    this.#bytesOfAll.set(this.#bytes);
  }

  /** Whether neither this user nor all together hold more than they may. */
  isWithinLimits(user: UserAccount): boolean {
    const { bytesMax, userBytesMax } = this.options;
    if (!this.#isTogether) return user.bytes <= userBytesMax && this.#bytes <= bytesMax;
    return bytesOf(user) <= userBytesMax && this.bytes <= bytesMax;
  }

  /** `connection` has grown beyond a limit. False: it is refused. */
  exceeded(user: UserAccount, connection: ConnectionMemory): boolean {
    const { bytesMax, userBytesMax } = this.options;
    const isOverShare = bytesOf(user) > userBytesMax;
    const isOverAll = this.bytes > bytesMax;
    if (isOverShare && (isOverAll || bytesOf(user) > this.#refusedAbove)) return false;
    this.pauseUnlessExempt(user, connection, isOverAll);
    return true;
  }

  /** Bytes of one user beyond which its connections are refused more. */
  get #refusedAbove(): number {
    const { bytesMax, userBytesMax } = this.options;
    return Math.min(bytesMax * USER_PART_MAX, Math.max(userBytesMax * SHARES_MAX, REFUSED_BYTES_MIN));
  }

  /** A limit is reached, and `connection` is the one that may go on, or is paused. */
  pauseUnlessExempt(user: UserAccount, connection: ConnectionMemory, isOverAll: boolean): void {
    if (!isOverAll) {
      if (user.exempt === null) exempt(user, connection);
      if (user.exempt === connection) return;
    }
    if (connection.isPaused) return;
    user.paused.add(connection);
    this.#short.add(user);
    connection.pause(this.shortage(user));
  }

  /** In words, which limit is exceeded. */
  shortage(user: UserAccount): string {
    const { bytesMax, userBytesMax } = this.options;
    const bytes = bytesOf(user);
    return bytes >= userBytesMax
      ? `${user.name} holds ${bytes} bytes of unfinished input and unsent output, and may hold ${userBytesMax} ` +
          '(client-memory-per-user)'
      : `clients hold ${this.bytes} bytes of unfinished input and unsent output, and may hold ${bytesMax} ` +
          '(client-memory-limit)';
  }

  /** Something of `user` has gone. */
  freed(): void {
    if (this.#short.size === 0) return;
    for (const user of [...this.#short]) this.#relieve(user, false);
  }

  /** A connection is not there any more, or has another user. */
  forget(user: UserAccount, connection: ConnectionMemory): void {
    if (user.exempt === connection) user.exempt = null;
    user.paused.delete(connection);
    if (user.paused.size === 0) this.#short.delete(user);
  }

  /** `isNextTurn`: the exempt connection may have had its time. */
  #relieve(user: UserAccount, isNextTurn: boolean): void {
    const { bytesMax, userBytesMax } = this.options;
    if (this.bytes > bytesMax * RESUMED_BELOW) return;
    if (bytesOf(user) <= userBytesMax * RESUMED_BELOW) {
      user.exempt = null;
      for (const each of [...user.paused]) this.#resume(user, each);
    } else if (user.exempt === null || (isNextTurn && isTurnOver(user))) {
      const [next] = user.paused;
      if (next === undefined) return;
      exempt(user, next);
      this.#resume(user, next);
    }
  }

  /** Memory of those who hold most, for those who wait. */
  #reclaim(nowMs: number): void {
    const waiting = this.#short.size;
    this.#waitingOfAll.set(waiting);
    if (waiting + this.#waitingOfAll.others === 0 || this.bytes <= this.options.bytesMax * RESUMED_BELOW) {
      this.#usedUpAtMs = -1;
      this.#largestOfAll.set(0);
      return;
    }
    if (this.#usedUpAtMs < 0) this.#usedUpAtMs = nowMs;
    const user = largest(this.#users.values(), bytesOf);
    const bytes = user === null ? 0 : bytesOf(user);
    this.#largestOfAll.set(bytes);
    // All have said so by then, whose user holds most of all.
    if (user === null || nowMs - this.#usedUpAtMs < USED_UP_MS_MAX || bytes < this.#largestOfAll.largestOther)
      return;
    largest(user.connections, ownBytes)?.refuse();
  }

  #resume(user: UserAccount, connection: ConnectionMemory): void {
    user.paused.delete(connection);
    if (user.paused.size === 0) this.#short.delete(user);
    connection.resume();
  }
}

function exempt(user: UserAccount, connection: ConnectionMemory): void {
  user.exempt = connection;
  user.exemptBytes = connection.bytes;
  user.exemptChecks = 0;
}

/** At a check. While it grows it may be about to finish, and free what it holds: another one would only begin more. */
function isTurnOver(user: UserAccount): boolean {
  const bytes = user.exempt?.bytes ?? 0;
  const isGrowing = bytes > user.exemptBytes;
  user.exemptBytes = bytes;
  return !isGrowing || ++user.exemptChecks >= EXEMPT_CHECKS_MAX;
}

/** In all shards. */
function bytesOf(user: UserAccount): number {
  return user.bytes + user.row.others(0);
}

function ownBytes({ bytes }: ConnectionMemory): number {
  return bytes;
}

/** Null if there is none. */
function largest<T>(accounts: Iterable<T>, bytes: (account: T) => number): T | null {
  let found: T | null = null;
  let most = -1;
  for (const each of accounts) {
    const held = bytes(each);
    if (held > most) [found, most] = [each, held];
  }
  return found;
}

const NOBODY: MemoryUser = {
  memoryPaused: () => undefined,
  memoryResumed: () => undefined,
  memoryRefused: () => undefined,
};

/** Of one connection. */
export class ConnectionMemory {
  bytes = 0;
  isPaused = false;
  readonly #all: ClientMemory;
  #user: UserAccount;
  #connection: MemoryUser;
  /** On the clock of `check`; -1 until its first call since the pause. */
  #pausedAtMs = -1;
  #isClosed = false;
  readonly #waiting: (() => void)[] = [];

  constructor(all: ClientMemory, user: string, connection: MemoryUser) {
    this.#all = all;
    this.#user = all.enter(user, this);
    this.#connection = connection;
  }

  /**
   * Counts bytes more, or fewer. False: it is too much, and the connection has to be closed; `shortage` says why. It may
   * be paused within the call.
   */
  add(bytes: number): boolean {
    if (this.#isClosed || bytes === 0) return true;
    const all = this.#all;
    const user = this.#user;
    this.bytes += bytes;
    all.count(user, bytes);
    if (bytes > 0) return all.isWithinLimits(user) || all.exceeded(user, this);
    if (user.exempt === this) user.exempt = null;
    all.freed();
    return true;
  }

  /** Bytes that may come before a limit is reached; 0 or less if it is. */
  get room(): number {
    const { options, bytes } = this.#all;
    return Math.min(options.userBytesMax - bytesOf(this.#user), options.bytesMax - bytes);
  }

  /**
   * Whether it may take something that is not there yet, and so can wait. If not it is paused, and is to ask again after
   * `resumed`. The one that may go on although there is no room takes as little as it can.
   */
  get mayTake(): boolean {
    if (this.#isClosed || this.room > 0) return true;
    if (this.isPaused) return false;
    const all = this.#all;
    all.pauseUnlessExempt(this.#user, this, all.bytes >= all.options.bytesMax);
    return !this.isPaused;
  }

  /** Resolves when it is not paused any more, or is closed. */
  resumed(): Promise<void> {
    if (!this.isPaused) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  get isTight(): boolean {
    return this.#all.isTight;
  }

  get shortage(): string {
    return this.#all.shortage(this.#user);
  }

  /** The client has logged in: what it holds is its user's. */
  moveTo(name: string): void {
    if (this.#isClosed) return;
    const all = this.#all;
    const { bytes } = this;
    this.bytes = 0;
    all.count(this.#user, -bytes);
    // At once: whoever is told to go on below may count bytes then.
    all.forget(this.#user, this);
    all.leave(this.#user, this);
    this.#user = all.enter(name, this);
    if (this.isPaused) this.resume();
    all.freed();
    this.add(bytes);
  }

  /** Nothing is held any more, and nothing will be. */
  close(): void {
    if (this.#isClosed) return;
    this.add(-this.bytes);
    this.#leave();
    this.#isClosed = true;
    this.#connection = NOBODY;
  }

  pause(because: string): void {
    this.isPaused = true;
    this.#pausedAtMs = -1;
    this.#connection.memoryPaused(because);
  }

  resume(): void {
    this.isPaused = false;
    this.#connection.memoryResumed();
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  checkPause(nowMs: number): void {
    if (this.#pausedAtMs < 0) this.#pausedAtMs = nowMs;
    if (nowMs - this.#pausedAtMs < this.#all.options.pausedMsMax) return;
    // Once; by the time of the next it should be closed.
    this.#pausedAtMs = nowMs;
    this.refuse();
  }

  refuse(): void {
    this.#connection.memoryRefused(this.shortage);
  }

  #leave(): void {
    this.#all.forget(this.#user, this);
    this.#all.leave(this.#user, this);
    if (this.isPaused) this.resume();
  }
}
