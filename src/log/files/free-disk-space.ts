import type { FileSystem } from './filesystem.ts';

/**
 * - `enough`;
 * - `low`: below the limit, publishers are blocked, and nothing new is made;
 * - `reserve`: what is left is for what frees space: acknowledgements, deletions, and the snapshot that lets go of a file
 *   of the journal. All else that grows is refused.
 */
export type DiskLevel = 'enough' | 'low' | 'reserve';

/** The part of the limit that is the reserve. */
const RESERVE_SHARE = 0.5;
/** A limit is over when so much more than it is free, so that it does not come and go. */
const HYSTERESIS = 1.1;

export interface FreeDiskSpaceDeps {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  /** Publishers are blocked while less is free. */
  readonly freeBytesMin: number;
  /** Bytes that were written since the start. */
  readonly writtenBytes: () => number;
  /** Bytes that wait to be written. */
  readonly pendingBytes: () => number;
  readonly onChange: (level: DiskLevel) => void;
}

/** Watches the free space of the data directory's volume, and whether the journal found it full. */
export class FreeDiskSpace {
  readonly #deps: FreeDiskSpaceDeps;
  #level: DiskLevel = 'enough';
  #journalIsFull = false;
  #stopped = false;
  /** At the last check. Infinity: not known. */
  #freeBytes = Number.POSITIVE_INFINITY;
  /** `writtenBytes` then. */
  #writtenBytes = 0;

  constructor(deps: FreeDiskSpaceDeps) {
    this.#deps = deps;
  }

  get isShort(): boolean {
    return this.#level !== 'enough';
  }

  /** Resolves when the level is what was found. A volume that does not tell its free space is not watched. */
  async check(): Promise<void> {
    const { fileSystem, directory, writtenBytes } = this.#deps;
    const written = writtenBytes();
    try {
      const free = await fileSystem.freeBytes(directory);
      if (this.#stopped) return;
      this.#freeBytes = free;
      this.#writtenBytes = written;
    } catch {
      return;
    }
    this.#set(this.#levelAt(this.#expectedBytes));
  }

  /**
   * Cheap, to be called whenever something was appended: a fast writer fills the disk between two checks. Only a check
   * finds that there is more space.
   */
  estimate(): void {
    const level = this.#levelAt(this.#expectedBytes);
    if (isWorse(level, this.#level)) this.#set(level);
  }

  journalIsFull(full: boolean): void {
    if (full === this.#journalIsFull) return;
    this.#journalIsFull = full;
    this.report();
  }

  report(): void {
    this.#deps.onChange(this.#journalIsFull ? 'reserve' : this.#level);
  }

  stop(): void {
    this.#stopped = true;
  }

  /** What will be free when all is written that waits for it: what was written since the last check is gone. */
  get #expectedBytes(): number {
    const { writtenBytes, pendingBytes } = this.#deps;
    return this.#freeBytes - (writtenBytes() - this.#writtenBytes) - pendingBytes();
  }

  #levelAt(freeBytes: number): DiskLevel {
    const { freeBytesMin } = this.#deps;
    const reserve = freeBytesMin * RESERVE_SHARE * (this.#level === 'reserve' ? HYSTERESIS : 1);
    if (freeBytes < reserve) return 'reserve';
    return freeBytes < freeBytesMin * (this.#level === 'enough' ? 1 : HYSTERESIS) ? 'low' : 'enough';
  }

  #set(level: DiskLevel): void {
    if (level === this.#level || this.#stopped) return;
    this.#level = level;
    this.report();
  }
}

function isWorse(level: DiskLevel, than: DiskLevel): boolean {
  return than === 'enough' ? level !== 'enough' : than === 'low' && level === 'reserve';
}
