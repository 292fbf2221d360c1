import { posix } from 'node:path';
import { messageLogId, messageOffset } from './journal/format.ts';
import type { JournalFileInfo } from './journal/journal-file-writer.ts';
import { FIRST_FILE, inFiles } from './journal/position.ts';
import { type JournalImage, type ReplayVisitor, replayJournal, tornEndText } from './journal/recovery.ts';
import type { Chunk } from './memory/chunks.ts';
import { frameContentBytes } from './memory/chunks.ts';
import { whyOlder } from './newest-snapshot.ts';
import type { SegmentedLog } from './segments/segmented-log.ts';
import {
  IncompleteDirectoryError,
  idsIn,
  isNothingNamed,
  missedSnapshot,
  sweepStrays,
} from './segments/stray-logs.ts';
import { readSnapshot, type Snapshot } from './snapshot.ts';
import type { StateMachine, StoreState } from './store-state.ts';

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
 * taken: of those blocks only the messages count, and only those that the snapshot does not have as acknowledged or as
 * written to segments.
 */
export async function recoverStore(
  state: StoreState,
  machine: StateMachine,
  hooks: {
    /** Before any log is opened. */
    onSnapshot: (snapshot: Snapshot) => void;
    /** Ids of all logs that were opened, those that were deleted later included. */
    named: Set<number>;
  },
): Promise<RecoveredStore> {
  const { fileSystem, directory } = state.options;
  await fileSystem.makeDirectory(state.journalDirectory);
  await fileSystem.makeDirectory(`${directory}/logs`);
  await fileSystem.syncDirectory(directory);
  await fileSystem.syncDirectory(posix.dirname(posix.resolve(directory)));
  const snapshot = await readSnapshot(fileSystem, directory);
  if (snapshot === null) await assertWasNone(state);
  else {
    await assertNotOlder(state, snapshot);
    hooks.onSnapshot(snapshot);
  }
  machine.restore(snapshot?.broker ?? null);
  const covered = snapshot?.nextBlock ?? 0;
  const leftOut: string[] = [];
  const applied = snapshot?.saved === true ? lenient(machine, leftOut) : machine;
  const visitor = new StoreReplay(state, applied, covered);
  const result = await replayJournal(
    fileSystem,
    state.journalDirectory,
    inFiles(snapshot?.journal ?? FIRST_FILE),
    covered,
    visitor,
  );
  for (const { id, end } of snapshot?.logs ?? []) state.logs.get(id)?.skipTo(end);
  const streamStates = new Map((snapshot?.streams ?? []).map((stream) => [stream.id, stream]));
  for (const stream of state.streams.values()) stream.recovered(streamStates.get(stream.id));
  for (const log of [...state.logs.values(), ...state.streams.values()])
    (log.segments as SegmentedLog).knownEnd = log.end;
  const isClean =
    snapshot === null ? result.files.length === 0 : snapshot.clean && result.nextBlock === covered;
  const { named } = hooks;
  for (const id of idsIn(snapshot)) named.add(id);
  const warnings = await sweepStrays(
    fileSystem,
    directory,
    {
      isOpen: (id) => state.logs.has(id) || state.streams.has(id),
      wasNamed: (id) => named.has(id),
      isNothingNamed: isNothingNamed(snapshot, named, result.nextBlock),
    },
    state.options.clock.now(),
  );
  if (result.cut !== null) {
    warnings.push(tornEndText(result.cut));
  }
  return { ...result, clean: isClean, warnings: [...leftOut, ...warnings] };
}

/** After `sluice doctor --save` the journal may name what was lost: such operations are left out. */
function lenient(machine: StateMachine, leftOut: string[]): Pick<StateMachine, 'applyMetadata'> {
  return {
    applyMetadata: (bytes) => {
      try {
        machine.applyMetadata(bytes);
      } catch (error) {
        const operation = bytes.toString('utf8', 0, OPERATION_TEXT_MAX);
        leftOut.push(
          `an operation on something that was lost was left out: ${(error as Error).message}: ${operation}`,
        );
      }
    },
  };
}

const OPERATION_TEXT_MAX = 255;

/** Without a snapshot all must be in the journal; or there must be nothing at all. */
async function assertWasNone({ options: { fileSystem, directory } }: StoreState): Promise<void> {
  const why = await missedSnapshot(fileSystem, directory);
  if (why !== null) throw new IncompleteDirectoryError(directory, 'the file `snapshot`', why);
}

async function assertNotOlder(
  { options: { fileSystem, directory } }: StoreState,
  snapshot: Snapshot,
): Promise<void> {
  const why = await whyOlder(fileSystem, directory, snapshot);
  if (why !== null) throw new IncompleteDirectoryError(directory, 'the right `snapshot`', why);
}

/** Puts the entries of the journal into the logs and the state machine. */
class StoreReplay implements ReplayVisitor {
  readonly #state: StoreState;
  readonly #machine: Pick<StateMachine, 'applyMetadata'>;
  readonly #covered: number;
  /** The journal file that is being replayed. */
  #chunk: Chunk | null = null;

  /** Blocks below `covered` are part of the snapshot. */
  constructor(state: StoreState, machine: Pick<StateMachine, 'applyMetadata'>, covered: number) {
    this.#state = state;
    this.#machine = machine;
    this.#covered = covered;
  }

  beginFile(image: JournalImage): void {
    this.#chunk = this.#state.chunks.adopt('journal', image.buffer);
    this.#chunk.generation = ++this.#state.generation.current;
  }

  message(image: JournalImage, entryAt: number, logCount: number, frameAt: number): void {
    const chunk = this.#chunk as Chunk;
    const contentBytes = frameContentBytes(chunk, frameAt);
    for (let i = 0; i < logCount; i++) {
      const log = this.#state.logs.get(messageLogId(image, entryAt, logCount, i));
      // Its queue is gone.
      if (log === undefined) continue;
      const offset = messageOffset(image, entryAt, i);
      if (offset < log.end || log.isAcknowledged(offset)) continue;
      chunk.live++;
      log.restore(offset, chunk.position(frameAt), contentBytes);
    }
  }

  acknowledged(logId: number, from: number, to: number, blockNumber: number): void {
    if (blockNumber < this.#covered) return;
    this.#state.logs.get(logId)?.replayAcknowledged(from, to);
    this.#state.streams.get(logId)?.replayStart(to);
  }

  batch(image: JournalImage, logId: number, at: number, bytes: number, blockNumber: number): void {
    const stream = this.#state.streams.get(logId);
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
    this.#state.generation.current++;
    this.#state.chunks.unpin(chunk);
    this.#chunk = null;
  }
}
