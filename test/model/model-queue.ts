import type { Table } from '../../src/base/value.ts';
import {
  COLUMNS,
  type Columns,
  checkContent,
  Difference,
  type Entry,
  type Instant,
  type ModelConsumer,
  type QueueSpec,
  type Verdict,
} from './entry.ts';
import { copyName, type Found, type Message } from './message.ts';
import { type Settings, settingsOf } from './settings.ts';

/**
 * What a queue has to do, by RabbitMQ's documentation. Entries are in the order in which they are delivered: the higher
 * priority first, then the one that came first; one that comes back takes its old place.
 */
export class ModelQueue {
  readonly spec: QueueSpec;
  readonly columns: Columns;
  readonly consumers: ModelConsumer[] = [];
  settings: Settings;
  entries: Entry[] = [];
  /** Those of them that are to leave, in this order. */
  leaving: Entry[] = [];
  /** What is gone, but may come back after a crash, as that is not on the disk yet. */
  gone: Entry[] = [];
  /** Names of messages that are not taken again, the oldest first. */
  /** Those whose names are known as long as they are here; the oldest first. */
  present: Message[] = [];
  seen: { readonly name: string; readonly untilMs: number; readonly isPersistent: boolean }[] = [];
  isRemoved = false;
  readonly #instant: Instant;
  #nextPlace = 1;
  #lastUseMs: number;
  /** When something was given back the last time. */
  #gaveBackStep = -1;
  #active: ModelConsumer | null = null;

  constructor(spec: QueueSpec, policy: Table, instant: Instant) {
    this.spec = spec;
    this.settings = settingsOf(spec.args, policy);
    this.columns = Object.fromEntries(COLUMNS.map((name) => [name, 0])) as Columns;
    this.#instant = instant;
    this.#lastUseMs = instant.nowMs;
  }

  get name(): string {
    return this.spec.name;
  }

  get isDurable(): boolean {
    return this.spec.durable && !this.spec.exclusive;
  }

  count(state: Entry['state']): number {
    let count = 0;
    for (const entry of this.entries) if (entry.state === state) count++;
    return count;
  }

  get readyBytes(): number {
    return this.entries.reduce((sum, e) => sum + (e.state === 'ready' ? e.message.size : 0), 0);
  }

  configure(policy: Table): void {
    const before = this.settings;
    this.settings = settingsOf(this.spec.args, policy);
    if (this.settings.expiresMs !== before.expiresMs) this.touch();
    if (this.settings.deduplication === null) {
      this.seen = [];
      this.present = [];
    }
    if (this.#countsFailures) return;
    for (const entry of [...this.entries, ...this.gone]) {
      entry.failures = 0;
      entry.safeFailures = 0;
    }
  }

  // What comes in.

  /** Whether the queue takes the message, besides `coming` that it takes with it in one transaction. */
  judge(message: Message, coming: readonly Message[]): Verdict {
    const { nowMs } = this.#instant;
    const { deduplication } = this.settings;
    if (deduplication !== null && message.name !== null) {
      const isKnown =
        this.seen.some((each) => each.name === message.name && each.untilMs > nowMs) ||
        this.#stillPresent().some(({ name }) => name === message.name);
      if (isKnown || coming.some((each) => each.name === message.name)) {
        this.columns.duplicates++;
        return 'duplicate';
      }
    }
    if (this.#isFullFor(message, coming)) {
      this.columns.refused++;
      return 'refused';
    }
    return 'taken';
  }

  /** It does not take another one of this name while that is here, and perhaps for a while. */
  remember(message: Message): void {
    const { name, isPersistent } = message;
    const { nowMs } = this.#instant;
    const { deduplication } = this.settings;
    if (deduplication === null || name === null) return;
    this.present = [...this.#stillPresent().filter((each) => each.name !== name), message];
    this.present = this.present.slice(-deduplication.entriesMax);
    if (deduplication.windowMs === null) return;
    this.seen = this.seen.filter((each) => each.name !== name && each.untilMs > nowMs);
    this.seen.push({ name, untilMs: nowMs + deduplication.windowMs, isPersistent });
    this.seen = this.seen.slice(-deduplication.entriesMax);
  }

  #stillPresent(): Message[] {
    const here = new Set(
      [...this.entries, ...this.leaving].filter(({ from }) => from === null).map(({ message }) => message),
    );
    return this.present.filter((message) => here.has(message));
  }

  add(
    message: Message,
    way: Pick<Entry, 'exchange' | 'key' | 'deaths' | 'first' | 'last' | 'ttlMs' | 'from'>,
    isHeld = false,
  ): void {
    const level = Math.min(message.priority, this.settings.maxPriority);
    const entry: Entry = {
      ...way,
      message,
      copy: copyName(message.id, way.deaths),
      level,
      place: this.#nextPlace++,
      cameMs: this.#instant.nowMs,
      cameStep: this.#instant.step,
      state: 'ready',
      reason: '',
      failures: 0,
      againMs: -1,
      wasDelivered: false,
      isHeld,
      isSafe: false,
      safeFailures: 0,
    };
    const at = this.entries.findIndex((each) => each.level < level);
    this.entries.splice(at < 0 ? this.entries.length : at, 0, entry);
    this.columns.routed++;
  }

  // What the broker says that it did.

  /** A consumer, or who asked for one message (null), gets this one: may it be so? */
  delivered(found: Found, redelivered: boolean, failures: number, consumer: ModelConsumer | null): Entry {
    const entry = this.#entryOf(found);
    if (entry.state !== 'ready') throw this.#wrong(`delivers ${entry.copy}, which is ${entry.state}`);
    if (entry.isHeld) throw this.#wrong(`delivers ${entry.copy} before its transaction is durable`);
    this.#skipTo(entry);
    if (this.isExpired(entry) && entry.cameStep !== this.#instant.step) {
      throw this.#wrong(`delivers ${entry.copy}, which is expired`);
    }
    if (consumer !== null) this.#checkTurn(consumer, entry);
    if (entry.wasDelivered !== null && entry.wasDelivered !== redelivered) {
      throw this.#wrong(
        `delivers ${entry.copy} ${redelivered ? 'as if it was' : 'again, but not'} redelivered`,
      );
    }
    if (entry.failures !== failures) {
      throw this.#wrong(`says that ${entry.copy} failed ${failures} times, not ${entry.failures}`);
    }
    entry.state = 'unacknowledged';
    entry.wasDelivered = true;
    this.columns.delivered++;
    if (redelivered) this.columns.redelivered++;
    if (consumer !== null && !consumer.noAck) consumer.holding++;
    return entry;
  }

  /** It goes to the dead-letter exchange: may it be so? */
  departed(found: Found, reason: string): Entry {
    const entry = this.#entryOf(found);
    // In which order the heads of several priorities are found to be expired depends on where they lie.
    const first = this.leaving.find((each) => each.reason !== 'expired' || each.level === entry.level);
    if (first !== undefined && first !== entry && !(reason === 'expired' && first.level !== entry.level)) {
      throw this.#wrong(`sends ${entry.copy} away before ${first.copy}`);
    }
    if (entry.state === 'ready') {
      const isExpired = reason === 'expired' && this.#heads().includes(entry) && this.isExpired(entry);
      if (!isExpired && !(reason === 'maxlen' && this.#mustDrop(entry))) {
        throw this.#wrong(`sends ${entry.copy} away as ${reason}`);
      }
    } else if (entry.state !== 'leaving' || entry.reason !== reason) {
      throw this.#wrong(`sends ${entry.copy} away as ${reason}; it is ${entry.state} ${entry.reason}`);
    }
    this.#forget(entry);
    this.columns.deadLettered++;
    return entry;
  }

  /**
   * Nothing more happens now. What must have happened without a word has, and nothing else is left to do. `mayWait`:
   * there is no room for dead letters.
   */
  rested(mayWait: boolean): void {
    this.#expireHeads();
    for (let head = this.next(); head !== undefined && this.#mustDrop(head); head = this.next()) {
      this.discard(head, 'maxlen');
      this.#expireHeads();
    }
    const head = this.next();
    if (head !== undefined && this.consumers.some((each) => this.isAble(each))) {
      throw this.#wrong(`keeps ${head.copy} from a consumer that could have it`);
    }
    const [leaving] = this.leaving;
    if (leaving !== undefined && !mayWait)
      throw this.#wrong(`does not send ${leaving.copy} away as ${leaving.reason}`);
    for (const entry of this.entries) {
      if (entry.isHeld) throw this.#wrong(`holds ${entry.copy} back for a transaction that is durable`);
    }
  }

  // What clients do.

  acknowledge(entry: Entry): void {
    if (this.isRemoved) return;
    this.#forget(entry);
    this.columns.acknowledged++;
  }

  reject(entry: Entry): void {
    if (!this.isRemoved) this.discard(entry, 'rejected');
  }

  requeue(entry: Entry, hasFailed: boolean): void {
    if (this.isRemoved) return;
    const { deliveryLimit, retry } = this.settings;
    entry.state = 'ready';
    this.#gaveBackStep = this.#instant.step;
    if (!this.#countsFailures) return;
    if (hasFailed) entry.failures++;
    if (entry.failures > deliveryLimit) {
      this.discard(entry, 'delivery_limit');
    } else if (retry !== null && (retry.kind === 'all' || (retry.kind === 'failed') === hasFailed)) {
      entry.state = 'retrying';
      entry.againMs = this.#instant.nowMs + Math.min(retry.minMs * Math.max(1, entry.failures), retry.maxMs);
    }
  }

  purge(): number {
    const count = this.count('ready');
    this.gone.push(...this.entries.filter((entry) => entry.state === 'ready'));
    this.entries = this.entries.filter((entry) => entry.state !== 'ready');
    this.columns.purged += count;
    return count;
  }

  addConsumer(consumer: ModelConsumer): void {
    this.consumers.push(consumer);
    this.#single();
    this.touch();
  }

  removeConsumer(consumer: ModelConsumer): void {
    const at = this.consumers.indexOf(consumer);
    if (at < 0) return;
    this.consumers.splice(at, 1);
    this.#single();
    this.touch();
  }

  /** It was used: it does not expire for a while. */
  touch(): void {
    this.#lastUseMs = this.#instant.nowMs;
  }

  remove(): void {
    this.isRemoved = true;
    this.consumers.length = 0;
    this.entries = [];
    this.leaving = [];
  }

  /** Time went on. */
  moved(): void {
    for (const entry of this.entries) {
      if (entry.state !== 'retrying' || entry.againMs > this.#instant.nowMs) continue;
      entry.state = 'ready';
      this.#gaveBackStep = this.#instant.step;
    }
  }

  /** The publisher was told that this message is on the disk. */
  confirmed(message: Message): void {
    for (const entry of this.entries) {
      if (entry.message === message && entry.from === null)
        entry.isSafe = message.isPersistent && this.isDurable;
    }
  }

  /** All that happened so far is on the disk. */
  synced(): void {
    this.gone = [];
    for (const entry of this.entries) {
      entry.isSafe = entry.message.isPersistent && this.isDurable;
      entry.safeFailures = entry.failures;
    }
  }

  /** It was not used for so long that it has to go. */
  get isUnused(): boolean {
    const { expiresMs } = this.settings;
    return this.consumers.length === 0 && this.#instant.nowMs >= this.#lastUseMs + expiresMs;
  }

  /** Leaves the queue for good, by way of the dead-letter exchange if there is one. */
  discard(entry: Entry, reason: string): void {
    if (this.settings.deadLetterExchange === null) {
      this.#forget(entry);
      if (reason === 'expired') this.columns.expired++;
      else this.columns.dropped++;
      return;
    }
    entry.state = 'leaving';
    entry.reason = reason;
    this.leaving.push(entry);
  }

  /** The next one to be delivered. */
  next(): Entry | undefined {
    return this.#heads().find((entry) => !entry.isHeld);
  }

  isAble(consumer: ModelConsumer): boolean {
    return (
      consumer.holding < consumer.prefetch &&
      consumer.gate.open &&
      (!this.settings.isSingleActive || consumer === this.#single())
    );
  }

  /** The single active consumer; null while one of a higher priority waits for it to settle what it has. */
  #single(): ModelConsumer | null {
    let best: ModelConsumer | null = null;
    for (const each of this.consumers) if (best === null || each.priority > best.priority) best = each;
    if (this.#active === null || !this.consumers.includes(this.#active)) this.#active = best;
    if (!this.settings.isQuorum || this.#active === best) return this.#active;
    if (this.#active?.holding !== 0) return null;
    this.#active = best;
    return best;
  }

  isExpired(entry: Entry): boolean {
    return this.#instant.nowMs - entry.cameMs >= Math.min(entry.ttlMs, this.settings.ttlMs);
  }

  get #countsFailures(): boolean {
    return this.settings.countsDeliveries || this.settings.retry !== null;
  }

  /** The first ready one of each priority, the highest priority first. */
  #heads(): Entry[] {
    const heads: Entry[] = [];
    for (const entry of this.entries) {
      if (entry.state === 'ready' && heads.at(-1)?.level !== entry.level) heads.push(entry);
    }
    return heads;
  }

  /** What is found to be expired is found at the head: it may wait behind others that are not. */
  #expireHeads(): void {
    for (;;) {
      const expired = this.#heads().find((entry) => !entry.isHeld && this.isExpired(entry));
      if (expired === undefined) return;
      this.discard(expired, 'expired');
    }
  }

  /**
   * What stands before it has to be expired, or comes back at this very instant. When something is given back to a full
   * queue, RabbitMQ drops first and delivers then; either is right.
   */
  #skipTo(wanted: Entry): void {
    const blocked = new Set<number>();
    for (const before of this.entries.slice(0, this.entries.indexOf(wanted))) {
      if (before.state !== 'ready' || blocked.has(before.level)) continue;
      const isExcess = this.#gaveBackStep === this.#instant.step && this.#mustDrop(before);
      if (before.isHeld) blocked.add(before.level);
      else if (this.isExpired(before)) this.discard(before, 'expired');
      else if (isExcess) this.discard(before, 'maxlen');
      else if (before.againMs !== this.#instant.nowMs) {
        throw this.#wrong(`takes ${wanted.copy} before ${before.copy}`);
      }
    }
    if (blocked.has(wanted.level)) throw this.#wrong(`takes ${wanted.copy} past a transaction`);
  }

  #mustDrop(entry: Entry): boolean {
    const { overflow, maxLength, maxLengthBytes } = this.settings;
    if (overflow !== 'drop-head' || this.next() !== entry) return false;
    return this.count('ready') > maxLength || this.readyBytes > maxLengthBytes;
  }

  #isFullFor(message: Message, coming: readonly Message[]): boolean {
    const { overflow, maxLength, maxLengthBytes } = this.settings;
    if (overflow === 'drop-head') return false;
    const isFull = (): boolean => {
      const bytes = coming.reduce((sum, each) => sum + each.size, this.readyBytes + message.size);
      return this.count('ready') + coming.length >= maxLength || bytes > maxLengthBytes;
    };
    if (isFull()) this.#expireHeads();
    return isFull();
  }

  #checkTurn(consumer: ModelConsumer, entry: Entry): void {
    if (!this.consumers.includes(consumer)) throw this.#wrong(`delivers ${entry.copy} to nobody`);
    if (!this.isAble(consumer)) throw this.#wrong(`delivers ${entry.copy} to a consumer that cannot have it`);
    const better = this.consumers.some((each) => each.priority > consumer.priority && this.isAble(each));
    if (better) throw this.#wrong(`delivers ${entry.copy} past a consumer of a higher priority`);
  }

  #entryOf(found: Found): Entry {
    const entry = this.entries.find((each) => each.copy === found.copy);
    if (entry === undefined) throw this.#wrong(`gives out ${found.copy}, which is not in it`);
    checkContent(this.name, entry, found);
    return entry;
  }

  #forget(entry: Entry): void {
    this.entries.splice(this.entries.indexOf(entry), 1);
    this.gone.push(entry);
    if (entry.state === 'leaving') this.leaving.splice(this.leaving.indexOf(entry), 1);
  }

  #wrong(what: string): Difference {
    return new Difference(`${this.name} ${what}`);
  }
}
