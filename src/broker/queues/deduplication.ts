import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
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

interface Recent {
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
  /** The oldest first. */
  readonly #present = new Map<string, Place>();
  readonly #names = new Map<PriorityLevel, Map<number, string>>();
  readonly #recent = new Map<string, Recent>();
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
    if (this.#present.has(name)) return true;
    const recent = this.#recent.get(name);
    return recent !== undefined && recent.untilMs > nowMs;
  }

  /** A message with this name is in the queue. */
  took(name: string, place: Place): void {
    const { level, offset } = place;
    if (!this.#present.delete(name)) this.#makeRoom();
    this.#present.set(name, place);
    let names = this.#names.get(level);
    if (names === undefined) {
      names = new Map();
      this.#names.set(level, names);
    }
    names.set(offset, name);
    if (this.#present.size > this.#settings.entriesMax) this.#forgetOldest();
    this.#count();
  }

  /** For x-cache-ttl: the name is known until then. */
  rememberUntil(name: string, nowMs: number, untilMs: number, isKept: boolean): void {
    const recent = this.#recent;
    if (!recent.delete(name)) this.#makeRoom();
    recent.set(name, { untilMs, isKept });
    for (const [oldest, { untilMs: endMs }] of recent) {
      if (endMs > nowMs && recent.size <= this.#settings.entriesMax) break;
      recent.delete(oldest);
    }
    this.#count();
  }

  /** From the level: a message has left the queue. */
  left(level: PriorityLevel, offset: number): void {
    const names = this.#names.get(level);
    const name = names?.get(offset);
    if (names === undefined || name === undefined) return;
    names.delete(offset);
    const place = this.#present.get(name);
    if (place?.level !== level || place.offset !== offset) return;
    this.#present.delete(name);
    this.#count();
  }

  /** From the level: all have left that were there, from one offset to below another. */
  leftBetween(level: PriorityLevel, from: number, below: number): void {
    for (const offset of this.#names.get(level)?.keys() ?? []) {
      if (offset >= from && offset < below) this.left(level, offset);
    }
  }

  /** After recovery: forgets those whose messages did not come back. */
  recovered(): void {
    for (const { level, offset } of this.#present.values()) {
      if (offset >= level.log.end || level.log.isAcknowledged(offset)) this.left(level, offset);
    }
  }

  get size(): number {
    return this.#present.size + this.#recent.size;
  }

  /** The queue is gone, or does not deduplicate any more. */
  dispose(): void {
    this.#present.clear();
    this.#names.clear();
    this.#recent.clear();
    this.#count();
  }

  #count(): void {
    this.#counter?.set(this.size);
  }

  /** The user has as many names as it may have: the oldest goes. */
  #makeRoom(): void {
    if (this.#counter?.isFull !== true) return;
    for (const oldest of this.#recent.keys()) {
      this.#recent.delete(oldest);
      return;
    }
    this.#forgetOldest();
  }

  #forgetOldest(): void {
    for (const [oldest, { level, offset }] of this.#present) {
      this.#present.delete(oldest);
      this.#names.get(level)?.delete(offset);
      return;
    }
  }

  /** What is in the queue and survives a restart. */
  presentKept(): [priority: number, offset: number, name: string][] {
    const kept: [number, number, string][] = [];
    for (const [name, { level, offset, isKept }] of this.#present) {
      if (isKept) kept.push([level.priority, offset, name]);
    }
    return kept;
  }

  /** What is remembered for x-cache-ttl and survives a restart. */
  recentKept(nowMs: number): [name: string, untilMs: number][] {
    const kept: [string, number][] = [];
    for (const [name, { untilMs, isKept }] of this.#recent) {
      if (isKept && untilMs > nowMs) kept.push([name, untilMs]);
    }
    return kept;
  }
}
