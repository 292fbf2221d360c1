import type { Store } from '../../log/store.ts';
import type { ResourceAlarms } from './resource-alarms.ts';

/** Bytes that may wait for the disk before those who add to them are paused, and when they may go on. */
const JOURNAL_BYTES_HIGH = 16 * 1024 * 1024;
const JOURNAL_BYTES_LOW = 4 * 1024 * 1024;

/** A queue that holds less than this in memory never stops its publishers. */
const SMALL_SHARE_BYTES = 64 * 1024;

/** Times the memory limit: beyond, nothing at all is added, whoever's queue it is. */
const OVERWHELMED = 4;

/** A log, by the bytes of it that are in memory only. */
export interface Filled {
  readonly tailBytes: number;
}

interface Paused {
  readonly logs: readonly Filled[];
  readonly resume: () => void;
}

/**
 * Back-pressure, in bytes. Messages that wait in memory are written to segments when they are more than the memory
 * limit; a publisher that outruns that is paused, if the queues it fills hold more than their share. Nobody else is.
 */
export class BackPressure {
  readonly #store: Store;
  readonly #alarms: ResourceAlarms;
  #paused: Paused[] = [];

  constructor(store: Store, alarms: ResourceAlarms) {
    this.#store = store;
    this.#alarms = alarms;
  }

  mustPause(logs: readonly Filled[]): boolean {
    if (this.#alarms.isDiskReserved) return true;
    const { journal, device, chunks, options } = this.#store;
    if (journal.pendingBytes > JOURNAL_BYTES_HIGH) return true;
    // The time that a restart takes depends on the journal's length: it is kept.
    if (device.lengthBytes > 2 * options.journalBytes) return true;
    const bytes = chunks.bytes - chunks.windowBytes;
    if (bytes <= options.memoryBytes * 1.5) return false;
    if (bytes > options.memoryBytes * OVERWHELMED) return true;
    // Many queues can be too much together: then those pay that hold anything to speak of.
    const share = bytes > options.memoryBytes * 2 ? SMALL_SHARE_BYTES : options.memoryBytes / 8;
    return logs.some((log) => log.tailBytes > share);
  }

  /** Whether the broker itself should not move messages for now: it would fill memory or disk faster than it is emptied. */
  get isOverwhelmed(): boolean {
    const { journal, chunks, options } = this.#store;
    return (
      this.#alarms.isDiskReserved ||
      journal.pendingBytes > JOURNAL_BYTES_HIGH ||
      chunks.bytes - chunks.windowBytes > options.memoryBytes * 2
    );
  }

  /**
   * Whether what is safe where it is, as in a stream, has to stay there: publishers are blocked, or memory is filled
   * faster than it is emptied. If so, `resume` is called once, when it is time to ask again.
   */
  mustStay(resume: () => void): boolean {
    if (this.isOverwhelmed) this.onResume([], resume);
    else if (this.#alarms.isBlocking) this.#alarms.whenCleared(resume);
    else return false;
    return true;
  }

  onResume(logs: readonly Filled[], resume: () => void): void {
    this.#paused.push({ logs, resume });
  }

  /** Calls `goOn` when a publisher to these logs need not pause: at once, or later. */
  whenThereIsRoom(logs: readonly Filled[], goOn: () => void): void {
    if (logs.length > 0 && this.mustPause(logs)) this.onResume(logs, goOn);
    else goOn();
  }

  /** Something was written, or settled: perhaps some may go on. */
  relieve(): void {
    if (this.#paused.length === 0) return;
    const paused = this.#paused;
    this.#paused = [];
    for (const entry of paused) {
      if (this.#mayGoOn(entry.logs)) entry.resume();
      else this.#paused.push(entry);
    }
  }

  #mayGoOn(logs: readonly Filled[]): boolean {
    const { journal, device, chunks, options } = this.#store;
    if (this.#alarms.isDiskReserved || journal.pendingBytes > JOURNAL_BYTES_LOW) return false;
    if (device.lengthBytes > 1.5 * options.journalBytes) return false;
    const bytes = chunks.bytes - chunks.windowBytes;
    if (bytes <= options.memoryBytes * 1.2) return true;
    if (bytes > options.memoryBytes * (OVERWHELMED - 1)) return false;
    return logs.every((log) => log.tailBytes <= SMALL_SHARE_BYTES / 2);
  }
}
