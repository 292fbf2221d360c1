import { posix } from 'node:path';
import type { JournalFileInfo } from './journal/journal-files.ts';
import { type JournalImage, type ReplayVisitor, replayJournal } from './journal/recovery.ts';
import type { Chunk } from './memory/chunks.ts';
import type { SegmentedLog } from './segments/segmented-log.ts';
import { readSnapshot, type Snapshot } from './snapshot.ts';
import type { StateMachine, Store } from './store.ts';
import {
  IncompleteDirectoryError,
  idsIn,
  isNothingNamed,
  missedSnapshot,
  sweepStrays,
} from './stray-logs.ts';

export interface RecoveredStore {
  readonly files: JournalFileInfo[];
  readonly nextFileNumber: number;
  readonly nextBlock: number;
  readonly epoch: number;
  readonly clean: boolean;
  readonly warnings: string[];
}

/**
 * Snapshot, then journal. Blocks that the snapshot covers still hold the messages that were in memory when it was
 * taken: of those blocks only the messages count, and only those that the snapshot does not have as settled or as
 * written to segments.
 */
export async function recoverStore(
  store: Store,
  machine: StateMachine,
  hooks: {
    known: (snapshot: Snapshot) => void;
    generation: { current: number };
    /** All logs that were opened, those that were deleted later included. */
    named: Set<number>;
  },
): Promise<RecoveredStore> {
  const { fileSystem, directory } = store.options;
  await fileSystem.makeDirectory(store.journalDirectory);
  await fileSystem.makeDirectory(`${directory}/logs`);
  await fileSystem.syncDirectory(directory);
  await fileSystem.syncDirectory(posix.dirname(posix.resolve(directory)));
  const snapshot = await readSnapshot(fileSystem, directory);
  if (snapshot !== null) hooks.known(snapshot);
  else await assertWasNone(store);
  machine.restore(snapshot?.broker ?? null);
  const covered = snapshot?.nextBlock ?? 0;
  const visitor = new StoreReplay(store, machine, covered, hooks.generation);
  const result = await replayJournal(
    fileSystem,
    store.journalDirectory,
    snapshot?.firstFile ?? 1,
    snapshot?.newFile ?? 1,
    covered,
    visitor,
  );
  for (const state of snapshot?.logs ?? []) store.logs.get(state.id)?.skipTo(state.end);
  const streamStates = new Map((snapshot?.streams ?? []).map((state) => [state.id, state]));
  for (const stream of store.streams.values()) stream.recovered(streamStates.get(stream.id));
  for (const log of [...store.logs.values(), ...store.streams.values()])
    (log.segments as SegmentedLog).knownEnd = log.end;
  const isClean =
    snapshot === null ? result.files.length === 0 : snapshot.clean && result.nextBlock === covered;
  const { named } = hooks;
  for (const id of idsIn(snapshot)) named.add(id);
  const warnings = await sweepStrays(fileSystem, directory, {
    isOpen: (id) => store.logs.has(id) || store.streams.has(id),
    wasNamed: (id) => named.has(id),
    isNothingNamed: isNothingNamed(snapshot, named, result.nextBlock),
  });
  if (result.cut !== null) {
    warnings.push(
      `the last write to ${result.cut.path} was torn: ${result.cut.bytes} bytes from byte ${result.cut.at} on were cut off; nothing in them had been confirmed`,
    );
  }
  return { ...result, clean: isClean, warnings };
}

/** Without a snapshot all must be in the journal; or there must be nothing at all. */
async function assertWasNone({ options: { fileSystem, directory } }: Store): Promise<void> {
  const why = await missedSnapshot(fileSystem, directory);
  if (why !== null) throw new IncompleteDirectoryError(directory, 'the file `snapshot`', why);
}

class StoreReplay implements ReplayVisitor {
  readonly #store: Store;
  readonly #machine: StateMachine;
  readonly #covered: number;
  readonly #generation: { current: number };
  #chunk: Chunk | null = null;

  constructor(store: Store, machine: StateMachine, covered: number, generation: { current: number }) {
    this.#store = store;
    this.#machine = machine;
    this.#covered = covered;
    this.#generation = generation;
  }

  beginFile(image: JournalImage): void {
    this.#chunk = this.#store.chunks.adopt('journal', image.buffer);
    this.#chunk.generation = ++this.#generation.current;
  }

  message(image: JournalImage, entryAt: number, logCount: number, frameAt: number): void {
    const chunk = this.#chunk as Chunk;
    const offsetAt = (entryAt + 8) >>> 3;
    const idAt = (entryAt + 8 + 8 * logCount) >>> 2;
    const contentBytes = image.u32[(frameAt >>> 2) + 2] as number;
    for (let i = 0; i < logCount; i++) {
      const log = this.#store.logs.get(image.u32[idAt + i] as number);
      // Its queue is gone.
      if (log === undefined) continue;
      const offset = image.f64[offsetAt + i] as number;
      if (offset < log.end || log.isSettled(offset)) continue;
      chunk.live++;
      log.restore(offset, chunk.position(frameAt), contentBytes);
    }
  }

  settle(logId: number, from: number, to: number, blockNumber: number): void {
    if (blockNumber < this.#covered) return;
    this.#store.logs.get(logId)?.replaySettle(from, to);
    this.#store.streams.get(logId)?.replayStart(to);
  }

  batch(image: JournalImage, logId: number, at: number, bytes: number, blockNumber: number): void {
    const stream = this.#store.streams.get(logId);
    // Its topic is gone.
    if (stream === undefined) return;
    if (blockNumber >= this.#covered) stream.events.onReplayed(image.buffer, at, bytes);
    stream.restore((this.#chunk as Chunk).position(at));
  }

  metadata(bytes: Buffer, blockNumber: number): void {
    if (blockNumber >= this.#covered) this.#machine.applyMetadata(bytes);
  }

  endFile(info: JournalFileInfo): void {
    const chunk = this.#chunk as Chunk;
    info.generation = chunk.generation;
    this.#generation.current++;
    this.#store.chunks.unpin(chunk);
    this.#chunk = null;
  }
}
