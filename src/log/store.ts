import type { SlotMap } from '../base/slot-map.ts';
import type { MessageView } from '../records/message-view.ts';
import { CorruptionError } from './corruption.ts';
import { isDiskFull } from './files/system-error.ts';
import {
  BATCH_PREFIX_BYTES,
  batchEntryBytes,
  messagePrefixBytes,
  metadataEntryBytes,
  writeBatchPrefix,
  writeMessagePrefix,
  writeMetadata,
} from './journal/format.ts';
import { Journal } from './journal/journal.ts';
import type { JournalDevice } from './journal/journal-device.ts';
import type { LedJournal } from './journal/journal-host.ts';
import { LocalJournal } from './journal/local-journal.ts';
import { Maintenance } from './maintenance.ts';
import type { Arena } from './memory/arena.ts';
import type { ChunkStore } from './memory/chunks.ts';
import { FRAME_HEADER_BYTES, frameBytes, writeFrameHeader } from './memory/chunks.ts';
import { ReadAhead } from './memory/read-ahead.ts';
import { ReadBudget } from './memory/read-budget.ts';
import { appendAcknowledged } from './queues/pending-acknowledgements.ts';
import { QueueLog } from './queues/queue-log.ts';
import { type Recovered, Recovery } from './recovery.ts';
import type { SegmentInfo } from './segments/segment.ts';
import type { SegmentDirectory } from './segments/segment-directory.ts';
import type { LogSnapshot, StreamSnapshot } from './snapshot.ts';
import { type StateMachine, type StoreEvents, type StoreOptions, StoreState } from './store-state.ts';
import { HighWatermarks } from './streams/high-watermarks.ts';
import { RecordAccumulator } from './streams/record-accumulator.ts';
import { StreamLog, type StreamLogEvents } from './streams/stream-log.ts';

export type { StateMachine, StoreEvents, StoreOptions } from './store-state.ts';

/** What whoever reads the log of a queue has to know of it. */
export interface LogEvents {
  /** Messages that were asked for are in memory. */
  onLoaded(): void;
  /** A message that should be in a segment is not: its corrupt batch was cut off. */
  onMissing(offset: number): void;
  onCorruption(error: CorruptionError): void;
}

/** How long until what found the disk full is tried again. */
const FULL_RETRY_MS = 500;

/** One data directory: the journal, the logs in it, and what is kept of them in segments. */
export class Store {
  readonly state: StoreState;
  readonly maintenance: Maintenance;
  /** These three are those of `state`: the hot path reads them here. */
  readonly chunks: ChunkStore;
  readonly #arena: Arena;
  journal!: Journal;
  accumulator!: RecordAccumulator;
  /** What the snapshot has of logs that the broker has not opened yet, while the directory is read. */
  readonly #recoveredLogs = new Map<number, LogSnapshot>();
  readonly #recoveredStreams = new Map<number, StreamSnapshot>();
  /** Ids of the logs that were opened while the directory is read. */
  readonly #named = new Set<number>();
  #isRecovering = true;
  readonly #highWatermarks = new HighWatermarks();
  readonly #readBudget: ReadBudget;
  #onFull: () => void = () => undefined;
  #closed = false;

  constructor(options: StoreOptions, events: StoreEvents) {
    this.state = new StoreState(options, events);
    this.chunks = this.state.chunks;
    this.#arena = this.state.arena;
    this.#readBudget = new ReadBudget(this.chunks, options.memoryBytes / 2);
    this.maintenance = new Maintenance(this.state);
  }

  get options(): StoreOptions {
    return this.state.options;
  }

  get events(): StoreEvents {
    return this.state.events;
  }

  get logs(): SlotMap<number, QueueLog> {
    return this.state.logs;
  }

  get streams(): SlotMap<number, StreamLog> {
    return this.state.streams;
  }

  get segments(): SegmentDirectory {
    return this.state.segments;
  }

  get device(): JournalDevice {
    return this.state.device;
  }

  /** Grows with each start: the leader epoch of what is appended. */
  get epoch(): number {
    return this.state.epoch;
  }

  /** It is at least this one from now on; after the next start, when a block that is appended after this is durable. */
  raiseEpoch(epoch: number): void {
    if (epoch <= this.state.epoch) return;
    this.state.epoch = epoch;
    this.journal.raiseEpoch(epoch);
  }

  /**
   * Reads the data directory and the journal; where others go on appending to that, as long as they do. Afterwards the store takes
   * messages.
   */
  async recover(machine: StateMachine): Promise<Recovered> {
    const { state } = this;
    const recovery = await Recovery.begin(state, machine, {
      onSnapshot: ({ logs, streams = [] }) => {
        for (const log of logs) this.#recoveredLogs.set(log.id, log);
        for (const stream of streams) this.#recoveredStreams.set(stream.id, stream);
      },
      named: this.#named,
      isRemoving: (id) => this.maintenance.isRemoving(id),
    });
    const journal = (state.options.journal ?? this.#localJournal()).open(
      recovery.from,
      recovery.requiredBlock,
    );
    const { followed } = journal;
    if (followed !== null) {
      state.isReplicated = true;
      await this.#follow(followed, recovery, machine);
    }
    for await (const run of journal.runs()) {
      recovery.apply(run);
      if (followed !== null) await this.#follow(followed, recovery, machine);
    }
    return this.#lead(journal.lead(), recovery, machine);
  }

  /** While others append: memory is kept within its limit, and snapshots are taken. */
  async #follow(device: JournalDevice, recovery: Recovery, machine: StateMachine): Promise<void> {
    if (!recovery.isComplete) return;
    const { state } = this;
    if (!state.isFollowing) {
      state.isFollowing = true;
      state.device = device;
      state.tip = recovery.replay;
      await this.maintenance.checkDisk();
      await this.maintenance.startFollowing(machine, recovery.from !== null);
    }
    await this.maintenance.freed();
  }

  async #lead(led: LedJournal, recovery: Recovery, machine: StateMachine): Promise<Recovered> {
    const { state } = this;
    await this.maintenance.suspend();
    const recovered = await recovery.finish(led);
    this.#named.clear();
    this.#isRecovering = false;
    this.#recoveredLogs.clear();
    this.#recoveredStreams.clear();
    state.epoch = led.epoch;
    state.device = led.device;
    state.journal = this.#openJournal(led.nextBlock);
    state.tip = state.journal;
    state.isFollowing = false;
    this.journal = state.journal;
    this.accumulator = new RecordAccumulator(this.journal);
    this.journal.reservations = this.accumulator;
    state.events.onRecovered(led.nextBlock - 1);
    await this.maintenance.checkDisk();
    this.maintenance.start(machine, recovered.gone);
    // On a new directory too: from here on there is a block in the journal, or it is gone.
    await this.#markStart();
    return recovered;
  }

  #localJournal(): LocalJournal {
    const { options, events, journalDirectory } = this.state;
    return new LocalJournal({
      fileSystem: options.fileSystem,
      directory: journalDirectory,
      fileBytes: options.journalFileBytes,
      durability: options.durability,
      scheduler: options.scheduler,
      onFailure: (error) => events.onFailure(error),
    });
  }

  #openJournal(firstBlock: number): Journal {
    const { options, events, chunks, generation, device, epoch, acknowledgements } = this.state;
    return new Journal(
      chunks,
      generation,
      device,
      {
        epoch,
        firstBlock,
        retryMs: FULL_RETRY_MS,
        besideBytes: options.chunkBytes >>> 4,
        clock: options.clock,
        scheduler: options.scheduler,
      },
      {
        beforeCommit: () => {
          if (!acknowledgements.isEmpty) acknowledgements.flush(this.journal);
        },
        isAwaited: (after) => this.#highWatermarks.lastBlock > after || events.isAwaited(after),
        onDurable: (block) => {
          if (this.#highWatermarks.isBehind) this.#highWatermarks.advance(block);
          events.onDurable(block);
        },
        onFailure: (error) => events.onFailure(error),
        onFull: (full) => {
          if (full) this.#onFull();
          this.maintenance.journalIsFull(full);
        },
      },
    );
  }

  /**
   * What was recovered is marked as durable, and the `clean` of a snapshot does not hold any more: from here on messages are
   * handed out. A full disk must not keep the broker from that.
   */
  #markStart(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#onFull = resolve;
      this.journal.mark();
      this.journal
        .flush()
        .then(() => this.device.sync())
        .then(resolve, reject);
    });
  }

  /** A log with an id that was never used, or the one that was recovered under this id. */
  openLog(id: number, durable: boolean, events: LogEvents): QueueLog {
    const log = new QueueLog(id, durable, this.chunks, this);
    const recovered = this.#recoveredLogs.get(id);
    log.segments = this.segments.openLog(id, this.#tableOf(recovered), durable);
    if (this.#isRecovering) this.#named.add(id);
    if (recovered !== undefined) log.load(recovered);
    log.readAhead = new ReadAhead(log, this.chunks, this.#readBudget, {
      onLoaded: events.onLoaded,
      onMissing: events.onMissing,
      onError: (error) => {
        if (error instanceof CorruptionError) log.corrupted(error);
        else this.events.onFailure(error);
      },
    });
    log.onCorruption = events.onCorruption;
    this.logs.set(id, log);
    return log;
  }

  /** While the directory is read: the journal knows of a log with this id. What is left of it can be deleted if nobody opens it. */
  named(id: number): void {
    if (this.#isRecovering) this.#named.add(id);
  }

  /** A stream's log with an id that was never used, or the one that was recovered under this id. */
  openStream(id: number, events: StreamLogEvents): StreamLog {
    const recovered = this.#recoveredStreams.get(id);
    const segments = this.segments.openStream(id, this.#tableOf(recovered), this.options.clock);
    const stream = new StreamLog(id, segments, this, events);
    if (this.#isRecovering) this.#named.add(id);
    if (recovered !== undefined) stream.load(recovered);
    this.streams.set(id, stream);
    return stream;
  }

  /** Null for a new log. One that only the journal knows may have been written to a file nevertheless. */
  #tableOf(recovered: LogSnapshot | StreamSnapshot | undefined): readonly SegmentInfo[] | null {
    return recovered?.segments ?? (this.#isRecovering ? [] : null);
  }

  removeStream(stream: StreamLog): void {
    if (stream.removed) return;
    this.streams.delete(stream.id);
    stream.dispose();
    this.state.streamsInMemory.delete(stream);
    this.maintenance.logWasRemoved(stream);
  }

  removeLog(log: QueueLog): void {
    if (log.removed) return;
    this.logs.delete(log.id);
    this.#readBudget.delete(log.readAhead as ReadAhead);
    log.dispose();
    log.pendingAcknowledgements = [];
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
    const journaled = (persistent || this.state.isReplicated) && durableLogs.length > 0;
    const prefix = journaled ? messagePrefixBytes(durableLogs.length) : 0;
    const bytes = prefix + frameBytes(contentBytes);
    const source = journaled ? this.journal : this.#arena;
    const at = source.reserve(bytes);
    const chunk = source.chunk;
    if (journaled) writeMessagePrefix(chunk, at, bytes, durableLogs);
    const frameAt = at + prefix;
    writeFrameHeader(chunk, frameAt, timestampMs, contentBytes);
    messageView.write(chunk.buffer, frameAt + FRAME_HEADER_BYTES);
    chunk.live += logs.length;
    const position = chunk.position(frameAt);
    for (let i = 0; i < logs.length; i++) logs[i].append(position, contentBytes);
    return journaled;
  }

  /** The most that `append` will take of the journal for this message. */
  static entryBytes(durableLogs: number, contentBytes: number): number {
    return messagePrefixBytes(durableLogs) + frameBytes(contentBytes);
  }

  /** Appends an operation of the broker, which `StateMachine.applyMetadata` gets at recovery. */
  appendMetadata(operation: Uint8Array): void {
    const at = this.journal.reserve(metadataEntryBytes(operation.length));
    writeMetadata(this.journal.chunk, at, operation);
  }

  /** Bytes that the pending acknowledgements of queues will take of the journal. */
  acknowledgementBytes(): number {
    return this.state.acknowledgements.bytes;
  }

  /** Appends the pending acknowledgements of queues to the journal. */
  flushAcknowledgements(): void {
    this.state.acknowledgements.flush(this.journal);
  }

  /** From `StreamLog`; also for a reader that wants what was published to streams in this turn. */
  flushAccumulator(): void {
    this.accumulator.flush();
  }

  /** From `QueueLog`. */
  logHasAcknowledgements(log: QueueLog): void {
    this.state.acknowledgements.add(log);
  }

  /** From `QueueLog`: its tail spans very many offsets. */
  logIsLong(log: QueueLog): void {
    this.maintenance.logIsLong(log);
  }

  /** From `StreamLog`: an entry for a batch, which the caller writes; the position of its first byte. */
  reserveBatch(stream: StreamLog, bytes: number, isReserved: boolean): number {
    const { journal } = this;
    const length = batchEntryBytes(bytes);
    const at = isReserved ? journal.takeReserved(length) : journal.reserve(length);
    writeBatchPrefix(journal.chunk, at, stream.id, bytes);
    return journal.chunk.position(at + BATCH_PREFIX_BYTES);
  }

  /** From `StreamLog`: a batch was appended. */
  streamHasGrown(stream: StreamLog): void {
    this.#highWatermarks.expect(this.journal.blockNumber, stream);
  }

  /** From `StreamLog`: it has batches in memory, and had none before. */
  streamHasTail(stream: StreamLog): void {
    stream.tailSinceMs = this.options.clock.now();
    this.state.streamsInMemory.add(stream);
  }

  /** From `StreamLog`: its start has moved. */
  streamHasMoved(stream: StreamLog): void {
    appendAcknowledged(this.journal, stream.id, [0, stream.start]);
  }

  /** Everything is written, a snapshot taken, files closed. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.journal.beginClose();
    await this.maintenance.stop();
    await this.journal.flush();
    await this.#onceThereIsSpace(() => this.maintenance.snapshot(true));
    this.journal.stop();
    await this.#onceThereIsSpace(() => this.device.close());
    await this.segments.close();
    await this.state.opener.close();
  }

  /** A full disk is waited for; a second signal ends the process. After a sync that failed nothing more can be known. */
  async #onceThereIsSpace(run: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        await run();
        return;
      } catch (error) {
        const { syscall = '' } = error as NodeJS.ErrnoException;
        if (!isDiskFull(error) || syscall.includes('sync')) throw error;
      }
      await new Promise<void>((resolve) => this.options.scheduler.after(FULL_RETRY_MS, resolve));
    }
  }

  /** Stops touching files, as after a failure. */
  abandon(): void {
    this.#closed = true;
    this.journal?.stop();
    this.maintenance.abandon();
    void this.state.opener.close();
  }
}
