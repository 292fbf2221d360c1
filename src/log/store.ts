import type { Clock } from '../base/clock.ts';
import type { Scheduler } from '../base/scheduler.ts';
import type { MessageView } from '../records/message-view.ts';
import { CorruptionError } from './corruption.ts';
import type { FileSystem } from './files/filesystem.ts';
import {
  align8,
  BATCH_PREFIX_BYTES,
  batchEntryBytes,
  ENTRY_BATCH,
  ENTRY_MESSAGE,
  ENTRY_METADATA,
  ENTRY_SETTLE,
  messagePrefixBytes,
} from './journal/format.ts';
import { Journal } from './journal/journal.ts';
import { type Durability, JournalFiles } from './journal/journal-files.ts';
import { Maintenance } from './maintenance.ts';
import { Arena, type Generation } from './memory/arena.ts';
import { ChunkStore, FRAME_HEADER_BYTES } from './memory/chunks.ts';
import { ReadAhead } from './memory/read-ahead.ts';
import { QueueLog } from './queues/queue-log.ts';
import { recoverStore } from './recovery.ts';
import { SegmentDirectory } from './segments/segment-directory.ts';
import type { LogSnapshot, StreamSnapshot } from './snapshot.ts';
import { HighWatermarks } from './streams/high-watermarks.ts';
import { RecordAccumulator } from './streams/record-accumulator.ts';
import type { StreamUpkeep } from './streams/retention-settings.ts';
import { StreamLog, type StreamLogEvents } from './streams/stream-log.ts';

export interface StoreOptions {
  readonly directory: string;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly durability: Durability;
  /** Memory for messages, in bytes, beyond which they are written to segments. */
  readonly memoryBytes: number;
  readonly journalFileBytes: number;
  /** Bytes of all journal files together, beyond which the oldest is retired. */
  readonly journalBytes: number;
  readonly segmentBytes: number;
  /** Free bytes on the volume below which publishers are blocked. */
  readonly diskFreeBytes: number;
  readonly chunkBytes: number;
  /** How often segments are looked through for what is settled. */
  readonly reclaimMs: number;
  readonly streamUpkeep?: Partial<StreamUpkeep>;
}

/** What whoever reads a log has to know of it. */
export interface LogEvents {
  /** Messages that were asked for are in memory. */
  onLoaded(): void;
  /** A message that should be in a segment is not: its damaged batch was cut off. */
  onMissing(offset: number): void;
  onCorruption(error: CorruptionError): void;
}

/** What the store stores beside messages: the broker implements it. */
export interface StateMachine {
  /** The `broker` part of a snapshot, or null on an empty directory. */
  restore(snapshot: unknown): void;
  /** A metadata entry, at recovery. */
  applyMetadata(bytes: Buffer): void;
  snapshot(): unknown;
}

export interface StoreEvents {
  /** Whether anybody waits for a block that is not durable yet. */
  isAwaited(): boolean;
  onDurable(blockNumber: number): void;
  /** Something that whoever runs the broker should know of. */
  onWarning(text: string): void;
  /** The journal was read; this was its last block. */
  onRecovered(lastBlock: number): void;
  /** The storage cannot be trusted any more. Nothing more is confirmed; the process must end. */
  onFailure(error: Error): void;
  /** Too little disk or memory (true): publishers must wait. */
  onPressure(reason: 'disk' | 'memory', on: boolean): void;
  /** Memory or disk was freed: those who wait for it may look again. */
  onRelief(): void;
}

/** How many logs are read from at once: with thousands of queues, as after a start, the rest waits its turn. */
const READS_MAX = 8;

/** One data directory: the journal, the logs in it, and what is kept of them in segments. */
export class Store {
  readonly options: StoreOptions;
  readonly events: StoreEvents;
  readonly chunks: ChunkStore;
  readonly logs = new Map<number, QueueLog>();
  readonly streams = new Map<number, StreamLog>();
  /** Those with batches in memory. */
  readonly streamsInMemory = new Set<StreamLog>();
  /** Grows with each start: the leader epoch of what is appended. */
  epoch = 0;
  readonly segments: SegmentDirectory;
  readonly maintenance: Maintenance;
  journal!: Journal;
  accumulator!: RecordAccumulator;
  files!: JournalFiles;
  readonly #generation: Generation = { current: 1, isOwed: false };
  readonly #arena: Arena;
  #settledLogs: QueueLog[] = [];
  /** States of logs that the snapshot knows and the broker has not asked for yet. */
  #recovered = new Map<number, LogSnapshot>();
  #recoveredStreams = new Map<number, StreamSnapshot>();
  /** Numbers of logs that were opened while the directory is read. */
  readonly #named = new Set<number>();
  readonly #highWatermarks = new HighWatermarks();
  #isRecovering = true;
  readonly #readers = new Set<ReadAhead>();
  #reads = 0;
  readonly #waitingReads: (() => void)[] = [];
  #onFull: () => void = () => undefined;
  #closed = false;

  constructor(options: StoreOptions, events: StoreEvents) {
    this.options = options;
    this.events = events;
    this.chunks = new ChunkStore(options.chunkBytes, options.memoryBytes / 2);
    this.#arena = new Arena(this.chunks, this.#generation, () => this.journal.isAtomic);
    this.segments = new SegmentDirectory(options.fileSystem, `${options.directory}/logs`, {
      segmentBytes: options.segmentBytes,
      onSetAside: (path) =>
        events.onWarning(`a file that neither the snapshot nor the journal knows was set aside: ${path}`),
    });
    this.maintenance = new Maintenance(this);
  }

  /** Reads the data directory. Afterwards the store takes messages. */
  async recover(machine: StateMachine): Promise<{ readonly clean: boolean; readonly warnings: string[] }> {
    const { options } = this;
    const result = await recoverStore(this, machine, {
      known: ({ logs, streams = [] }) => {
        for (const log of logs) this.#recovered.set(log.id, log);
        for (const stream of streams) this.#recoveredStreams.set(stream.id, stream);
      },
      generation: this.#generation,
      named: this.#named,
    });
    this.#named.clear();
    this.#isRecovering = false;
    this.#recovered.clear();
    this.#recoveredStreams.clear();
    this.epoch = result.epoch + 1;
    this.files = new JournalFiles(
      options.fileSystem,
      this.journalDirectory,
      {
        fileBytes: options.journalFileBytes,
        durability: options.durability,
        scheduler: options.scheduler,
        lastBlock: result.nextBlock - 1,
      },
      result.files,
      result.nextFileNumber,
      (error) => this.events.onFailure(error),
    );
    this.journal = new Journal(
      this.chunks,
      this.#generation,
      this.files,
      {
        epoch: this.epoch,
        firstBlock: result.nextBlock,
        retryMs: 500,
        scheduler: options.scheduler,
      },
      {
        beforeCommit: () => this.#flushSettles(),
        isAwaited: () => this.#highWatermarks.isBehind || this.events.isAwaited(),
        onDurable: (block) => {
          this.#highWatermarks.advance(block);
          this.events.onDurable(block);
        },
        onFailure: (error) => this.events.onFailure(error),
        onFull: (full) => {
          if (full) this.#onFull();
          this.maintenance.journalIsFull(full);
        },
      },
    );
    this.accumulator = new RecordAccumulator(this.journal);
    this.journal.owed = this.accumulator;
    this.events.onRecovered(result.nextBlock - 1);
    this.maintenance.start(machine);
    // On a new directory too: from here on there is a block in the journal, or it is gone.
    await this.#markStart();
    return { clean: result.clean, warnings: result.warnings };
  }

  /**
   * What was recovered is marked as durable, and a stop as orderly as it may have been is not the last word any more:
   * from here on messages are handed out. A full disk must not keep the broker from that.
   */
  #markStart(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#onFull = resolve;
      this.journal.mark();
      this.journal
        .flush()
        .then(() => this.files.sync())
        .then(resolve, reject);
    });
  }

  get journalDirectory(): string {
    return `${this.options.directory}/journal`;
  }

  get generation(): number {
    return this.#generation.current;
  }

  /** What is appended from now on is in younger chunks than what was before. */
  beginGeneration(): void {
    this.#generation.current++;
  }

  /** One message may be larger than the memory limit: its chunk is not kept to be filled further. */
  leaveLargeChunks(): void {
    this.#arena.leaveLargeChunk();
    if (this.journal.chunk.size <= this.options.chunkBytes) return;
    this.beginGeneration();
    this.journal.mark();
  }

  /** A log with an id that was never used, or the one that was recovered under this id. */
  openLog(id: number, durable: boolean, events: LogEvents): QueueLog {
    const log = new QueueLog(id, durable, this.chunks, this);
    const state = this.#recovered.get(id);
    log.segments = this.segments.openLog(id, state?.segments ?? null, durable);
    if (this.#isRecovering) this.#named.add(id);
    if (state !== undefined) log.load(state);
    const reader = new ReadAhead(log, this.chunks, this, {
      onLoaded: events.onLoaded,
      onMissing: events.onMissing,
      onError: (error) => {
        if (error instanceof CorruptionError) this.logIsDamaged(log, error);
        else this.events.onFailure(error);
      },
    });
    log.onCorruption = events.onCorruption;
    log.readAhead = reader;
    this.logs.set(id, log);
    return log;
  }

  /** A stream's log with an id that was never used, or the one that was recovered under this id. */
  openStream(id: number, events: StreamLogEvents): StreamLog {
    const state = this.#recoveredStreams.get(id);
    const segments = this.segments.openStream(id, state?.segments ?? null, this.options.clock);
    const stream = new StreamLog(id, segments, this, events);
    if (this.#isRecovering) this.#named.add(id);
    if (state !== undefined) stream.load(state);
    this.streams.set(id, stream);
    return stream;
  }

  removeStream(stream: StreamLog): void {
    if (stream.removed) return;
    this.streams.delete(stream.id);
    stream.dispose();
    this.streamsInMemory.delete(stream);
    this.maintenance.logWasRemoved(stream);
  }

  /** From `StreamLog`. */
  reserveBatch(stream: StreamLog, bytes: number, isOwed: boolean): number {
    const { journal } = this;
    const length = batchEntryBytes(bytes);
    const at = isOwed ? journal.reserveOwed(length) : journal.reserve(length);
    const { chunk } = journal;
    const word = at >>> 2;
    chunk.u32[word] = length;
    chunk.u32[word + 1] = ENTRY_BATCH;
    chunk.u32[word + 2] = stream.id;
    chunk.u32[word + 3] = bytes;
    // The padding; the batch is written over the rest of it.
    chunk.f64[(at + length - 8) >>> 3] = 0;
    return chunk.position(at + BATCH_PREFIX_BYTES);
  }

  /** From `StreamLog`. */
  settleGathered(): void {
    this.accumulator.settle();
  }

  /** From `StreamLog`: the batch that it had room reserved for is there. */
  streamHasGrown(stream: StreamLog): void {
    this.#highWatermarks.expect(this.journal.blockNumber, stream);
  }

  streamHasTail(stream: StreamLog): void {
    stream.tailSinceMs = this.options.clock.now();
    this.streamsInMemory.add(stream);
  }

  streamHasMoved(stream: StreamLog): void {
    this.#appendSettle(stream.id, [0, stream.start]);
  }

  /** A segment of this log cannot be read: what is in it waits for somebody to decide; everything else goes on. */
  logIsDamaged(log: QueueLog, error: CorruptionError): void {
    if (log.removed || log.isCorrupt) return;
    log.isCorrupt = true;
    log.onCorruption(error);
  }

  removeLog(log: QueueLog): void {
    if (log.removed) return;
    this.logs.delete(log.id);
    this.#readers.delete(log.readAhead as ReadAhead);
    log.dispose();
    log.pendingSettles = [];
    this.maintenance.logWasRemoved(log);
  }

  /**
   * Stores one message and gives a reference to each log. `durableLogs` are those of `logs` that survive a restart:
   * the message is journaled for them if it is persistent. True if it was.
   */
  append(
    logs: readonly QueueLog[],
    durableLogs: readonly QueueLog[],
    persistent: boolean,
    messageView: MessageView,
    timestampMs: number,
  ): boolean {
    const contentBytes = messageView.contentBytes();
    const journaled = persistent && durableLogs.length > 0;
    const prefix = journaled ? messagePrefixBytes(durableLogs.length) : 0;
    const bytes = prefix + align8(FRAME_HEADER_BYTES + contentBytes);
    const source = journaled ? this.journal : this.#arena;
    const at = source.reserve(bytes);
    const chunk = source.chunk;
    if (journaled) writeMessagePrefix(chunk.u32, chunk.f64, at, bytes, durableLogs);
    const frameAt = at + prefix;
    chunk.f64[frameAt >>> 3] = timestampMs;
    chunk.u32[(frameAt >>> 2) + 2] = contentBytes;
    messageView.write(chunk.buffer, frameAt + FRAME_HEADER_BYTES);
    chunk.live += logs.length;
    const position = chunk.position(frameAt);
    for (let i = 0; i < logs.length; i++) (logs[i] as QueueLog).append(position, contentBytes);
    return journaled;
  }

  /** The most that `append` will take of the journal for this message. */
  static entryBytes(durableLogs: number, contentBytes: number): number {
    return messagePrefixBytes(durableLogs) + align8(FRAME_HEADER_BYTES + contentBytes);
  }

  appendMetadata(bytes: Uint8Array): void {
    const length = 16 + align8(bytes.length);
    const at = this.journal.reserve(length);
    const { chunk } = this.journal;
    chunk.u32[at >>> 2] = length;
    chunk.u32[(at >>> 2) + 1] = ENTRY_METADATA;
    chunk.u32[(at >>> 2) + 2] = bytes.length;
    chunk.u32[(at >>> 2) + 3] = 0;
    chunk.buffer.fill(0, at + length - 8, at + length);
    chunk.buffer.set(bytes, at + 16);
  }

  /** From `QueueLog`: it has acknowledgements to journal at the next commit. */
  logHasSettled(log: QueueLog): void {
    this.#settledLogs.push(log);
  }

  /** From `QueueLog`: its tail spans very many offsets. */
  logIsLong(log: QueueLog): void {
    this.maintenance.logIsLong(log);
  }

  /** Bytes that the acknowledgements which wait will take of the journal. */
  settleBytes(): number {
    let bytes = 0;
    for (const log of this.#settledLogs) bytes += 16 + 8 * log.pendingSettles.length;
    return bytes;
  }

  /** Journals the acknowledgements that wait. */
  flushSettles(): void {
    this.#flushSettles();
  }

  /** From `ReadAhead`: few read at once, as each needs memory; others give way if there is too much already. */
  async begin(reader: ReadAhead, bytes: number): Promise<void> {
    // Whoever ends leaves its place to the next one.
    if (this.#reads === READS_MAX) await new Promise<void>((resolve) => this.#waitingReads.push(resolve));
    else this.#reads++;
    if (reader.isClosed) return;
    this.#readers.delete(reader);
    const limit = this.options.memoryBytes / 2;
    for (const other of this.#readers) {
      if (this.chunks.windowBytes + bytes <= limit) break;
      other.drop();
      this.#readers.delete(other);
    }
    this.#readers.add(reader);
  }

  /** From `ReadAhead`: its read ended. */
  end(): void {
    const next = this.#waitingReads.shift();
    if (next === undefined) this.#reads--;
    else next();
  }

  /** Everything is written, a snapshot taken, files closed. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.journal.beginClose();
    await this.maintenance.stop();
    await this.journal.flush();
    await this.maintenance.snapshot(true);
    this.journal.stop();
    await this.files.close();
    await this.segments.close();
  }

  /** Stops touching files, as after a failure. */
  abandon(): void {
    this.#closed = true;
    this.journal?.stop();
    this.maintenance.abandon();
  }

  #flushSettles(): void {
    if (this.#settledLogs.length === 0) return;
    const logs = this.#settledLogs;
    this.#settledLogs = [];
    for (const log of logs) {
      const ranges = log.pendingSettles;
      if (ranges.length === 0 || log.removed) continue;
      log.pendingSettles = [];
      this.#appendSettle(log.id, ranges);
    }
  }

  #appendSettle(id: number, ranges: readonly number[]): void {
    const length = 16 + 8 * ranges.length;
    const at = this.journal.reserve(length);
    const { chunk } = this.journal;
    chunk.u32[at >>> 2] = length;
    chunk.u32[(at >>> 2) + 1] = ENTRY_SETTLE | ((ranges.length >>> 1) << 8);
    chunk.u32[(at >>> 2) + 2] = id;
    chunk.u32[(at >>> 2) + 3] = 0;
    for (let i = 0; i < ranges.length; i++) chunk.f64[(at >>> 3) + 2 + i] = ranges[i] as number;
  }
}

function writeMessagePrefix(
  u32: Uint32Array,
  f64: Float64Array,
  at: number,
  bytes: number,
  logs: readonly QueueLog[],
): void {
  const count = logs.length;
  u32[at >>> 2] = bytes;
  u32[(at >>> 2) + 1] = ENTRY_MESSAGE | (count << 8);
  let offsetAt = (at + 8) >>> 3;
  let idAt = (at + 8 + 8 * count) >>> 2;
  for (let i = 0; i < count; i++) {
    const log = logs[i] as QueueLog;
    f64[offsetAt++] = log.end;
    u32[idAt++] = log.id;
  }
  if ((count & 1) === 1) u32[idAt] = 0;
}
