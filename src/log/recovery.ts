import { posix } from 'node:path';
import { dataDirectoryOfShard } from './files/shard-directories.ts';
import type { LedJournal } from './journal/journal-host.ts';
import type { Position } from './journal/position.ts';
import type { Run } from './journal/run.ts';
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

export interface Recovered {
  /** The broker was stopped in an orderly way. */
  readonly clean: boolean;
  readonly warnings: readonly string[];
  /** Directories of logs that did not survive: they can be deleted. */
  readonly gone: readonly string[];
}

export interface RecoveryHooks {
  /** Before any log is opened. */
  onSnapshot(snapshot: Snapshot): void;
  /** Ids of all logs that were opened, those that were deleted later included. */
  readonly named: Set<number>;
  /** Its files are deleted later. */
  isRemoving(id: number): boolean;
}

/** Snapshot, then journal, as far as that goes. */
export class Recovery {
  readonly #state: StoreState;
  readonly #hooks: RecoveryHooks;
  readonly #snapshot: Snapshot | null;
  readonly #replay: Replay;
  readonly #leftOut: string[];
  #hasSnapshot = false;

  /** Reads the snapshot. */
  static async begin(state: StoreState, machine: StateMachine, hooks: RecoveryHooks): Promise<Recovery> {
    const { fileSystem, directory } = state.options;
    await fileSystem.makeDirectory(state.journalDirectory);
    await fileSystem.makeDirectory(`${directory}/logs`);
    // A process that was killed may have removed what a power cut brings back, when no snapshot names it any more.
    await fileSystem.syncDirectory(`${directory}/logs`);
    await fileSystem.syncDirectory(directory);
    await fileSystem.syncDirectory(posix.dirname(posix.resolve(directory)));
    // That of other shards is made by the first of them that begins.
    const whole = dataDirectoryOfShard(directory);
    if (whole !== null) await fileSystem.syncDirectory(whole.dataDirectory);
    const snapshot = await readSnapshot(fileSystem, directory);
    if (snapshot === null) await assertWasNone(state);
    else {
      await assertNotOlder(state, snapshot);
      hooks.onSnapshot(snapshot);
    }
    machine.restore(snapshot?.broker ?? null);
    return new Recovery(state, machine, hooks, snapshot);
  }

  private constructor(
    state: StoreState,
    machine: StateMachine,
    hooks: RecoveryHooks,
    snapshot: Snapshot | null,
  ) {
    this.#state = state;
    this.#hooks = hooks;
    this.#snapshot = snapshot;
    this.#leftOut = [];
    const applied = snapshot?.saved === true ? lenient(machine, this.#leftOut) : machine;
    this.#replay = new Replay(state, applied, this.requiredBlock);
  }

  /** Where the journal is read from. */
  get from(): Position | null {
    return this.#snapshot?.journal ?? null;
  }

  /** The snapshot covers the blocks below. */
  get requiredBlock(): number {
    return this.#snapshot?.nextBlock ?? 0;
  }

  /** What a snapshot covers that is taken now, if it `isComplete`. */
  get replay(): Replay {
    return this.#replay;
  }

  /** All that the snapshot covers was read: from here on the state is that of a moment. */
  get isComplete(): boolean {
    return this.#hasSnapshot || this.#replay.readThrough >= this.requiredBlock - 1;
  }

  apply(run: Run): void {
    this.#replay.apply(run);
    if (!this.#hasSnapshot && this.isComplete) this.#completeSnapshot();
  }

  /** Offsets that were given out below the snapshot are not given again. */
  #completeSnapshot(): void {
    this.#hasSnapshot = true;
    const { logs, streams } = this.#state;
    for (const { id, end } of this.#snapshot?.logs ?? []) logs.get(id)?.skipTo(end);
    for (const stream of this.#snapshot?.streams ?? []) streams.get(stream.id)?.recovered(stream);
  }

  /** The journal is read, and led from here on. */
  async finish({ nextBlock, isNew, warnings }: LedJournal): Promise<Recovered> {
    const state = this.#state;
    const snapshot = this.#snapshot;
    const { named, isRemoving } = this.#hooks;
    if (!this.#hasSnapshot) this.#completeSnapshot();
    for (const stream of state.streams.values()) stream.recovered(undefined);
    for (const log of [...state.logs.values(), ...state.streams.values()])
      (log.segments as SegmentedLog).knownEnd = log.end;
    for (const id of idsIn(snapshot)) named.add(id);
    const strays = await sweepStrays(
      state.options.fileSystem,
      state.options.directory,
      {
        isOpen: (id) => state.logs.has(id) || state.streams.has(id) || isRemoving(id),
        wasNamed: (id) => named.has(id),
        isNothingNamed: isNothingNamed(snapshot, named, nextBlock),
      },
      state.options.clock.now(),
    );
    const clean = snapshot === null ? isNew : snapshot.clean && nextBlock === snapshot.nextBlock;
    return { clean, warnings: [...this.#leftOut, ...strays.warnings, ...warnings], gone: strays.gone };
  }
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
