import { BatchPace } from '../../base/batch-pace.ts';
import { CorruptionError } from '../../log/corruption.ts';
import type { Chunk } from '../../log/memory/chunks.ts';
import { FRAME_HEADER_BYTES, frameContentBytes, frameTimestampMs } from '../../log/memory/chunks.ts';
import { type AppendTargets, outboxesOf, reserveOutboxes } from '../publishing/atomic-append.ts';
import { type Move, moveAtomically } from '../publishing/atomic-move.ts';
import type { AnyQueue } from '../queues/any-queue.ts';
import type { Queue } from '../queues/queue.ts';
import { settingsFromArguments } from '../queues/queue-settings.ts';
import type { Shard } from '../shard/shard.ts';
import type { Pumped } from '../shard/turn.ts';
import type { DelayBucketChanged, MetadataOperation } from '../topology/metadata.ts';
import type { VirtualHostDelays } from '../topology/virtual-hosts.ts';
import { Bucket } from './bucket.ts';
import { Buckets } from './buckets.ts';
import { DelayLedger } from './delay-ledger.ts';
import { DelayTarget } from './delay-target.ts';
import { DueOrder } from './due-order.ts';
import { dueAt } from './due-time.ts';
import { Leaving } from './leaving.ts';
import { WIDTHS_MS } from './levels.ts';
import type { HeldBudget } from './read-back.ts';
import { Rerouting, type RouteDelayed } from './rerouting.ts';
import { Sweep } from './sweep.ts';

export interface DelayStoreDeps {
  readonly vhost: string;
  readonly shard: Shard;
  readonly budget: HeldBudget;
  readonly routeDelayed: RouteDelayed;
  record(operation: MetadataOperation): void;
  onRemoved(): void;
  onCorruption(vhost: string, error: CorruptionError): void;
}

/** How many messages are moved before others get the processor, and how long that should take: each is routed anew. */
const MOVED_MAX = 1024;
const MOVED_MS_MAX = 1;
/** More messages than that are not put in order, however small they are. */
const ORDERED_MAX = 1 << 20;
/** Nobody tells when the clock was set: it is looked at this often. */
const SLEEP_MS_MAX = 1000;

/**
 * Messages of one virtual host that wait before they are routed, by the time at which they come due (`levels.ts`).
 *
 *     publish ──▶ bucket (a log)  ──▶ narrower bucket ──▶ queues
 *                      |   when its time comes near    when the message is due
 *                 journal, segments
 *
 * A waiting message is in a log as any other, and takes what a message in a queue takes: nothing, once it is in a
 * segment. Each move appends and settles in one block, so that it is in one place also after a crash. Time is the wall
 * clock's, as it has to go on while the broker is down: when it is set, delays are that much shorter or longer.
 */
export class DelayStore implements VirtualHostDelays<AnyQueue>, Pumped {
  readonly ledger = new DelayLedger();
  pumpPending = false;
  readonly #deps: DelayStoreDeps;
  readonly #buckets = new Buckets();
  readonly #rerouting: Rerouting;
  readonly #routePace = new BatchPace(MOVED_MAX, MOVED_MS_MAX);
  readonly #distributionPace = new BatchPace(MOVED_MAX, MOVED_MS_MAX);
  readonly #settings = settingsFromArguments({});
  #timer: { cancel(): void } | null = null;
  #timerMs = Number.POSITIVE_INFINITY;
  #isPaused = false;
  #isStopped = false;
  /** All of it goes to another shard. */
  #leaving: Leaving | null = null;

  constructor(deps: DelayStoreDeps) {
    this.#deps = deps;
    const { codecs } = deps.shard;
    this.#rerouting = new Rerouting(codecs, deps.routeDelayed, this.ledger, (targets, bytes) =>
      reserveOutboxes(outboxesOf(deps.shard), targets, bytes),
    );
  }

  /** Messages that wait. */
  get waitingCount(): number {
    let count = 0;
    for (const bucket of this.#buckets) count += bucket.waitingCount;
    return count;
  }

  /** What cannot be read of them; null if nothing was found damaged. */
  get damage(): CorruptionError | null {
    for (const { damage } of this.#buckets) if (damage !== null) return damage;
    return null;
  }

  /** In a shard that is held: all of them go to another one, where they wait on. */
  leaveFor(shard: number): void {
    const own = this.#deps.shard;
    this.#leaving = new Leaving(this.#deps.vhost, shard, own.store.chunks, outboxesOf(own));
    own.turn.pumpLater(this);
  }

  /** Where one waits that comes from another shard: published then, with such a delay. */
  arrivalTargets(dueMs: number): AppendTargets {
    this.ledger.accepted++;
    return this.#bucketFor(dueMs).targets;
  }

  /** The logs of the messages, by their numbers. */
  *logIds(): Generator<number> {
    for (const bucket of this.#buckets) yield bucket.id;
  }

  targetFor(delayMs: number): Queue {
    const { turn } = this.#deps.shard;
    return new DelayTarget(
      this.#settings,
      () => this.#bucketFor(turn.nowMs + delayMs),
      () => {
        this.ledger.accepted++;
      },
    ).asQueue;
  }

  /** Recovery: repeats a journaled change. What is in effect already is left alone. */
  apply(operation: DelayBucketChanged): void {
    const known = this.#buckets.byId(operation.id);
    if (operation.op === 'delay.bucket-remove') {
      if (known !== undefined) this.#dispose(known);
    } else if (known === undefined) {
      const level = WIDTHS_MS.indexOf(operation.widthMs);
      if (level < 0)
        throw new Error(`the journal has a delay bucket with a width of ${operation.widthMs} ms`);
      this.#add(this.#deps.shard.logId(operation.id), level, operation.startMs);
    }
  }

  snapshot(): MetadataOperation[] {
    return Array.from(this.#buckets, (bucket) => this.#operation('delay.bucket-add', bucket));
  }

  /** Called once the logs are recovered. */
  recovered(): void {
    for (const bucket of this.#buckets) bucket.recovered();
    this.ledger.recovered = this.waitingCount;
    this.#deps.shard.turn.pumpLater(this);
  }

  /** The virtual host is deleted, and what waits with it. */
  remove(): void {
    this.stop();
    for (const bucket of [...this.#buckets]) this.#dispose(bucket);
    this.#deps.onRemoved();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** From the turn: routes what is due, distributes what comes due soon, and sets the timer. */
  pump(): void {
    if (this.#isStopped || this.#isPaused) return;
    if (this.#deps.shard.isHeld) {
      this.#leave();
      return;
    }
    const { nowMs } = this.#deps.shard;
    this.#openBuckets(nowMs);
    const isMoreDue = this.#routeDue(nowMs);
    const isMoreToDistribute = !this.#isPaused && this.#distribute();
    const isMoreToOpen = this.#removeEmpty(nowMs);
    if (this.#isPaused) return;
    if (isMoreDue || isMoreToDistribute || isMoreToOpen) this.#deps.shard.turn.pumpLater(this);
    else this.#sleepUntil(this.#buckets.nextMs());
  }

  /** The bucket for what comes due then; made if it is not there. */
  #bucketFor(dueMs: number): Bucket {
    const { nowMs } = this.#deps.shard;
    const { level, startMs, bucket } = this.#buckets.find(dueMs, nowMs);
    if (bucket !== null) return bucket;
    const added = this.#add(this.#deps.shard.logId(), level, startMs);
    this.#deps.record(this.#operation('delay.bucket-add', added));
    this.#sleepUntil(added.opensAtMs);
    return added;
  }

  #add(id: number, level: number, startMs: number): Bucket {
    const { store, turn } = this.#deps.shard;
    const bucket = new Bucket(id, level, startMs, (...log) => store.openLog(...log), {
      onChange: () => {
        if (!this.#isStopped) turn.pumpLater(this);
      },
      onLost: () => {
        this.ledger.lost++;
      },
      onCorruption: (damaged, error) => {
        damaged.reader?.close();
        this.#buckets.reconsider();
        this.#deps.onCorruption(this.#deps.vhost, error);
      },
    });
    this.#buckets.add(bucket);
    return bucket;
  }

  #dispose(bucket: Bucket): void {
    this.#buckets.remove(bucket);
    bucket.reader?.close();
    this.#deps.shard.store.removeLog(bucket.log);
  }

  #openBuckets(nowMs: number): void {
    const { chunks } = this.#deps.shard.store;
    for (const bucket of this.#buckets.opening(nowMs)) {
      bucket.reader =
        bucket.level === 0 && this.#fits(bucket)
          ? new DueOrder(bucket, chunks, this.#deps.budget, (error) => this.#onRead(bucket, error))
          : new Sweep(bucket, chunks);
    }
  }

  #fits({ log, waitingCount }: Bucket): boolean {
    const { budget } = this.#deps;
    return waitingCount <= ORDERED_MAX && budget.bytes + (log.segments?.bytes ?? 0) <= budget.bytesMax;
  }

  /** True if there may be more to route now. */
  #routeDue(nowMs: number): boolean {
    const beganMs = this.#deps.shard.clock.monotonicMs();
    const { size } = this.#routePace;
    const batch: Move[] = [];
    let isMore = false;
    this.#deps.shard.outboxes?.beginReserving();
    for (const bucket of this.#buckets.open(0)) {
      if (bucket.damage !== null) continue;
      this.#keepWithinBudget(bucket);
      const isLeft = bucket.reader?.take(nowMs, size - batch.length, (offset, chunk, at) => {
        const move = this.#rerouting.moveOf(bucket, offset, chunk, at, nowMs);
        if (move === null) this.#waitForOutbox();
        else batch.push(move);
        return move !== null;
      });
      if (this.#isPaused) break;
      // There may be more in the next bucket too.
      if (isLeft === true || batch.length >= size) isMore = true;
      if (batch.length >= size) break;
    }
    this.#move(batch, this.#routePace, beganMs);
    for (const bucket of this.#buckets.open(0)) if (bucket.damage === null) bucket.reader?.readOn();
    return isMore;
  }

  /** True if there may be more to distribute now. */
  #distribute(): boolean {
    const beganMs = this.#deps.shard.clock.monotonicMs();
    const { size } = this.#distributionPace;
    const batch: Move[] = [];
    let isMore = false;
    for (const bucket of this.#buckets.distributing()) {
      if (bucket.damage !== null) continue;
      const isLeft = bucket.reader?.take(
        Number.POSITIVE_INFINITY,
        size - batch.length,
        (offset, chunk, at) => {
          batch.push(this.#distribution(bucket, offset, chunk, at));
          return true;
        },
      );
      // There may be more in the next bucket too.
      if (isLeft === true || batch.length >= size) isMore = true;
      if (batch.length >= size) break;
    }
    this.#move(batch, this.#distributionPace, beganMs);
    for (const bucket of this.#buckets.distributing()) if (bucket.damage === null) bucket.reader?.readOn();
    return isMore;
  }

  #leave(): void {
    const leaving = this.#leaving;
    if (leaving === null) return;
    const { batch, isFull } = leaving.next(this.#buckets);
    this.#move(batch, this.#routePace, this.#deps.shard.clock.monotonicMs());
    this.ledger.moved += batch.length;
    for (const bucket of [...this.#buckets]) {
      if (bucket.waitingCount === 0) this.#finish(bucket);
      else if (bucket.damage === null) bucket.reader?.readOn();
    }
    if (isFull && !this.#isPaused) this.#waitForOutbox();
    else if (batch.length > 0 && !this.#isPaused) this.#deps.shard.turn.pumpLater(this);
  }

  /** The message as it is, with the time when it was published: its delay counts from there. */
  #distribution(source: Bucket, offset: number, chunk: Chunk, at: number): Move {
    const start = at + FRAME_HEADER_BYTES;
    return {
      source,
      offset,
      targets: this.#bucketFor(dueAt(chunk, at)).targets,
      content: Buffer.from(chunk.buffer.subarray(start, start + frameContentBytes(chunk, at))),
      persistent: chunk.kind !== 'transient',
      timestampMs: frameTimestampMs(chunk, at),
    };
  }

  /** `beganMs`: when the batch, which is as large as `pace` allows, was begun. */
  #move(batch: readonly Move[], pace: BatchPace, beganMs: number): void {
    if (batch.length === 0) return;
    const { shard } = this.#deps;
    moveAtomically(shard, batch);
    const { backPressure, turn, clock } = shard;
    pace.took(clock.monotonicMs() - beganMs, batch.length);
    const logs = [...new Set(batch.flatMap((each) => each.targets.logs))];
    if (!backPressure.mustPause(logs)) return;
    this.#isPaused = true;
    backPressure.onResume(logs, () => {
      this.#isPaused = false;
      turn.pumpLater(this);
    });
  }

  /** What is due next goes to another shard, for which too much waits. */
  #waitForOutbox(): void {
    const { shard } = this.#deps;
    this.#isPaused = true;
    outboxesOf(shard).whenRoom(() => {
      this.#isPaused = false;
      shard.turn.pumpLater(this);
    });
  }

  /** A bucket that grew while it was open, or of which too much went to segments, is read from end to end. */
  #keepWithinBudget(bucket: Bucket): void {
    const { budget, shard } = this.#deps;
    if (!(bucket.reader instanceof DueOrder)) return;
    if (budget.bytes <= budget.bytesMax && bucket.reader.size <= ORDERED_MAX) return;
    bucket.reader.close();
    bucket.reader = new Sweep(bucket, shard.store.chunks);
  }

  /** True if there was one: another may take its place. */
  #removeEmpty(nowMs: number): boolean {
    const finished = this.#buckets.finished(nowMs);
    for (const bucket of finished) this.#finish(bucket);
    return finished.length > 0;
  }

  #finish(bucket: Bucket): void {
    this.#deps.record(this.#operation('delay.bucket-remove', bucket));
    this.#dispose(bucket);
  }

  #onRead(bucket: Bucket, error: Error | null): void {
    const { store, turn } = this.#deps.shard;
    if (error instanceof CorruptionError) bucket.log.corrupted(error);
    else if (error !== null) store.events.onFailure(error);
    else turn.pumpLater(this);
  }

  #operation(op: DelayBucketChanged['op'], { id, level, startMs }: Bucket): DelayBucketChanged {
    return { op, vhost: this.#deps.vhost, id, startMs, widthMs: WIDTHS_MS[level] };
  }

  #sleepUntil(dueMs: number): void {
    if (dueMs >= this.#timerMs || this.#isStopped) return;
    const { scheduler, turn } = this.#deps.shard;
    turn.touch();
    this.#timer?.cancel();
    this.#timerMs = dueMs;
    const waitMs = Math.min(SLEEP_MS_MAX, Math.max(0, Math.ceil(dueMs - turn.nowMs)));
    this.#timer = scheduler.after(waitMs, () => {
      this.#timer = null;
      this.#timerMs = Number.POSITIVE_INFINITY;
      turn.pumpLater(this);
    });
  }
}
