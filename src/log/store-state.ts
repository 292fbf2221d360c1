import type { Clock } from '../base/clock.ts';
import type { Scheduler } from '../base/scheduler.ts';
import { SlotMap } from '../base/slot-map.ts';
import { BatchOpener } from '../records/opening/batch-opener.ts';
import type { FileSystem } from './files/filesystem.ts';
import type { DiskLevel } from './files/free-disk-space.ts';
import type { Journal } from './journal/journal.ts';
import type { JournalDevice } from './journal/journal-device.ts';
import type { Durability } from './journal/journal-files.ts';
import type { JournalHost } from './journal/journal-host.ts';
import type { JournalTip } from './journal/journal-tip.ts';
import { Arena, type Generation } from './memory/arena.ts';
import { ChunkStore } from './memory/chunks.ts';
import { PendingAcknowledgements } from './queues/pending-acknowledgements.ts';
import type { QueueLog } from './queues/queue-log.ts';
import { SegmentDirectory } from './segments/segment-directory.ts';
import type { StreamUpkeep } from './streams/retention-settings.ts';
import type { StreamLog } from './streams/stream-log.ts';

export interface StoreOptions {
  readonly directory: string;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly durability: Durability;
  /** Memory for messages, in bytes, beyond which they are written to segments. */
  readonly memoryBytes: number;
  readonly journalFileBytes: number;
  /** Bytes of the journal, beyond which the oldest part of it is retired. */
  readonly journalBytes: number;
  readonly segmentBytes: number;
  /** Free bytes on the volume below which publishers are blocked. */
  readonly diskFreeBytes: number;
  readonly chunkBytes: number;
  /** Interval, in milliseconds, at which segments are searched for acknowledged messages. */
  readonly reclaimMs: number;
  /** Where the journal is; local files if it is not given. */
  readonly journal?: JournalHost;
  readonly streamUpkeep?: Partial<StreamUpkeep>;
  /** How many files of segments are open at once. */
  readonly openSegmentsMax?: number;
}

/** The broker, as the store knows it: metadata entries of the journal, and a section of the snapshot. */
export interface StateMachine {
  /** The `broker` part of a snapshot, or null on an empty directory. */
  restore(snapshot: unknown): void;
  /** A metadata entry, at recovery. */
  applyMetadata(bytes: Buffer): void;
  snapshot(): unknown;
}

export interface StoreEvents {
  /** Whether anybody waits for a block that is not durable yet. */
  isAwaited(after: number): boolean;
  onDurable(blockNumber: number): void;
  /** For the log that an operator reads. */
  onWarning(text: string): void;
  /** The journal was read; this was its last block. */
  onRecovered(lastBlock: number): void;
  /** The storage cannot be trusted any more. Nothing more is confirmed; the process must end. */
  onFailure(error: Error): void;
  /** How much space there is on the disk. */
  onDiskLevel(level: DiskLevel): void;
  /** Memory or disk was freed: those who wait for it may look again. */
  onRelief(): void;
}

/**
 * What the parts of the store share: `Store` assembles it and has the verbs; recovery fills it; maintenance, the pagers
 * and the log cleaner work on it. None of them knows the store.
 */
export class StoreState {
  readonly options: StoreOptions;
  readonly events: StoreEvents;
  readonly chunks: ChunkStore;
  /** Logs of queues, by id. */
  readonly logs = new SlotMap<number, QueueLog>();
  /** Logs of stream partitions, by id. */
  readonly streams = new SlotMap<number, StreamLog>();
  /** Those with batches in memory. */
  readonly streamsInMemory = new Set<StreamLog>();
  readonly segments: SegmentDirectory;
  /** Shared by the arena and the journal, so that their chunks are numbered in one order. */
  readonly generation: Generation = { current: 1, isAdvancePending: false };
  readonly arena: Arena;
  readonly acknowledgements: PendingAcknowledgements;
  /** For batches that clients have compressed. */
  readonly opener: BatchOpener;
  /** Grows with each start: the leader epoch of what is appended. */
  epoch = 0;
  /** Both are there from the end of recovery on. */
  journal!: Journal;
  device!: JournalDevice;
  /** That of `journal`; while a journal is followed, of what was read of it. */
  tip!: JournalTip;
  /** Others append to the journal, which is read: nothing is decided here. */
  isFollowing = false;
  /**
   * The journal is not in this directory, and others read it. Transient messages in durable logs are journaled then, or an offset would
   * be one message here and another one for them. What the last snapshot names has to stay until the next one, as the way from there is
   * gone again after a crash, with paging out meanwhile.
   */
  isReplicated = false;

  constructor(options: StoreOptions, events: StoreEvents) {
    this.options = options;
    this.events = events;
    this.chunks = new ChunkStore(options.chunkBytes, options.memoryBytes / 2);
    this.arena = new Arena(this.chunks, this.generation, () => this.journal.isAtomic);
    this.acknowledgements = new PendingAcknowledgements();
    this.opener = new BatchOpener(options.scheduler);
    this.segments = new SegmentDirectory(options.fileSystem, `${options.directory}/logs`, {
      segmentBytes: options.segmentBytes,
      ...(options.openSegmentsMax === undefined ? {} : { maxOpenFiles: options.openSegmentsMax }),
      onSetAside: (path) =>
        events.onWarning(`a file that neither the snapshot nor the journal knows was set aside: ${path}`),
    });
  }

  get journalDirectory(): string {
    return `${this.options.directory}/journal`;
  }

  /** What is appended from now on is in younger chunks than what was before. */
  beginGeneration(): void {
    this.generation.current++;
  }

  /** One message may be larger than the memory limit: its chunk is not kept to be filled further. */
  leaveLargeChunks(): void {
    this.arena.leaveLargeChunk();
    if (this.isFollowing) return;
    if (this.journal.chunk.size <= this.options.chunkBytes) return;
    this.beginGeneration();
    this.journal.mark();
  }
}
