import { compactLog } from '../compaction/compact-log.ts';
import { CorruptionError } from '../corruption.ts';
import { isDiskFull } from '../files/system-error.ts';
import type { Segment } from '../segments/segment.ts';
import type { StoreState } from '../store-state.ts';
import { startByBytes, startByTime } from './retention.ts';
import { type RetentionSettings, STREAM_UPKEEP, type StreamUpkeep } from './retention-settings.ts';
import type { StreamLog } from './stream-log.ts';
import type { StreamPager } from './stream-pager.ts';

/** The first check of retention by time, at the latest. */
const FIRST_CHECK_MS = 30 * 1000;
/** Streams that are checked before other work of the event loop has its turn. */
const STREAMS_PER_SLICE = 512;

export interface LogCleanerEvents {
  /** Segments of the stream left its table, or were replaced: their files are deleted after a later snapshot. */
  onDropped(stream: StreamLog, bytes: number): void;
}

/**
 * Retention and compaction of streams: old segments leave, those of compacted streams are closed when they are due and
 * compacted in the background, one stream at a time, that with the largest dirty ratio first.
 */
export class LogCleaner {
  readonly #state: StoreState;
  readonly #pager: StreamPager;
  readonly #events: LogCleanerEvents;
  readonly #upkeep: StreamUpkeep;
  #nextCheckMs = -1;
  #compacting: Promise<void> | null = null;
  /** Compacted streams in which there may be something to do. */
  readonly #candidates = new Set<StreamLog>();
  /** They could not be compacted: not before the next sweep. */
  readonly #stuck = new Set<StreamLog>();
  #stopped = false;

  constructor(state: StoreState, pager: StreamPager, events: LogCleanerEvents) {
    this.#state = state;
    this.#pager = pager;
    this.#events = events;
    this.#upkeep = { ...STREAM_UPKEEP, ...state.options.streamUpkeep };
  }

  /** Applies retention to all streams, and begins to compact. The caller writes to no segment meanwhile. */
  async sweep(): Promise<void> {
    const { clock, scheduler } = this.#state.options;
    const checksAge = this.#isAgeCheckDue(clock.monotonicMs());
    let checked = 0;
    for (const stream of [...this.#state.streams.values()]) {
      if (stream.removed || this.#stopped) continue;
      const nowMs = clock.now();
      if (checksAge || isTouched(stream, nowMs)) await this.#apply(stream, nowMs, checksAge);
      if (++checked % STREAMS_PER_SLICE === 0) await new Promise<void>((resolve) => scheduler.soon(resolve));
    }
    this.#stuck.clear();
    this.#compacting ??= this.#compactAll().finally(() => {
      this.#compacting = null;
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#compacting;
  }

  abandon(): void {
    this.#stopped = true;
  }

  #isAgeCheckDue(nowMs: number): boolean {
    const intervalMs = this.#upkeep.retentionCheckMs;
    if (this.#nextCheckMs < 0) this.#nextCheckMs = nowMs + Math.min(intervalMs, FIRST_CHECK_MS);
    if (nowMs < this.#nextCheckMs) return false;
    this.#nextCheckMs = nowMs + intervalMs;
    return true;
  }

  async #apply(stream: StreamLog, nowMs: number, checksAge: boolean): Promise<void> {
    const settings = stream.events.retentionSettings();
    // Where others lead, they say in the journal what is too old.
    if (settings.deletes && !this.#state.isFollowing) {
      const start = checksAge ? startByTime(stream, settings, nowMs) : stream.start;
      const least = Math.max(start, startByBytes(stream, settings));
      if (least > stream.start) stream.events.onExpired(least);
    }
    stream.lookedAtEnd = stream.end;
    stream.lookedAtStart = stream.start;
    stream.lookedAtSettings = settings;
    this.#drop(stream);
    await this.#close(stream, settings, nowMs);
    if (!settings.compacts) return;
    this.#candidates.add(stream);
    stream.nextLookMs = nextCloseMs(stream, settings);
  }

  /** Whole segments, and whole batches in memory, leave if they are before the start. */
  #drop(stream: StreamLog): void {
    const { start, segments } = stream;
    if (start > stream.tailStart) stream.dropTail(start);
    if (start <= segments.startOffset) return;
    const before = segments.bytes;
    segments.dropBelow(start);
    if (segments.bytes < before) this.#events.onDropped(stream, before - segments.bytes);
  }

  /** A segment that is old enough gets no more batches; of a compacted stream, neither do those in memory stay there. */
  async #close(stream: StreamLog, settings: RetentionSettings, nowMs: number): Promise<void> {
    const { segments, tail } = stream;
    const ageMs = closesAfterMs(stream, settings);
    const activeBytes = segments.active?.bytes ?? 0;
    if (settings.compacts && tail.count > 0) {
      const isOld = nowMs - stream.tailSinceMs >= ageMs;
      if (isOld || activeBytes + stream.tailBytes >= settings.segmentBytes)
        await this.#pager.pageOutAll(stream);
    }
    const { active } = segments;
    if (active === null || stream.removed) return;
    if (nowMs - (active.createdMs ?? nowMs) >= ageMs || active.bytes >= settings.segmentBytes)
      await segments.roll();
  }

  async #compactAll(): Promise<void> {
    for (;;) {
      const stream = this.#dirtiest();
      if (stream === null || this.#stopped) return;
      await this.#compact(stream);
    }
  }

  #dirtiest(): StreamLog | null {
    const nowMs = this.#state.options.clock.now();
    let dirtiest: StreamLog | null = null;
    let most = 0;
    for (const stream of this.#candidates) {
      if (this.#stuck.has(stream)) continue;
      const isOver = stream.removed || stream.isCorrupt || !stream.events.retentionSettings().compacts;
      const dirt = isOver ? 0 : dirtOf(stream, nowMs);
      // It comes back when something is appended, or closed.
      if (isOver || (dirt === 0 && !mayBecomeDirty(stream))) this.#candidates.delete(stream);
      if (dirt <= most) continue;
      dirtiest = stream;
      most = dirt;
    }
    return dirtiest;
  }

  async #compact(stream: StreamLog): Promise<void> {
    const { segments, events } = stream;
    const { options } = this.#state;
    const { deleteRetentionMs, segmentBytes } = events.retentionSettings();
    const nowMs = options.clock.now();
    const before = segments.bytes;
    const cleanedTo = Math.max(stream.cleanedTo, segments.startOffset);
    try {
      const cleaned = await compactLog(segments, {
        cleanedTo,
        below: compactableBelow(stream, nowMs),
        nowMs,
        deleteRetentionMs,
        segmentBytes,
        memoryBytes: this.#upkeep.compactionMemoryBytes,
        opener: this.#state.opener,
        abortedIn: (from, below) => events.abortedIn(from, below),
        pause: (bytes) => this.#pause(stream, bytes),
      });
      if (stream.removed) return;
      if (cleaned <= cleanedTo) this.#stuck.add(stream);
      stream.cleanedTo = cleaned;
      const isChanged = segments.segments.some((segment) => segments.isReplaced(segment));
      if (isChanged || segments.bytes !== before)
        this.#events.onDropped(stream, Math.max(0, before - segments.bytes));
    } catch (error) {
      this.#stuck.add(stream);
      this.#failed(stream, error as NodeJS.ErrnoException);
    }
  }

  #failed(stream: StreamLog, error: NodeJS.ErrnoException): void {
    if (stream.removed || this.#stopped) return;
    if (error instanceof CorruptionError) {
      stream.corrupted(error);
    } else if (!isDiskFull(error)) {
      // A full disk has room again when something is deleted; until then all is as it was.
      this.#state.events.onFailure(error);
    }
  }

  /** Keeps to `compactionBytesPerSecond`. False if the compaction is to end. */
  async #pause(stream: StreamLog, bytes: number): Promise<boolean> {
    const { scheduler } = this.#state.options;
    const ms = (bytes / this.#upkeep.compactionBytesPerSecond) * 1000;
    await new Promise<void>((resolve) => {
      if (ms < 1) scheduler.soon(resolve);
      else scheduler.after(ms, resolve);
    });
    return !this.#stopped && !stream.removed;
  }
}

/** Whether there is anything to do for it before the next check of retention by time. */
function isTouched(stream: StreamLog, nowMs: number): boolean {
  const settings = stream.events.retentionSettings();
  return (
    stream.end !== stream.lookedAtEnd ||
    stream.start !== stream.lookedAtStart ||
    settings !== stream.lookedAtSettings ||
    (settings.compacts && nowMs >= stream.nextLookMs)
  );
}

/** The age at which a segment is closed. The jitter of a stream is always the same. */
function closesAfterMs(stream: StreamLog, settings: RetentionSettings): number {
  const { segmentMs, segmentJitterMs, compactionLagMsMax, compacts } = settings;
  const jitterMs = segmentJitterMs * ((Math.imul(stream.id, 0x9e3779b1) >>> 0) / 2 ** 32);
  const ms = segmentMs - Math.min(jitterMs, segmentMs / 2);
  return compacts ? Math.min(ms, compactionLagMsMax) : ms;
}

/** When the next segment is to be closed, if nothing is appended. */
function nextCloseMs(stream: StreamLog, settings: RetentionSettings): number {
  const { tail, segments } = stream;
  const begunMs = Math.min(
    tail.count > 0 ? stream.tailSinceMs : Number.POSITIVE_INFINITY,
    segments.active?.createdMs ?? Number.POSITIVE_INFINITY,
  );
  return begunMs + closesAfterMs(stream, settings);
}

/** Whether more can become compactable without an append: with time, by the end of a transaction, or by a snapshot. */
function mayBecomeDirty(stream: StreamLog): boolean {
  const { compactionLagMsMin, compactionLagMsMax } = stream.events.retentionSettings();
  const { segments } = stream;
  const end = segments.segments.at(-1)?.endOffset ?? 0;
  if (stream.cleanedTo >= end) return false;
  if (compactionLagMsMin > 0 || Number.isFinite(compactionLagMsMax)) return true;
  if (stream.events.stableOffset() < end) return true;
  return segments.segments.some((segment) => segments.isReplaced(segment));
}

/** Where the first segment begins that is active, has records of an open transaction, or is younger than the lag allows. */
function compactableBelow(stream: StreamLog, nowMs: number): number {
  const { compactionLagMsMin } = stream.events.retentionSettings();
  const stableOffset = stream.events.stableOffset();
  const { active, segments } = stream.segments;
  let below = 0;
  for (const segment of segments) {
    const isYoung = compactionLagMsMin > 0 && lastTimeOf(segment, nowMs) > nowMs - compactionLagMsMin;
    if (segment === active || segment.endOffset > stableOffset || isYoung) break;
    below = segment.endOffset;
  }
  return below;
}

function lastTimeOf({ maxTimestampMs = -1, createdMs }: Segment, nowMs: number): number {
  return maxTimestampMs >= 0 ? maxTimestampMs : (createdMs ?? nowMs);
}

/**
 * The dirty ratio: bytes that were never compacted, of all that can be; more than 1 if a record waits for longer than
 * `compactionLagMsMax`. 0 if it is below `dirtyRatioMin`, or if rewritten segments wait for a snapshot.
 */
function dirtOf(stream: StreamLog, nowMs: number): number {
  const { dirtyRatioMin, compactionLagMsMax } = stream.events.retentionSettings();
  const below = compactableBelow(stream, nowMs);
  let clean = 0;
  let dirty = 0;
  let isLate = false;
  for (const segment of stream.segments.segments) {
    if (segment.endOffset > below) break;
    if (stream.segments.isReplaced(segment)) return 0;
    if (segment.endOffset <= stream.cleanedTo) {
      clean += segment.bytes;
    } else {
      dirty += segment.bytes;
      isLate ||= nowMs - (segment.createdMs ?? nowMs) >= compactionLagMsMax;
    }
  }
  if (dirty === 0) return 0;
  const ratio = dirty / (clean + dirty);
  if (isLate) return 1 + ratio;
  return ratio > dirtyRatioMin ? ratio : 0;
}
