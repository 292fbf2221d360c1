import { isDiskFull } from '../../../src/log/files/system-error.ts';
import { metadataEntryBytes, writeMetadata } from '../../../src/log/journal/format.ts';
import { Journal } from '../../../src/log/journal/journal.ts';
import type { JournalFileInfo } from '../../../src/log/journal/journal-file-writer.ts';
import { type Durability, JournalFiles } from '../../../src/log/journal/journal-files.ts';
import type { JournalEnd } from '../../../src/log/journal/journal-files-source.ts';
import { FIRST_FILE, filePosition, inFiles, type Position } from '../../../src/log/journal/position.ts';
import { ChunkStore } from '../../../src/log/memory/chunks.ts';
import { microtasks, SimulatedTime } from '../../crash/simulated-time.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { SimulatedFileSystem } from '../../support/simulated-filesystem/simulated-filesystem.ts';
import { readJournal } from './read-journal.ts';

const DIRECTORY = '/data/journal';
const KIB = 1024;
const CHUNK_BYTES = 8 * KIB;
/** Longer than the journal waits before it marks its end. */
const QUIET_MS = 2500;
const PATIENCE_MS = 60_000;

interface Entry {
  readonly id: string;
  readonly block: number;
}

/** Of these operations of the disk one fails now and then. */
const FAILING = ['write', 'writeback', 'writeback', 'writeback', 'sync', 'truncate', 'open'] as const;

/** A life ends in one of these ways. */
type End = 'power cut' | 'kill' | 'close';

/**
 * A journal alone, with nothing around it, on a simulated disk: lives with several batches in flight, a full disk, writes that fail,
 * files that begin and retire, power cuts at any instant. After each start the journal has what a prefix of its
 * history says, and all that was confirmed.
 */
export class JournalRun {
  readonly time: SimulatedTime;
  fs: SimulatedFileSystem;
  /** The most batches that were under way at once. */
  inFlightSeen = 0;
  /** Starts that cut off whole blocks behind one that was torn. */
  holesSeen = 0;
  readonly #random: () => number;
  readonly #durability: Durability;
  readonly #fileBytes: number;
  /** All that was appended, and not lost at a start. */
  #history: Entry[] = [];
  #nextId = 1;
  /** From which block on the files are. */
  #firstBlock = 1;
  /** As a snapshot would say. */
  #requiredBlock = 0;
  #position: Position = FIRST_FILE;
  #confirmed = 0;
  #isFull = false;
  #failure: Error | null = null;
  #journal!: Journal;
  #files!: JournalFiles;

  constructor(seed: number, durability: Durability = { mode: 'sync' }) {
    this.#random = seededRandom(seed);
    this.#durability = durability;
    this.time = new SimulatedTime(this.#random);
    this.fs = new SimulatedFileSystem({ schedule: (run) => this.time.operation(run) });
    this.#fileBytes = this.#between(1, 4) * 8 * KIB;
  }

  /** Some lives, the last of which is only a start. */
  async run(): Promise<void> {
    await this.#makeDirectory();
    for (let lives = this.#between(1, 4); lives > 0; lives--) {
      await this.#start();
      await this.#work(this.#between(5, 80));
      await this.#end(this.#pick<End>(['power cut', 'power cut', 'kill', 'close']));
    }
    await this.#start();
  }

  /** A life that ends marked; one bit of what is confirmed is flipped. True if the start said so, false if nothing is missing. */
  async runAndFlip(): Promise<boolean> {
    await this.#makeDirectory();
    await this.#start();
    await this.#work(this.#between(5, 80), false);
    await this.time.runUntil(() => this.#journal.isIdle, PATIENCE_MS);
    const end = this.time.nowMs + QUIET_MS;
    await this.time.runUntil(() => this.time.nowMs > end, 2 * QUIET_MS);
    await this.#end('power cut');
    const { path, size } = this.#pick(this.fs.files().filter((file) => file.size > 0));
    this.fs.flipBit(path, this.#between(0, size - 1), this.#between(0, 7));
    try {
      await this.#start();
    } catch (error) {
      if ((error as Error).name === 'CorruptionError') return true;
      throw error;
    }
    return false;
  }

  async #makeDirectory(): Promise<void> {
    await this.#until(this.fs.makeDirectory(DIRECTORY));
    for (const directory of ['/data', '/']) await this.#until(this.fs.syncDirectory(directory));
  }

  async #start(): Promise<void> {
    this.#failure = null;
    const found: Entry[] = [];
    const result = await this.#until(this.#replay(found));
    if (result.nextBlock <= this.#confirmed) {
      throw new Error(
        `the journal ends before block ${result.nextBlock}, and ${this.#confirmed} was confirmed`,
      );
    }
    const expected = this.#history.filter(
      ({ block }) => block < result.nextBlock && block >= this.#firstBlock,
    );
    const text = (entries: readonly Entry[]) => entries.map(({ id, block }) => `${id}@${block}`).join(' ');
    if (text(found) !== text(expected)) throw new Error(`found [${text(found)}], not [${text(expected)}]`);
    this.#history = expected;
    if ((result.cut?.blocksBehind ?? 0) > 0) this.holesSeen++;
    this.#open(result);
  }

  #replay(found: Entry[]): Promise<JournalEnd> {
    return readJournal(this.fs, DIRECTORY, inFiles(this.#position), this.#requiredBlock, {
      metadata: (bytes, block) => {
        const id = bytes.toString('latin1', 0, bytes.indexOf(0x20));
        const rest = bytes.subarray(id.length + 1);
        if (rest.some((byte) => byte !== id.charCodeAt(id.length - 1)))
          throw new Error(`${id} has wrong bytes`);
        found.push({ id, block });
      },
    });
  }

  #open({ files, nextBlock, nextFileNumber, epoch }: JournalEnd): void {
    const generation = { current: 1, isAdvancePending: false };
    const { fs } = this;
    // Only what happens in this life counts.
    const inThisLife =
      <T>(run: (value: T) => void) =>
      (value: T) => {
        if (fs === this.fs) run(value);
      };
    this.#isFull = false;
    this.#failure = null;
    this.#confirmed = Math.max(this.#confirmed, nextBlock - 1);
    const onFailure = inThisLife((error: Error) => {
      this.#failure ??= error;
    });
    this.#files = new JournalFiles(
      fs,
      DIRECTORY,
      {
        fileBytes: this.#fileBytes,
        durability: this.#durability,
        scheduler: this.time,
        lastBlock: nextBlock - 1,
      },
      files,
      nextFileNumber,
      onFailure,
    );
    this.#journal = new Journal(
      new ChunkStore(CHUNK_BYTES, 8 * CHUNK_BYTES),
      generation,
      this.#files,
      {
        epoch: epoch + 1,
        firstBlock: nextBlock,
        retryMs: 500,
        besideBytes: 0,
        clock: { monotonicMs: () => 0 },
        scheduler: this.time,
      },
      {
        beforeCommit: () => undefined,
        isAwaited: () => true,
        onDurable: inThisLife((block: number) => this.#durable(block)),
        onFailure,
        onFull: inThisLife((isFull: boolean) => {
          this.#isFull = isFull;
        }),
      },
    );
  }

  #durable(block: number): void {
    if (this.#failure !== null) throw new Error('a block is confirmed after a failure');
    if (this.#durability.mode === 'sync') this.#confirmed = Math.max(this.#confirmed, block);
  }

  async #work(operations: number, mayFail = true): Promise<void> {
    const failsAt = mayFail && this.#random() < 0.3 ? this.#between(0, operations) : -1;
    for (let i = 0; i < operations && this.#failure === null; i++) {
      if (i === failsAt) this.fs.failNext(this.#pick(FAILING), 'EIO');
      this.#operate(mayFail);
      this.inFlightSeen = Math.max(this.inFlightSeen, this.#journal.inFlight);
      for (let steps = this.#between(0, 4); steps > 0; steps--) await this.time.step();
    }
    this.fs.capacityBytes = Number.MAX_SAFE_INTEGER;
    if (this.#random() < 0.5)
      await this.time.runUntil(() => this.#failure !== null || this.#journal.isIdle, PATIENCE_MS);
  }

  #operate(mayFail: boolean): void {
    const what = this.#random();
    if (what < 0.85) {
      for (let entries = this.#between(1, 3); entries > 0; entries--) this.#append();
      this.#journal.commit();
    } else if (what < 0.9) {
      // Nothing is beyond that: the next block begins a file.
      this.#files.oldestBeyond(Number.POSITIVE_INFINITY).catch(this.#background());
    } else if (what < 0.95) {
      this.#retire();
    } else if (mayFail) {
      const used = this.fs.files().reduce((sum, { size }) => sum + size, 0);
      this.fs.capacityBytes =
        this.#random() < 0.5 ? Number.MAX_SAFE_INTEGER : used + this.#between(0, 12 * KIB);
    }
  }

  #append(): void {
    const id = `${this.#nextId++}`;
    const size = this.#random() < 0.05 ? this.#between(1, 12) * KIB : this.#between(0, 600);
    const operation = Buffer.alloc(id.length + 1 + size, id.at(-1));
    operation.write(`${id} `, 0, 'latin1');
    const at = this.#journal.reserve(metadataEntryBytes(operation.length));
    writeMetadata(this.#journal.chunk, at, operation);
    this.#history.push({ id, block: this.#journal.blockNumber });
  }

  /** As after a snapshot that was taken before the last block that is safe, so that old files are written over. */
  #retire(): void {
    const { complete } = this.#files;
    const required = this.#confirmed + 1;
    const retired: JournalFileInfo | undefined = complete.filter((file) => file.lastBlock < required).at(-1);
    if (retired === undefined || this.#isFull || this.#durability.mode !== 'sync') return;
    this.#requiredBlock = required;
    const next = filePosition(retired.number + 1, 0);
    this.#position = this.#files.position(next);
    this.#firstBlock = Math.max(this.#firstBlock, retired.lastBlock + 1);
    this.#files.release(next).catch(this.#background());
  }

  /** As the store's maintenance, which lives with a full disk and ends the process for anything else. */
  #background(): (error: Error) => void {
    const { fs } = this;
    return (error) => {
      if (fs !== this.fs || isDiskFull(error)) return;
      this.#failure ??= error;
      this.#journal.stop();
    };
  }

  async #end(how: End): Promise<void> {
    if (how === 'close' && this.#failure === null) {
      await this.#until(this.#journal.flush());
      if (this.#failure === null) await this.#until(this.#files.close().catch(this.#background()));
    }
    this.#journal.stop();
    const { fs } = this;
    this.fs = how === 'power cut' || this.#failure !== null ? fs.crash(this.#random) : fs.kill(this.#random);
    await this.time.forget();
  }

  async #until<T>(promise: Promise<T>): Promise<T> {
    let isDone = false;
    const settled = (): void => {
      isDone = true;
    };
    promise.then(settled, settled);
    if (!(await this.time.runUntil(() => isDone || this.#failure !== null, PATIENCE_MS))) {
      throw new Error('something does not end');
    }
    await microtasks();
    if (!isDone) return undefined as T;
    return promise;
  }

  #between(low: number, high: number): number {
    return low + Math.floor(this.#random() * (high - low + 1));
  }

  #pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.#random() * values.length)];
  }
}
