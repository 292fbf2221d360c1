import type { Timer } from '../base/scheduler.ts';
import { CorruptionError } from './corruption.ts';
import { FreeDiskSpace } from './files/free-disk-space.ts';
import { isDiskFull } from './files/system-error.ts';
import type { Position } from './journal/position.ts';
import { MemoryLimit } from './memory/memory-limit.ts';
import { Pager } from './memory/pager.ts';
import { noteNewestSnapshot } from './newest-snapshot.ts';
import type { QueueLog } from './queues/queue-log.ts';
import type { SegmentedLog } from './segments/segmented-log.ts';
import { GoneLogs } from './segments/transient-logs.ts';
import { type LogSnapshot, type StreamSnapshot, writeSnapshot } from './snapshot.ts';
import type { StateMachine, StoreState } from './store-state.ts';
import { LogCleaner } from './streams/log-cleaner.ts';
import type { StreamLog } from './streams/stream-log.ts';

const TICK_MS = 250;
/** Wholly acknowledged segments are deleted when they are this much, or when the last snapshot is old enough. */
const DROPPED_BYTES = 64 * 1024 * 1024;
const RETRY_MS = 500;
/** The free space is checked on each tick, and whenever so much was written to the journal: it can go quickly. */
const WATCH_BYTES = 4 * 1024 * 1024;

/**
 * Work in the background, one thing at a time: waiting messages move from memory to segments, journal files are retired,
 * acknowledged segments are deleted, retention and compaction are begun, the free space of the disk is watched.
 */
export class Maintenance {
  readonly #state: StoreState;
  readonly #pager: Pager;
  readonly #cleaner: LogCleaner;
  readonly #memoryLimit: MemoryLimit;
  readonly #diskSpace: FreeDiskSpace;
  readonly #gone: GoneLogs;
  #machine: StateMachine | null = null;
  #timer: Timer | null = null;
  #running: Promise<void> | null = null;
  #stopped = false;
  #isSuspended = false;
  /** Deleted logs whose files are there still. */
  #removed: (QueueLog | StreamLog)[] = [];
  /** Logs with a large ring. */
  #long = new Set<QueueLog>();
  /** Logs whose table of segments changed, and how many snapshots it takes until their files can follow. */
  readonly #reclaimed = new Map<QueueLog | StreamLog, number>();
  #droppedBytes = 0;
  #lastSnapshotMs = 0;
  #lastReclaimMs = 0;
  #lastSweepMs = 0;
  #watchedBytes = 0;

  constructor(state: StoreState) {
    this.#state = state;
    const { options, events } = state;
    this.#pager = new Pager(state);
    this.#memoryLimit = new MemoryLimit(state, this.#pager);
    this.#diskSpace = new FreeDiskSpace({
      fileSystem: options.fileSystem,
      directory: options.directory,
      freeBytesMin: options.diskFreeBytes,
      // While the directory is read, neither the device nor the journal are there.
      writtenBytes: () => (state.device?.writtenBytes ?? 0) + state.segments.appendedBytes,
      pendingBytes: () => (state.tip?.pendingBytes ?? 0) + this.#bytesToPageOut,
      onChange: (level) => events.onDiskLevel(level),
    });
    this.#gone = new GoneLogs(options.fileSystem, options.scheduler);
    this.#cleaner = new LogCleaner(state, this.#pager.streams, {
      onDropped: (stream, bytes) => {
        this.#droppedBytes += bytes;
        this.#reclaimed.set(stream, 2);
      },
    });
  }

  /** Nothing may be in segments of which no snapshot tells what it is: where there is none, one is taken first. */
  async startFollowing(machine: StateMachine, hasSnapshot: boolean): Promise<void> {
    this.#machine = machine;
    if (!hasSnapshot) await this.snapshot(false);
    this.start(machine, []);
  }

  /** From here on it works: a store that followed has done so already. `gone`: directories that are not needed any more. */
  start(machine: StateMachine, gone: readonly string[]): void {
    this.#isSuspended = false;
    this.#gone.delete(gone, (error) =>
      this.#state.events.onWarning(
        `segments of transient queues of an earlier run are there still: ${error.message}`,
      ),
    );
    if (this.#timer !== null) return;
    this.#machine = machine;
    this.#lastSnapshotMs = this.#state.options.clock.monotonicMs();
    this.#timer = this.#state.options.scheduler.every(TICK_MS, () => this.#tick());
    this.poke();
  }

  /** Cheap: called at the end of each turn. */
  poke(): void {
    if (!this.#stopped) {
      this.#diskSpace.estimate();
      if (this.#state.device.writtenBytes - this.#watchedBytes > WATCH_BYTES) this.#watchDisk();
    }
    if (this.#running !== null || this.#stopped || this.#isSuspended || !this.#isNeeded()) return;
    this.#running = this.#run().finally(() => {
      this.#running = null;
    });
  }

  /** Resolves when what it is doing now is done; it begins nothing else until `start`. */
  async suspend(): Promise<void> {
    this.#isSuspended = true;
    await this.#running;
  }

  /** While it is suspended: all that the log has in memory goes to its segments. */
  async pageOut(log: QueueLog): Promise<void> {
    await this.#pager.pageOut(log, Number.POSITIVE_INFINITY);
  }

  /** As `pageOut`, of a stream. */
  async pageOutStream(log: StreamLog): Promise<void> {
    await this.#pager.streams.pageOutAll(log);
  }

  /** While it is suspended: deletes the files of logs that were removed. */
  async deleteRemoved(): Promise<void> {
    await this.#deleteRemoved();
  }

  /** The log was deleted, and its files are there still. */
  isRemoving(id: number): boolean {
    return this.#removed.some((log) => log.id === id);
  }

  /** Resolves when memory is within its limit, or nothing can be done about that. */
  async freed(): Promise<void> {
    const { chunks, options } = this.#state;
    while (chunks.bytes > options.memoryBytes && this.#isNeeded()) {
      this.poke();
      if (this.#running === null) return;
      await this.#running;
    }
  }

  logWasRemoved(log: QueueLog | StreamLog): void {
    const { segments } = log;
    if (segments?.mayHaveFiles === true) this.#removed.push(log);
    else void segments?.remove();
    this.#reclaimed.delete(log);
    if ('ring' in log) this.#long.delete(log);
  }

  /** The ring of the log has become large: an old message is never acknowledged. */
  logIsLong(log: QueueLog): void {
    this.#long.add(log);
  }

  journalIsFull(full: boolean): void {
    this.#diskSpace.journalIsFull(full);
  }

  /** Before anybody may append: resolves when it is known how much space there is. */
  checkDisk(): Promise<void> {
    return this.#diskSpace.check();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#diskSpace.stop();
    this.#timer?.cancel();
    this.#pager.stop();
    await this.#running;
    await this.#cleaner.stop();
    await this.#gone.stop();
  }

  abandon(): void {
    this.#stopped = true;
    this.#diskSpace.stop();
    this.#cleaner.abandon();
    this.#gone.abandon();
    this.#timer?.cancel();
  }

  /** Takes a snapshot, so that recovery may begin at `from`: messages in memory are in the journal behind it. */
  async snapshot(clean: boolean, from: Position | null = null): Promise<void> {
    const state = this.#state;
    if (!state.acknowledgements.isEmpty) state.acknowledgements.flush(state.journal);
    const nextBlock = state.tip.cut();
    const journal = state.device.position(from);
    const logs: LogSnapshot[] = [];
    for (const log of state.logs.values()) {
      if (log.durable) logs.push({ ...log.state(), segments: (log.segments as SegmentedLog).table() });
    }
    const streams: StreamSnapshot[] = [];
    for (const stream of state.streams.values()) {
      streams.push({ ...stream.state(), segments: stream.segments.table() });
    }
    const broker = (this.#machine as StateMachine).snapshot();
    const removed = [...this.#removed];
    const deleted = removed.map(({ id }) => id);
    const { fileSystem, directory } = state.options;
    await state.segments.syncAll();
    await state.tip.flush();
    // It promises that the blocks before it are there, in every durability mode.
    await state.device.sync();
    const snapshot = {
      nextBlock,
      journal,
      clean,
      logs,
      streams,
      deleted,
      broker,
    };
    await writeSnapshot(
      fileSystem,
      directory,
      snapshot,
      () => new Promise((resolve) => state.options.scheduler.soon(resolve)),
    );
    await noteNewestSnapshot(fileSystem, directory, nextBlock);
    if (state.isReplicated) await this.#delete(removed);
    this.#lastSnapshotMs = state.options.clock.monotonicMs();
    this.#droppedBytes = 0;
    const tables = new Map([...logs, ...streams].map(({ id, segments }) => [id, segments]));
    for (const [log, rounds] of [...this.#reclaimed]) {
      if (rounds <= 1) this.#reclaimed.delete(log);
      else this.#reclaimed.set(log, rounds - 1);
      if (!log.removed) await (log.segments as SegmentedLog).deleteDropped(tables.get(log.id) ?? []);
    }
  }

  #tick(): void {
    this.poke();
    this.#watchDisk();
  }

  #watchDisk(): void {
    this.#watchedBytes = this.#state.device.writtenBytes;
    void this.#diskSpace.check();
  }

  #isNeeded(): boolean {
    return (
      (this.#state.chunks.bytes > this.#state.options.memoryBytes && this.#mustFreeMemory) ||
      this.#journalIsLong() ||
      this.#hasFilesToDelete ||
      this.#long.size > 0 ||
      this.#state.options.clock.monotonicMs() - this.#lastReclaimMs > this.#state.options.reclaimMs
    );
  }

  /** Not while disk space is short: nobody publishes then, and what is paged out takes space besides that in the journal. */
  get #mustFreeMemory(): boolean {
    return !this.#diskSpace.isShort && this.#memoryLimit.isExceeded;
  }

  async #freeMemory(): Promise<void> {
    // It writes some megabytes at a time, of which nobody else knows.
    await this.#diskSpace.check();
    if (this.#mustFreeMemory) await this.#memoryLimit.freeMemory();
  }

  /** What is beyond the limit of the journal is written to segments before its files go: for a while it is there twice. */
  get #bytesToPageOut(): number {
    const { device, options } = this.#state;
    return device === undefined ? 0 : Math.max(0, device.lengthBytes - options.journalBytes);
  }

  #journalIsLong(): boolean {
    const { device, options } = this.#state;
    return device.isLongerThan(options.journalBytes);
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        // Under a load that never lets up, what is too old or too much goes all the same.
        if (this.#isSweepOverdue()) await this.#sweepStreams();
        else if (this.#mustFreeMemory) await this.#freeMemory();
        // Before what takes space: on a full disk that waits for it.
        else if (this.#hasFilesToDelete) await this.#deleteRemoved();
        else if (this.#journalIsLong()) await this.#retireJournal();
        else if (this.#long.size > 0) await this.#shorten();
        else if (this.#isNeeded()) await this.#reclaim();
        else return;
        this.#state.events.onRelief();
      } catch (error) {
        if (!(await this.#survives(error as NodeJS.ErrnoException))) return;
      }
    }
  }

  /** A full disk is waited out. Anything else ends the broker: what it says of its files may not be true any more. */
  async #survives(error: NodeJS.ErrnoException): Promise<boolean> {
    if (this.#stopped) return false;
    if (!isDiskFull(error)) {
      this.#state.events.onFailure(error);
      return false;
    }
    this.#state.events.onDiskLevel('reserve');
    await this.#state.device.dropReserves();
    await new Promise<void>((resolve) => this.#state.options.scheduler.after(RETRY_MS, resolve));
    this.#diskSpace.report();
    return true;
  }

  async #retireJournal(): Promise<void> {
    const { device, options } = this.#state;
    const oldest = await device.oldestBeyond(options.journalBytes);
    if (oldest === null) return;
    this.#state.beginGeneration();
    // Stopped: the next start begins with this file still.
    if (!(await this.#pager.pageOutGeneration(oldest.generation))) return;
    await this.snapshot(false, oldest.next);
    await device.release(oldest.next);
  }

  async #deleteRemoved(): Promise<void> {
    // Those that are removed meanwhile have their turn later.
    const removed = [...this.#removed];
    // Their deletion is in the journal: only when it is durable may the files go.
    await this.#state.tip.flush();
    await this.#state.device.sync();
    await this.#delete(removed);
  }

  async #delete(removed: readonly (QueueLog | StreamLog)[]): Promise<void> {
    const deleted = new Set<QueueLog | StreamLog>();
    for (const log of removed) {
      // The last snapshot says that the others are deleted, so that the next start does it.
      if (this.#stopped) break;
      await log.segments?.remove();
      deleted.add(log);
    }
    this.#removed = this.#removed.filter((log) => !deleted.has(log));
  }

  /** Those of logs that were deleted. */
  get #hasFilesToDelete(): boolean {
    return this.#removed.length > 0 && !this.#state.isReplicated;
  }

  async #shorten(): Promise<void> {
    for (const log of [...this.#long]) {
      this.#long.delete(log);
      if (log.removed) continue;
      const below = log.tailStart + Math.floor((log.end - log.tailStart) / 2);
      await this.#pager.pageOut(log, below);
    }
  }

  /** Segments that are wholly acknowledged leave; those with few live messages are rewritten. */
  async #reclaim(): Promise<void> {
    this.#lastReclaimMs = this.#state.options.clock.monotonicMs();
    for (const log of [...this.#state.logs.values()]) {
      const segments = log.segments as SegmentedLog;
      if (this.#stopped) return;
      if (log.removed || log.isCorrupt || segments.startOffset >= segments.endOffset) continue;
      const before = segments.bytes;
      segments.dropBelow(log.head);
      if (!log.acknowledged.beyond.isEmpty && !log.removed) {
        await this.#reclaimLog(log, segments);
      }
      if (segments.bytes === before) continue;
      this.#droppedBytes += before - segments.bytes;
      this.#reclaimed.set(log, 2);
    }
    await this.#sweepStreams();
  }

  #isSweepOverdue(): boolean {
    const { clock, reclaimMs } = this.#state.options;
    return this.#state.streams.size > 0 && clock.monotonicMs() - this.#lastSweepMs > 2 * reclaimMs;
  }

  async #sweepStreams(): Promise<void> {
    this.#lastSweepMs = this.#state.options.clock.monotonicMs();
    await this.#cleaner.sweep();
    await this.#deleteReclaimed();
  }

  async #reclaimLog(log: QueueLog, segments: SegmentedLog): Promise<void> {
    try {
      await segments.reclaim(
        (from, to) => log.acknowledged.missingIn(from, to) === 0,
        (from, to) => log.acknowledged.missingIn(from, to),
      );
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      log.corrupted(error);
    }
  }

  async #deleteReclaimed(): Promise<void> {
    const age = this.#state.options.clock.monotonicMs() - this.#lastSnapshotMs;
    const isDue =
      this.#droppedBytes > DROPPED_BYTES ||
      ((this.#reclaimed.size > 0 || this.#removed.length > 0) && age > 2 * this.#state.options.reclaimMs);
    if (isDue) await this.snapshot(false);
  }
}
