import type { Clock } from '../../../base/clock.ts';
import { DeadlineTimer } from '../../../base/deadline-timer.ts';
import type { Scheduler } from '../../../base/scheduler.ts';
import { AcknowledgedOffsets } from '../../../log/queues/acknowledged-offsets.ts';
import { DeliveryCursor } from '../../acknowledgements/delivery-cursor.ts';
import type { ObjectCounter } from '../../budget/object-counter.ts';
import { ACKNOWLEDGE, type Acknowledgement, type GivenUp, type GiveUpReason } from './acknowledgement.ts';
import type { AcquiredRanges } from './acquired-ranges.ts';
import { AcquisitionLocks } from './acquisition-locks.ts';
import { InFlight, LEAVING } from './in-flight.ts';
import { ShareChanges } from './share-changes.ts';
import { ShareError } from './share-error.ts';
import type { ShareSettings } from './share-settings.ts';

export interface SharePartitionDeps {
  readonly id: number;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly settings: () => ShareSettings;
  /** Of the records in flight of the user who began with the group; without it only the settings limit them. */
  readonly counter?: ObjectCounter;
  /** Journals what is done with (from, to, ...), and counts (offset, count, ...). */
  readonly progress: (settled: readonly number[], counts: readonly number[]) => void;
  /** Brings records to where dead ones go, and then calls `left`. Resolves when they are there. */
  readonly giveUp: (records: readonly GivenUp[]) => Promise<void>;
}

/**
 * One partition of a stream as a share group sees it (KIP-932):
 *
 *     0 ....... head .................... next ............ end
 *     | done with | in flight, each with its state | not handed out yet |
 *
 * A record in flight is held by a member until its lock runs out, or available again (`cursor.returned`), or waits for
 * another attempt, or is on its way to the dead records. What is done with beyond the head is a range in `settled`. So a
 * record that nobody acknowledges stops nobody: the limit counts records, not their distance.
 */
export class SharePartition {
  readonly id: number;
  settled = new AcknowledgedOffsets();
  cursor: DeliveryCursor;
  /** Somebody reads for it, and will hand out what he reads. */
  isReading = false;
  isRemoved = false;
  readonly #deps: SharePartitionDeps;
  readonly #inFlight = new InFlight();
  readonly #locks = new AcquisitionLocks();
  readonly #alarm: DeadlineTimer;
  readonly #listeners = new Set<() => void>();
  readonly #changes = new ShareChanges();
  #newlyGivenUp: GivenUp[] = [];
  #hasReturned = false;
  /** Somebody was given nothing because others have as much as they may. */
  #isFull = false;

  constructor(deps: SharePartitionDeps) {
    this.id = deps.id;
    this.#deps = deps;
    this.cursor = this.#newCursor();
    this.#alarm = new DeadlineTimer(deps.scheduler, () => this.#wake());
  }

  /** Everything below is done with. */
  get startOffset(): number {
    return this.settled.head;
  }

  /** Records that are held, available again, or on their way. */
  get inFlight(): number {
    return this.#inFlight.count;
  }

  /** Begins at `head`, forgetting what was. Nobody may hold anything. */
  begin(head: number, settled: readonly number[], counts: readonly number[]): void {
    this.settled = new AcknowledgedOffsets();
    this.settled.load(head, settled);
    this.#inFlight.removeBelow(Number.POSITIVE_INFINITY);
    this.#inFlight.trim();
    this.#locks.clear();
    this.cursor = this.#newCursor();
    this.#setCounts(counts);
    this.recovered();
  }

  /** At recovery: what `progress` journaled. */
  replay(settled: readonly number[], counts: readonly number[]): void {
    this.#setCounts(counts);
    for (let i = 0; i < settled.length; i += 2) this.settled.add(settled[i], settled[i + 1]);
  }

  /** Nobody holds anything, and what is not done with is to be handed out. */
  recovered(): void {
    // How far that goes is not known here, nor is what is done with only what was handed out.
    this.cursor.restart(Number.POSITIVE_INFINITY, 0);
  }

  /** Offset, count, offset, count, ... */
  counts(): number[] {
    return [...this.#failures].flat();
  }

  /** The first offset that may be handed out now, if there is a record; null while others hold as much as they may. */
  nextAvailable(): number | null {
    const { cursor } = this;
    this.#dropGone();
    if (cursor.returned.size > 0) return cursor.returned.min;
    this.#isFull = this.room === 0;
    return this.#isFull ? null : cursor.peek();
  }

  /** How many records may be handed out that were not before. */
  get room(): number {
    if (this.#deps.counter?.isFull === true) return 0;
    return Math.max(0, this.#deps.settings().recordsMax - this.#inFlight.count);
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
    const { cursor } = this;
    const dueMs = this.#deps.clock.now() + this.#deps.settings().lockMs;
    let count = 0;
    let newCount = 0;
    let first = -1;
    let end = -1;
    while (count < max) {
      this.#dropGone();
      const offset = cursor.peek();
      // Something was given back below while this was read.
      if (offset > last || offset < from) break;
      const isNew = cursor.returned.size === 0;
      if (isNew && newCount++ >= newMax) break;
      cursor.take(offset);
      this.#inFlight.hold(offset, isNew, memberId, dueMs);
      into.add(offset, this.failuresOf(offset) + 1);
      if (first < 0) first = offset;
      end = offset;
      count++;
    }
    if (count > 0) this.#lock(memberId, first, end, dueMs);
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
      if (offset < from) others.push(offset);
      else if (this.#inFlight.has(offset)) this.#settle(offset);
    }
    for (const offset of others) returned.push(offset);
    const start = Math.max(from, cursor.next);
    if (start < to) {
      this.#changes.settle(start, to);
      // At once: what comes after it is to be handed out now.
      this.settled.add(start, to);
    }
  }

  /** Records below `offset` are gone. */
  startsAt(offset: number): void {
    if (offset <= this.settled.head) return;
    this.#inFlight.removeBelow(offset);
    this.#changes.settle(this.settled.head, offset);
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
        this.#apply(memberId, offset, type);
      }
    }
    return this.flush();
  }

  /** The member is gone, or wants no more: what it holds is for others. They did not fail. */
  release(memberId: string): void {
    const { POSITIVE_INFINITY } = Number;
    this.#inFlight.forEachHeldBy(memberId, 0, POSITIVE_INFINITY, POSITIVE_INFINITY, (offset) => {
      this.#inFlight.change(offset, null);
      this.#giveBack(offset);
    });
    this.flush();
  }

  /** From who brings records to the dead ones: they are there. Goes into the block that is open. */
  left(offsets: readonly number[]): void {
    for (const offset of offsets) {
      if (this.#inFlight.isHeldBy(LEAVING, offset)) this.#settle(offset);
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
    this.#deps.counter?.set(0);
    this.#tell();
  }

  /** Journals what has changed, and sends away what was given up. */
  flush(): Promise<void> | null {
    this.#inFlight.trim();
    if (!this.isRemoved) this.#deps.counter?.set(this.#inFlight.count);
    if (this.#inFlight.count === 0) this.#locks.clear();
    if (!this.#changes.isEmpty) {
      const { settled, counts } = this.#changes.take();
      for (let i = 0; i < settled.length; i += 2) this.settled.add(settled[i], settled[i + 1]);
      this.#deps.progress(settled, counts);
    }
    const hasRoomAgain = this.#isFull && this.room > 0;
    if (this.#hasReturned || hasRoomAgain) {
      this.#hasReturned = false;
      this.#isFull = false;
      this.#tell();
    }
    if (this.#newlyGivenUp.length === 0) return null;
    const givenUp = this.#newlyGivenUp;
    this.#newlyGivenUp = [];
    return this.#deps.giveUp(givenUp);
  }

  /** @throws ShareError */
  #check(memberId: string, { firstOffset, lastOffset, types }: Acknowledgement): void {
    const first = Math.max(firstOffset, this.settled.head);
    // No more can be acknowledged than is in flight: a longer range is not even looked at.
    let isHeld = lastOffset < first || lastOffset - first < this.#inFlight.count;
    for (let offset = first; isHeld && offset <= lastOffset; offset++) {
      isHeld = this.#inFlight.isHeldBy(memberId, offset);
    }
    if (!isHeld) {
      throw new ShareError(
        'invalid-record-state',
        `The records ${firstOffset} to ${lastOffset} are not all held by member ${memberId}.`,
      );
    }
    if (types.includes(ACKNOWLEDGE.renew) && !this.#deps.settings().mayRenew) {
      throw new ShareError('invalid-record-state', 'This share group does not let its members renew locks.');
    }
  }

  #apply(memberId: string, offset: number, type: number): void {
    // Twice in one request, perhaps.
    if (!this.#inFlight.isHeldBy(memberId, offset)) return;
    if (type === ACKNOWLEDGE.accept || type === ACKNOWLEDGE.gap) this.#settle(offset);
    else if (type === ACKNOWLEDGE.release) this.#failed(offset);
    else if (type === ACKNOWLEDGE.reject) this.#giveUp(offset, 'rejected');
    else this.#renew(offset, memberId);
  }

  #lock(memberId: string, first: number, last: number, dueMs: number): void {
    if (this.#locks.add(memberId, first, last, dueMs)) this.#alarm.setFor(dueMs, this.#deps.clock.now());
  }

  #renew(offset: number, memberId: string): void {
    const dueMs = this.#deps.clock.now() + this.#deps.settings().lockMs;
    this.#inFlight.hold(offset, false, memberId, dueMs);
    this.#lock(memberId, offset, offset, dueMs);
  }

  #failed(offset: number): void {
    const failures = this.failuresOf(offset) + 1;
    const { deliveriesMax, backoffMs, backoffMsMax } = this.#deps.settings();
    if (failures >= deliveriesMax) {
      this.#giveUp(offset, 'delivery_limit');
      return;
    }
    this.#inFlight.change(offset, null);
    this.#failures.set(offset, failures);
    this.#changes.counts.push(offset, failures);
    if (backoffMs === 0) {
      this.#giveBack(offset);
      return;
    }
    const nowMs = this.#deps.clock.now();
    const dueMs = nowMs + Math.min(backoffMs * 2 ** (failures - 1), Math.max(backoffMs, backoffMsMax));
    this.#locks.addRetry(offset, dueMs);
    this.#alarm.setFor(dueMs, nowMs);
  }

  #giveUp(offset: number, reason: GiveUpReason): void {
    if (this.#deps.settings().deadLetterStream === null) {
      this.#settle(offset);
      return;
    }
    this.#inFlight.change(offset, LEAVING);
    this.#newlyGivenUp.push({ offset, reason, deliveries: this.failuresOf(offset) + 1 });
  }

  #giveBack(offset: number): void {
    this.cursor.giveBack(offset);
    this.#hasReturned = true;
  }

  #settle(offset: number): void {
    this.#inFlight.remove(offset);
    if (this.#failures.size > 0) this.#failures.delete(offset);
    this.#changes.settle(offset, offset + 1);
  }

  /** Locks ran out, or attempts are due. */
  #wake(): void {
    const nowMs = this.#deps.clock.now();
    this.#locks.take(
      nowMs,
      ({ memberId, first, last }) =>
        this.#inFlight.forEachHeldBy(memberId, first, last, nowMs, (offset) => this.#failed(offset)),
      ({ offset }) => {
        if (this.#inFlight.isHeldBy(null, offset)) this.#giveBack(offset);
      },
    );
    this.#alarm.setFor(this.#locks.dueMs, nowMs);
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

  get #failures(): Map<number, number> {
    return this.cursor.failures as Map<number, number>;
  }

  #newCursor(): DeliveryCursor {
    const cursor = new DeliveryCursor(this.settled);
    cursor.failures = new Map();
    return cursor;
  }

  #setCounts(counts: readonly number[]): void {
    for (let i = 0; i < counts.length; i += 2) this.#failures.set(counts[i], counts[i + 1]);
  }

  /** What was given back, and is not there any more. */
  #dropGone(): void {
    const { returned } = this.cursor;
    while (returned.size > 0 && !this.#inFlight.has(returned.min)) returned.pop();
  }
}
