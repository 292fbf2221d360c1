import type { Timer } from '../base/scheduler.ts';
import { CorruptionError } from './corruption.ts';
import { Pager } from './memory/pager.ts';
import type { QueueLog } from './queues/queue-log.ts';
import type { SegmentedLog } from './segments/segmented-log.ts';
import { type LogSnapshot, type StreamSnapshot, writeSnapshot } from './snapshot.ts';
import type { StateMachine, Store } from './store.ts';
import { LogCleaner } from './streams/log-cleaner.ts';
import type { StreamLog } from './streams/stream-log.ts';

const TICK_MS = 250;
/** Wholly acknowledged segments are deleted when they are this much, or when the last snapshot is old enough. */
const DROPPED_BYTES = 64 * 1024 * 1024;
const RETRY_MS = 500;
const PAGE_OUT_BYTES = 2 * 1024 * 1024;
const PAGE_OUT_BYTES_PER_LOG = 16 * 1024;
/** Each start begins a file: even if nothing is ever written they must not become many. */
const FILES_MAX = 100;
/** The free space is looked at on each tick, and whenever so much was written to the journal: it can go quickly. */
const WATCH_BYTES = 4 * 1024 * 1024;

/**
 * What goes on behind the messages' backs, one thing at a time: waiting messages move from memory to segments,
 * journal files are retired, settled segments are deleted, the free space of the disk is watched.
 */
export class Maintenance {
  readonly #store: Store;
  readonly #pager: Pager;
  readonly #keeper: LogCleaner;
  #machine: StateMachine | null = null;
  #timer: Timer | null = null;
  #running: Promise<void> | null = null;
  #stopped = false;
  #removed: (QueueLog | StreamLog)[] = [];
  #long = new Set<QueueLog>();
  /** Logs whose segments changed, and how many snapshots it takes until their files can follow. */
  readonly #reclaimed = new Map<QueueLog | StreamLog, number>();
  #droppedBytes = 0;
  #lastSnapshotMs = 0;
  #lastReclaimMs = 0;
  #lastSweepMs = 0;
  #journalFull = false;
  #diskLow = false;
  #watchedBytes = 0;
  #stuckGeneration = -1;

  constructor(store: Store) {
    this.#store = store;
    this.#pager = new Pager(store);
    this.#keeper = new LogCleaner(store, this.#pager.streams, {
      onDropped: (stream, bytes) => {
        this.#droppedBytes += bytes;
        this.#reclaimed.set(stream, 2);
      },
    });
  }

  start(machine: StateMachine): void {
    this.#machine = machine;
    this.#lastSnapshotMs = this.#store.options.clock.monotonicMs();
    this.#timer = this.#store.options.scheduler.every(TICK_MS, () => this.#tick());
    this.poke();
  }

  /** Cheap: called at the end of each turn. */
  poke(): void {
    if (this.#store.files.writtenBytes - this.#watchedBytes > WATCH_BYTES && !this.#stopped)
      this.#watchDisk();
    if (this.#running !== null || this.#stopped || !this.#isNeeded()) return;
    this.#running = this.#run().finally(() => {
      this.#running = null;
    });
  }

  logWasRemoved(log: QueueLog | StreamLog): void {
    this.#removed.push(log);
    this.#reclaimed.delete(log);
    if ('ring' in log) this.#long.delete(log);
  }

  /** The ring of the log has become large: something old is never settled. */
  logIsLong(log: QueueLog): void {
    this.#long.add(log);
  }

  journalIsFull(full: boolean): void {
    if (full === this.#journalFull) return;
    this.#journalFull = full;
    this.#reportDisk();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#running;
    await this.#keeper.stop();
  }

  abandon(): void {
    this.#stopped = true;
    this.#keeper.abandon();
    this.#timer?.cancel();
  }

  /**
   * Makes the present state durable, so that journal files below `firstFile` are not needed any more. What is in
   * memory only is still in the later files.
   */
  async snapshot(clean: boolean, firstFile = this.#firstFile()): Promise<void> {
    const store = this.#store;
    store.flushSettles();
    const nextBlock = store.journal.cut();
    const newFile = store.files.nextNumber;
    const logs: LogSnapshot[] = [];
    for (const log of store.logs.values()) {
      if (log.durable) logs.push({ ...log.state(), segments: (log.segments as SegmentedLog).table() });
    }
    const streams: StreamSnapshot[] = [];
    for (const stream of store.streams.values()) {
      streams.push({ ...stream.state(), segments: stream.segments.table() });
    }
    const broker = (this.#machine as StateMachine).snapshot();
    const deleted = this.#removed.map(({ id }) => id);
    const { fileSystem, directory } = store.options;
    await store.segments.syncAll();
    await store.journal.flush();
    // It promises that the blocks before it are there, in every durability mode.
    await store.files.sync();
    await writeSnapshot(fileSystem, directory, {
      nextBlock,
      firstFile,
      newFile,
      clean,
      logs,
      streams,
      deleted,
      broker,
    });
    this.#lastSnapshotMs = store.options.clock.monotonicMs();
    this.#droppedBytes = 0;
    const tables = new Map([...logs, ...streams].map(({ id, segments }) => [id, segments]));
    for (const [log, rounds] of [...this.#reclaimed]) {
      if (rounds <= 1) this.#reclaimed.delete(log);
      else this.#reclaimed.set(log, rounds - 1);
      if (!log.removed) await (log.segments as SegmentedLog).deleteDropped(tables.get(log.id) ?? []);
    }
  }

  #firstFile(): number {
    const { files } = this.#store;
    return files.files[0]?.number ?? files.nextNumber;
  }

  #tick(): void {
    this.poke();
    this.#watchDisk();
  }

  #watchDisk(): void {
    const { fileSystem, directory, diskFreeBytes } = this.#store.options;
    this.#watchedBytes = this.#store.files.writtenBytes;
    fileSystem.freeBytes(directory).then(
      (free) => {
        const limit = this.#diskLow ? diskFreeBytes * 1.1 : diskFreeBytes;
        if (free < limit === this.#diskLow || this.#stopped) return;
        this.#diskLow = free < limit;
        this.#reportDisk();
      },
      () => undefined,
    );
  }

  #reportDisk(): void {
    this.#store.events.onPressure('disk', this.#diskLow || this.#journalFull);
  }

  #isNeeded(): boolean {
    return (
      this.#memoryIsHigh() ||
      this.#journalIsLong() ||
      this.#removed.length > 0 ||
      this.#long.size > 0 ||
      this.#store.options.clock.monotonicMs() - this.#lastReclaimMs > this.#store.options.reclaimMs
    );
  }

  #memoryIsHigh(): boolean {
    const { chunks, options } = this.#store;
    if (chunks.bytes - chunks.windowBytes <= options.memoryBytes) return false;
    // What could not be freed the last time cannot be freed now, unless newer chunks were begun.
    return this.#store.generation !== this.#stuckGeneration;
  }

  #journalIsLong(): boolean {
    const { files, options } = this.#store;
    return files.totalBytes > options.journalBytes || files.files.length > FILES_MAX;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        // Under a load that never lets up, what is too old or too much goes all the same.
        if (this.#isSweepOverdue()) await this.#sweepStreams();
        else if (this.#memoryIsHigh()) await this.#freeMemory();
        else if (this.#journalIsLong()) await this.#retireJournal();
        else if (this.#removed.length > 0) await this.#deleteRemoved();
        else if (this.#long.size > 0) await this.#shorten();
        else if (this.#isNeeded()) await this.#reclaim();
        else return;
        this.#store.events.onRelief();
      } catch (error) {
        if (!(await this.#survives(error as NodeJS.ErrnoException))) return;
      }
    }
  }

  /** A full disk is waited out. Anything else ends the broker: what it says of its files may not be true any more. */
  async #survives(error: NodeJS.ErrnoException): Promise<boolean> {
    if (this.#stopped) return false;
    if (error.code !== 'ENOSPC' && error.code !== 'EDQUOT') {
      this.#store.events.onFailure(error);
      return false;
    }
    this.#store.events.onPressure('disk', true);
    await new Promise<void>((resolve) => this.#store.options.scheduler.after(RETRY_MS, resolve));
    this.#reportDisk();
    return true;
  }

  async #freeMemory(): Promise<void> {
    const { chunks, options } = this.#store;
    let excess = chunks.bytes - chunks.windowBytes - options.memoryBytes + this.#pageOutBytes();
    let generation = -1;
    const current = this.#store.generation;
    const candidates = chunks.chunks.filter((c) => c !== undefined && c.kind !== 'window' && c.live > 0);
    candidates.sort((a, b) => a.generation - b.generation);
    for (const chunk of candidates) {
      if (excess <= 0 || chunk.generation >= current) break;
      generation = chunk.generation;
      excess -= chunk.size;
    }
    // Without a candidate the memory is in chunks that are still being filled or written.
    this.#stuckGeneration = generation < 0 ? current : -1;
    if (generation < 0) {
      this.#store.leaveLargeChunks();
      return;
    }
    await this.#pager.pageOutGeneration(generation);
    // A chunk that is still referred to would be chosen again, and again.
    const [oldest] = candidates;
    if (oldest !== undefined && oldest.live > 0) this.#stuckGeneration = this.#store.generation;
  }

  /**
   * How much is paged out at a time: little, so that it fits between commits; but with many queues enough that each has
   * something worth a write.
   */
  #pageOutBytes(): number {
    const { logs, options } = this.#store;
    const wanted = Math.max(PAGE_OUT_BYTES, logs.size * PAGE_OUT_BYTES_PER_LOG);
    return Math.min(wanted, options.memoryBytes / 4);
  }

  async #retireJournal(): Promise<void> {
    const { files, options } = this.#store;
    let rest = files.totalBytes;
    let count = files.files.length;
    let generation = 0;
    let through = -1;
    for (const file of files.complete) {
      if (rest <= options.journalBytes * 0.8 && count <= FILES_MAX / 2) break;
      rest -= file.bytes;
      count--;
      generation = Math.max(generation, file.generation);
      through = file.number;
    }
    if (through < 0) {
      await files.startNewFile();
      return;
    }
    this.#store.beginGeneration();
    await this.#pager.pageOutGeneration(generation);
    await this.snapshot(false, through + 1);
    await files.removeThrough(through);
  }

  async #deleteRemoved(): Promise<void> {
    const removed = new Set(this.#removed);
    // Their deletion is in the journal: only when it is durable may the files go.
    await this.#store.journal.flush();
    await this.#store.files.sync();
    for (const log of removed) await log.segments?.remove();
    this.#removed = this.#removed.filter((log) => !removed.has(log));
  }

  async #shorten(): Promise<void> {
    for (const log of [...this.#long]) {
      this.#long.delete(log);
      if (log.removed) continue;
      const below = log.tailStart + Math.floor((log.end - log.tailStart) / 2);
      await this.#pager.pageOut(log, below);
    }
  }

  /** Segments that are wholly settled leave; those with few live messages are rewritten. */
  async #reclaim(): Promise<void> {
    this.#lastReclaimMs = this.#store.options.clock.monotonicMs();
    for (const log of [...this.#store.logs.values()]) {
      const segments = log.segments as SegmentedLog;
      if (log.removed || log.isCorrupt || segments.startOffset >= segments.endOffset) continue;
      const before = segments.bytes;
      segments.settledBelow(log.head);
      if (!log.settled.beyond.isEmpty && !log.removed) {
        await this.#reclaimLog(log, segments);
      }
      if (segments.bytes === before) continue;
      this.#droppedBytes += before - segments.bytes;
      this.#reclaimed.set(log, 2);
    }
    await this.#sweepStreams();
  }

  #isSweepOverdue(): boolean {
    const { clock, reclaimMs } = this.#store.options;
    return this.#store.streams.size > 0 && clock.monotonicMs() - this.#lastSweepMs > 2 * reclaimMs;
  }

  async #sweepStreams(): Promise<void> {
    this.#lastSweepMs = this.#store.options.clock.monotonicMs();
    await this.#keeper.sweep();
    await this.#deleteReclaimed();
  }

  async #reclaimLog(log: QueueLog, segments: SegmentedLog): Promise<void> {
    try {
      await segments.reclaim(
        (from, to) => log.settled.missingIn(from, to) === 0,
        (from, to) => log.settled.missingIn(from, to),
      );
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      this.#store.logIsDamaged(log, error);
    }
  }

  async #deleteReclaimed(): Promise<void> {
    const age = this.#store.options.clock.monotonicMs() - this.#lastSnapshotMs;
    const isDue =
      this.#droppedBytes > DROPPED_BYTES ||
      (this.#reclaimed.size > 0 && age > 2 * this.#store.options.reclaimMs);
    if (isDue) await this.snapshot(false);
  }
}
