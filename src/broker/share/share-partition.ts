import type { Clock } from '../../base/clock.ts';
import type { Scheduler } from '../../base/scheduler.ts';
import { Settled } from '../../log/settled.ts';
import { AlarmClock } from '../alarm-clock.ts';
import { Cursor } from '../held/cursor.ts';
import { type Due, DueItems } from '../held/due-items.ts';
import { HELD_CAPACITY, HeldRing, rearranged } from '../held/held-ring.ts';
import type { AcquiredRanges } from './acquired-ranges.ts';
import { ShareError } from './share-error.ts';
import type { ShareSettings } from './share-settings.ts';

/** What a member says of records that it holds. */
export const ACKNOWLEDGE = { gap: 0, accept: 1, release: 2, reject: 3, renew: 4 } as const;

/** One type for all offsets from `firstOffset` to `lastOffset`, or one for each. */
export interface Acknowledgement {
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly types: readonly number[];
}

/** Why a record is given up; these words stand in the headers of dead records. */
export type GiveUpReason = 'rejected' | 'delivery_limit';

export interface GivenUp {
  readonly offset: number;
  readonly reason: GiveUpReason;
  /** How often it was handed out. */
  readonly deliveries: number;
}

export interface SharePartitionParts {
  readonly id: number;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly settings: () => ShareSettings;
  /** Journals what is done with (from, to, ...), and counts (offset, count, ...). */
  readonly progress: (settled: readonly number[], counts: readonly number[]) => void;
  /** Brings records to where dead ones go, and then calls `left`. Resolves when they are there. */
  readonly giveUp: (records: readonly GivenUp[]) => Promise<void>;
}

interface Lock extends Due {
  readonly memberId: string;
  readonly first: number;
  readonly last: number;
}

interface Waiting extends Due {
  readonly offset: number;
}

/** Holds what is on its way to the dead records. No member has this id. */
const LEAVING = '';

/**
 * One partition of a stream as a share group sees it (KIP-932):
 *
 *     0 ....... head .................... next ............ end
 *     | done with | in the ring, each with its state | not handed out yet |
 *
 * A record in the ring is held by a member until its lock runs out, or available again (`cursor.returned`), or waits for
 * another attempt, or is on its way to the dead records. What is done with leaves the ring; beyond the head it is a
 * range in `settled`. So a record that nobody acknowledges stops nobody: the limit counts records, not their distance.
 */
export class SharePartition {
  readonly id: number;
  settled = new Settled();
  cursor: Cursor;
  /** Somebody reads for it, and will hand out what he reads. */
  isReading = false;
  isRemoved = false;
  readonly #parts: SharePartitionParts;
  readonly #ring = new HeldRing(this);
  #holders: (string | null)[] = new Array<string | null>(HELD_CAPACITY).fill(null);
  #dueMs = new Float64Array(HELD_CAPACITY);
  readonly #locks = new DueItems<Lock>();
  readonly #retries = new DueItems<Waiting>();
  readonly #alarm: AlarmClock;
  readonly #listeners = new Set<() => void>();
  #failures = new Map<number, number>();
  /** What the journal does not know yet. */
  #newlySettled: number[] = [];
  #newCounts: number[] = [];
  #newlyGivenUp: GivenUp[] = [];
  #hasReturned = false;

  constructor(parts: SharePartitionParts) {
    this.id = parts.id;
    this.#parts = parts;
    this.cursor = new Cursor(this.settled);
    this.#alarm = new AlarmClock(parts.scheduler, () => this.#wake());
  }

  /** Everything below is done with. */
  get startOffset(): number {
    return this.settled.head;
  }

  /** Records that are held, available again, or on their way. */
  get inFlight(): number {
    return this.#ring.count;
  }

  /** Begins at `head`, forgetting what was. Nobody may hold anything. */
  begin(head: number, settled: readonly number[], counts: readonly number[]): void {
    this.settled = new Settled();
    this.settled.load(head, settled);
    const ring = this.#ring;
    for (let at = ring.first; at < ring.end; at++) if (ring.isHeldAt(at)) ring.remove(at & ring.mask);
    ring.trim();
    this.#locks.clear();
    this.#retries.clear();
    this.#failures = new Map();
    for (let i = 0; i < counts.length; i += 2)
      this.#failures.set(counts[i] as number, counts[i + 1] as number);
    this.#restartCursor();
  }

  /** At recovery: what `progress` journaled. */
  replay(settled: readonly number[], counts: readonly number[]): void {
    for (let i = 0; i < counts.length; i += 2)
      this.#failures.set(counts[i] as number, counts[i + 1] as number);
    for (let i = 0; i < settled.length; i += 2) {
      const from = settled[i] as number;
      const to = settled[i + 1] as number;
      this.settled.add(from, to);
      this.#forgetFailures(from, to);
    }
    this.#restartCursor();
  }

  /** Offset, count, offset, count, ... */
  counts(): number[] {
    return [...this.#failures].flat();
  }

  /** The first offset that may be handed out now, if there is a record; null while others hold as much as they may. */
  nextAvailable(): number | null {
    const { cursor } = this;
    while (cursor.returned.size > 0 && this.#ring.find(cursor.returned.min) < 0) cursor.returned.pop();
    if (cursor.returned.size > 0) return cursor.returned.min;
    return this.#ring.count < this.#parts.settings().recordsMax ? cursor.peek() : null;
  }

  /** How many records may be handed out that were not before. */
  get room(): number {
    return Math.max(0, this.#parts.settings().recordsMax - this.#ring.count);
  }

  /** Gives the member what is available from `from` to `last`, at most `max` records; `newMax` of them that are new. */
  acquire(
    memberId: string,
    from: number,
    last: number,
    max: number,
    newMax: number,
    into: AcquiredRanges,
  ): number {
    const ring = this.#ring;
    const { cursor } = this;
    const nowMs = this.#parts.clock.now();
    const dueMs = nowMs + this.#parts.settings().lockMs;
    let count = 0;
    let newCount = 0;
    let first = -1;
    let end = -1;
    while (count < max) {
      while (cursor.returned.size > 0 && ring.find(cursor.returned.min) < 0) cursor.returned.pop();
      const offset = cursor.peek();
      // Something was given back below while this was read.
      if (offset > last || offset < from) break;
      const isNew = cursor.returned.size === 0;
      if (isNew && newCount++ >= newMax) break;
      cursor.take(offset);
      const slot = isNew ? ring.add(offset) : ring.find(offset);
      this.#holders[slot] = memberId;
      this.#dueMs[slot] = dueMs;
      into.add(offset, this.failuresOf(offset) + 1);
      if (first < 0) first = offset;
      end = offset;
      count++;
    }
    if (count > 0) {
      this.#locks.add({ dueMs, memberId, first, last: end });
      this.#alarm.setFor(dueMs, nowMs);
    }
    return count;
  }

  /** There are no records in [from, to), or none for anybody: what is not held of it is done with. */
  skip(from: number, to: number): void {
    const { cursor } = this;
    const { returned } = cursor;
    // Given back below while this was read.
    const others: number[] = [];
    while (returned.size > 0 && returned.min < to) {
      const offset = returned.pop();
      const slot = this.#ring.find(offset);
      if (offset < from) others.push(offset);
      else if (slot >= 0) this.#settle(slot, offset);
    }
    for (const offset of others) returned.push(offset);
    const start = Math.max(from, cursor.next);
    if (start < to) {
      this.#noteSettled(start, to);
      // At once: what comes after it is to be handed out now.
      this.settled.add(start, to);
    }
  }

  /** Records below `offset` are gone. */
  startsAt(offset: number): void {
    if (offset <= this.settled.head) return;
    const ring = this.#ring;
    const end = ring.positionOf(offset);
    for (let at = ring.first; at < end; at++) {
      if (!ring.isHeldAt(at)) continue;
      this.#holders[at & ring.mask] = null;
      ring.remove(at & ring.mask);
    }
    this.#noteSettled(this.settled.head, offset);
    this.#forgetFailures(0, offset);
    this.flush();
  }

  /**
   * What a member says of records that it holds; of all or, if it is wrong about one, of none. Resolves when what it
   * gave up is where dead records go; null if it gave up nothing.
   * @throws ShareError invalid-record-state
   */
  acknowledge(memberId: string, batches: readonly Acknowledgement[]): Promise<void> | null {
    for (const batch of batches) this.#check(memberId, batch);
    for (const { firstOffset, lastOffset, types } of batches) {
      for (let offset = Math.max(firstOffset, this.settled.head); offset <= lastOffset; offset++) {
        const type = types.length === 1 ? types[0] : types[offset - firstOffset];
        this.#apply(memberId, offset, type as number);
      }
    }
    return this.flush();
  }

  /** The member is gone, or wants no more: what it holds is for others. They did not fail. */
  release(memberId: string): void {
    const ring = this.#ring;
    for (let at = ring.first; at < ring.end; at++) {
      const slot = at & ring.mask;
      if (!ring.isHeldAt(at) || this.#holders[slot] !== memberId) continue;
      this.#holders[slot] = null;
      this.#giveBack(ring.keyAt(at));
    }
    this.flush();
  }

  /** From who brings records to the dead ones: they are there. Goes into the block that is open. */
  left(offsets: readonly number[]): void {
    for (const offset of offsets) {
      const slot = this.#ring.find(offset);
      if (slot >= 0 && this.#holders[slot] === LEAVING) this.#settle(slot, offset);
    }
    this.flush();
  }

  /** How often a record was handed out in vain. */
  failuresOf(offset: number): number {
    return this.#failures.size === 0 ? 0 : (this.#failures.get(offset) ?? 0);
  }

  /** `listener` is called when something is available again. Returns how to stop that. */
  onAvailable(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Who reads is done: others may look. */
  readEnded(): void {
    this.isReading = false;
    this.#tell();
  }

  stop(): void {
    this.isRemoved = true;
    this.#alarm.stop();
    this.#tell();
  }

  /** Journals what has changed, and sends away what was given up. */
  flush(): Promise<void> | null {
    this.#ring.trim();
    if (this.#ring.count === 0) {
      this.#locks.clear();
      this.#retries.clear();
    }
    if (this.#newlySettled.length + this.#newCounts.length > 0) {
      const settled = this.#newlySettled;
      const counts = this.#newCounts;
      this.#newlySettled = [];
      this.#newCounts = [];
      for (let i = 0; i < settled.length; i += 2)
        this.settled.add(settled[i] as number, settled[i + 1] as number);
      this.#parts.progress(settled, counts);
    }
    if (this.#hasReturned) {
      this.#hasReturned = false;
      this.#tell();
    }
    if (this.#newlyGivenUp.length === 0) return null;
    const givenUp = this.#newlyGivenUp;
    this.#newlyGivenUp = [];
    return this.#parts.giveUp(givenUp);
  }

  /** @throws ShareError */
  #check(memberId: string, { firstOffset, lastOffset, types }: Acknowledgement): void {
    const first = Math.max(firstOffset, this.settled.head);
    // All that can be acknowledged is in the ring: no longer range than that is looked at.
    let isHeld = lastOffset < first || lastOffset - first < this.#ring.count;
    for (let offset = first; isHeld && offset <= lastOffset; offset++) {
      const slot = this.#ring.find(offset);
      isHeld = slot >= 0 && this.#holders[slot] === memberId;
    }
    if (!isHeld) {
      throw new ShareError(
        'invalid-record-state',
        `The records ${firstOffset} to ${lastOffset} are not all held by member ${memberId}.`,
      );
    }
    if (types.includes(ACKNOWLEDGE.renew) && !this.#parts.settings().mayRenew) {
      throw new ShareError('invalid-record-state', 'This share group does not let its members renew locks.');
    }
  }

  #apply(memberId: string, offset: number, type: number): void {
    const slot = this.#ring.find(offset);
    // Twice in one request, perhaps.
    if (slot < 0 || this.#holders[slot] !== memberId) return;
    if (type === ACKNOWLEDGE.accept || type === ACKNOWLEDGE.gap) this.#settle(slot, offset);
    else if (type === ACKNOWLEDGE.release) this.#failed(slot, offset);
    else if (type === ACKNOWLEDGE.reject) this.#giveUp(slot, offset, 'rejected');
    else this.#renew(slot, offset, memberId);
  }

  #renew(slot: number, offset: number, memberId: string): void {
    const nowMs = this.#parts.clock.now();
    const dueMs = nowMs + this.#parts.settings().lockMs;
    this.#dueMs[slot] = dueMs;
    this.#locks.add({ dueMs, memberId, first: offset, last: offset });
    this.#alarm.setFor(dueMs, nowMs);
  }

  #failed(slot: number, offset: number): void {
    const failures = this.failuresOf(offset) + 1;
    const { deliveriesMax, backoffMs, backoffMsMax } = this.#parts.settings();
    if (failures >= deliveriesMax) {
      this.#giveUp(slot, offset, 'delivery_limit');
      return;
    }
    this.#holders[slot] = null;
    this.#failures.set(offset, failures);
    this.#newCounts.push(offset, failures);
    if (backoffMs === 0) {
      this.#giveBack(offset);
      return;
    }
    const nowMs = this.#parts.clock.now();
    const dueMs = nowMs + Math.min(backoffMs * 2 ** (failures - 1), Math.max(backoffMs, backoffMsMax));
    this.#retries.add({ dueMs, offset });
    this.#alarm.setFor(dueMs, nowMs);
  }

  #giveUp(slot: number, offset: number, reason: GiveUpReason): void {
    if (this.#parts.settings().deadLetterStream === null) {
      this.#settle(slot, offset);
      return;
    }
    this.#holders[slot] = LEAVING;
    this.#newlyGivenUp.push({ offset, reason, deliveries: this.failuresOf(offset) + 1 });
  }

  #giveBack(offset: number): void {
    this.cursor.giveBack(offset);
    this.#hasReturned = true;
  }

  #settle(slot: number, offset: number): void {
    this.#holders[slot] = null;
    this.#ring.remove(slot);
    if (this.#failures.size > 0) this.#failures.delete(offset);
    this.#noteSettled(offset, offset + 1);
  }

  #noteSettled(from: number, to: number): void {
    const ranges = this.#newlySettled;
    const last = ranges.length - 1;
    if (last > 0 && ranges[last] === from) ranges[last] = to;
    else ranges.push(from, to);
  }

  /** Locks ran out, or attempts are due. */
  #wake(): void {
    const nowMs = this.#parts.clock.now();
    this.#locks.take(nowMs, ({ memberId, first, last }) => {
      const ring = this.#ring;
      const end = ring.positionOf(last + 1);
      for (let at = ring.positionOf(first); at < end; at++) {
        const slot = at & ring.mask;
        if (!ring.isHeldAt(at) || this.#holders[slot] !== memberId) continue;
        if ((this.#dueMs[slot] as number) <= nowMs) this.#failed(slot, ring.keyAt(at));
      }
    });
    this.#retries.take(nowMs, ({ offset }) => {
      const slot = this.#ring.find(offset);
      if (slot >= 0 && this.#holders[slot] === null) this.#giveBack(offset);
    });
    this.#alarm.setFor(Math.min(this.#locks.dueMs, this.#retries.dueMs), nowMs);
    this.flush();
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  #forgetFailures(from: number, to: number): void {
    if (this.#failures.size === 0) return;
    if (to - from < this.#failures.size) {
      for (let offset = from; offset < to; offset++) this.#failures.delete(offset);
    } else {
      for (const offset of this.#failures.keys()) {
        if (offset >= from && offset < to) this.#failures.delete(offset);
      }
    }
  }

  #restartCursor(): void {
    this.cursor = new Cursor(this.settled);
    this.cursor.restart(Number.POSITIVE_INFINITY, 0);
  }

  /** From the ring. */
  rearrange(slots: Uint32Array, capacity: number): void {
    const holders = new Array<string | null>(capacity).fill(null);
    for (let i = 0; i < slots.length; i++) holders[i] = this.#holders[slots[i] as number] as string | null;
    this.#holders = holders;
    this.#dueMs = rearranged(this.#dueMs, new Float64Array(capacity), slots);
  }
}
