import { posix } from 'node:path';
import { type JournalEnd, JournalFilesSource } from './journal/journal-files-source.ts';
import { FIRST_FILE, inFiles } from './journal/position.ts';
import { tornEndText } from './journal/scan.ts';
import { whyOlder } from './newest-snapshot.ts';
import { Replay } from './replay.ts';
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

export interface RecoveredStore extends JournalEnd {
  readonly clean: boolean;
  readonly warnings: string[];
}

/** Snapshot, then journal. */
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
  const replay = new Replay(state, applied, covered);
  const source = new JournalFilesSource(
    fileSystem,
    state.journalDirectory,
    inFiles(snapshot?.journal ?? FIRST_FILE),
    covered,
  );
  for await (const run of source.runs()) replay.apply(run);
  const result = source.end as JournalEnd;
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
