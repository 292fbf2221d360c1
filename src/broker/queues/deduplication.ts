import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
import { type Aged, AgeOrder } from '../../base/age-order.ts';
import { hashOfNumber, hashOfText, ShardedMap } from '../../base/sharded-map.ts';
import type { Value } from '../../base/value.ts';
import type { ObjectCounter } from '../budget/object-counter.ts';
import type { PriorityLevel } from './priority-level.ts';
import type { Deduplication } from './queue-settings.ts';

/** Where the message is that a name is of. */
interface Place {
  readonly level: PriorityLevel;
  readonly offset: number;
  /** Whether the message survives a restart, and so its name. */
  readonly isKept: boolean;
}

interface Present extends Place, Aged<Present> {
  readonly name: string;
}

interface Recent extends Aged<Recent> {
  readonly name: string;
  readonly untilMs: number;
  readonly isKept: boolean;
}

/** A longer name is known by its digest, so that a name has a bound, as the number of them has. */
const NAME_LENGTH_MAX = 128;

function boundedName(name: string): string {
  return name.length <= NAME_LENGTH_MAX ? name : hash('sha256', name, 'base64');
}

/** Before the names that are no texts, and the rare text that begins with it. */
const MARK = '\0';

/**
 * The name that a header's value gives to a message; null for none. As with RabbitMQ's plugin, all but lists and tables are
 * names, `void` too; 5, `5` and true are three of them, and bytes are those of a text.
 */
export function deduplicationName(value: Value | undefined): string | null {
  switch (typeof value) {
    case 'string':
      return boundedName(value.startsWith(MARK) ? `${MARK}text:${value}` : value);
    case 'number':
    case 'bigint':
    case 'boolean':
      return `${MARK}${value}`;
    case 'undefined':
      return null;
  }
  if (value === null) return `${MARK}null`;
  if (value instanceof Date) return `${MARK}time:${value.getTime()}`;
  if (!(value instanceof Uint8Array)) return null;
  if (isUtf8(value)) return deduplicationName(Buffer.from(value).toString());
  return boundedName(`${MARK}bytes:${Buffer.from(value).toString('base64')}`);
}

/**
 * x-message-deduplication: the messages that are in the queue, by the name that the publisher gives, from when they are
 * taken until they leave, whichever way. With x-cache-ttl a name is also kept for so long after it came, whether its message
 * is still there or not. Of both there are at most x-cache-size: the oldest go first.
 */
export class Deduplicator {
  #settings: Deduplication;
  readonly #present = new ShardedMap<string, Present>(hashOfText);
  readonly #presentByAge = new AgeOrder<Present>();
  /** By offset, also some that others of the same name have taken the place of. */
  readonly #byLevel = new Map<PriorityLevel, ShardedMap<number, Present>>();
  readonly #recent = new ShardedMap<string, Recent>(hashOfText);
  readonly #recentByAge = new AgeOrder<Recent>();
  readonly #counter: ObjectCounter | null;

  /** Without `counter` only the settings limit how many there are. */
  constructor(settings: Deduplication, counter: ObjectCounter | null = null) {
    this.#settings = settings;
    this.#counter = counter;
  }

  configure(settings: Deduplication): void {
    this.#settings = settings;
  }

  has(name: string, nowMs: number): boolean {
    if (this.#present.get(name) !== undefined) return true;
    const recent = this.#recent.get(name);
    return recent !== undefined && recent.untilMs > nowMs;
  }

  /** A message with this name is in the queue. */
  took(name: string, { level, offset, isKept }: Place): void {
    const known = this.#present.get(name);
    if (known === undefined) this.#makeRoom();
    else this.#presentByAge.remove(known);
    const present: Present = { name, level, offset, isKept, older: null, newer: null };
    this.#present.set(name, present);
    this.#presentByAge.add(present);
    let byOffset = this.#byLevel.get(level);
    if (byOffset === undefined) {
      byOffset = new ShardedMap(hashOfNumber);
      this.#byLevel.set(level, byOffset);
    }
    byOffset.set(offset, present);
    if (this.#present.size > this.#settings.entriesMax) this.#forgetOldest();
    this.#count();
  }

  /** For x-cache-ttl: the name is known until then. */
  rememberUntil(name: string, nowMs: number, untilMs: number, isKept: boolean): void {
    const known = this.#recent.get(name);
    if (known === undefined) this.#makeRoom();
    else this.#recentByAge.remove(known);
    const recent: Recent = { name, untilMs, isKept, older: null, newer: null };
    this.#recent.set(name, recent);
    this.#recentByAge.add(recent);
    for (const oldest of this.#recentByAge) {
      if (oldest.untilMs > nowMs && this.#recent.size <= this.#settings.entriesMax) break;
      this.#forgetRecent(oldest);
    }
    this.#count();
  }

  /** From the level: a message has left the queue. */
  left(level: PriorityLevel, offset: number): void {
    const byOffset = this.#byLevel.get(level);
    const present = byOffset?.get(offset);
    if (byOffset === undefined || present === undefined) return;
    byOffset.delete(offset);
    if (this.#present.get(present.name) !== present) return;
    this.#present.delete(present.name);
    this.#presentByAge.remove(present);
    this.#count();
  }

  /** From the level: all have left that were there, from one offset to below another. */
  leftBetween(level: PriorityLevel, from: number, below: number): void {
    for (const offset of this.#byLevel.get(level)?.keys() ?? []) {
      if (offset >= from && offset < below) this.left(level, offset);
    }
  }

  /** After recovery: forgets those whose messages did not come back. */
  recovered(): void {
    for (const { level, offset } of this.#presentByAge) {
      if (offset >= level.log.end || level.log.isAcknowledged(offset)) this.left(level, offset);
    }
  }

  get size(): number {
    return this.#present.size + this.#recent.size;
  }

  /** The queue is gone, or does not deduplicate any more. */
  dispose(): void {
    this.#present.clear();
    this.#presentByAge.clear();
    this.#byLevel.clear();
    this.#recent.clear();
    this.#recentByAge.clear();
    this.#count();
  }

  #count(): void {
    this.#counter?.set(this.size);
  }

  /** The user has as many names as it may have: the oldest goes. */
  #makeRoom(): void {
    if (this.#counter?.isFull !== true) return;
    const { oldest } = this.#recentByAge;
    if (oldest === null) this.#forgetOldest();
    else this.#forgetRecent(oldest);
  }

  #forgetRecent(recent: Recent): void {
    this.#recent.delete(recent.name);
    this.#recentByAge.remove(recent);
  }

  #forgetOldest(): void {
    const { oldest } = this.#presentByAge;
    if (oldest === null) return;
    const { name, level, offset } = oldest;
    this.#present.delete(name);
    this.#presentByAge.remove(oldest);
    this.#byLevel.get(level)?.delete(offset);
  }

  /** What is in the queue and survives a restart. */
  presentKept(): [priority: number, offset: number, name: string][] {
    const kept: [number, number, string][] = [];
    for (const { name, level, offset, isKept } of this.#presentByAge) {
      if (isKept) kept.push([level.priority, offset, name]);
    }
    return kept;
  }

  /** What is remembered for x-cache-ttl and survives a restart. */
  recentKept(nowMs: number): [name: string, untilMs: number][] {
    const kept: [string, number][] = [];
    for (const { name, untilMs, isKept } of this.#recentByAge) {
      if (isKept && untilMs > nowMs) kept.push([name, untilMs]);
    }
    return kept;
  }
}
