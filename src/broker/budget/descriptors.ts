import type { Counter } from '../../base/counter.ts';
import { ALONE, type CountedTogether } from './counted-together.ts';

export interface DescriptorUse {
  /** The process may have so many open: `ulimit -n`, RLIMIT_NOFILE; Infinity if there is no limit, or it is not known. */
  readonly limit: number;
  /** Of them, open before there is a file or a connection of the broker's: the event loop's, the listeners'. */
  readonly inUse: number;
}

export const UNLIMITED: DescriptorUse = { limit: Number.POSITIVE_INFINITY, inUse: 0 };

/** As many segments are open at once at most; the one that was used longest ago is closed for the next one. */
const SEGMENTS_MAX = 128;
const SEGMENTS_MIN = 16;
/** Connections of whoever administers the broker. */
const CONTROL_MAX = 64;
const CONTROL_MIN = 8;
/** Journal, snapshot, lock, segments that are being rewritten, modules that are loaded late. */
const OTHER_FILES = 26;
/** Segments of one of several shards. */
const SHARD_SEGMENTS_MIN = 8;
/** What the event loop of another thread has open, and its listeners. */
const THREAD_DESCRIPTORS = 10;

/**
 * The descriptors of the process. Each connection takes one, and each open file; a broker that cannot open its next file
 * stands still, so that connections get only what is left when all files that may be open at once have theirs:
 *
 *     limit = in use at the start + segments + control connections + other files + connections
 *
 * Several shards have one limit: the segments are divided among them, each has other files of its own, and connections are
 * counted together.
 */
export class DescriptorBudget {
  readonly limit: number;
  /** Of this shard. */
  readonly segmentsMax: number;
  readonly controlConnectionsMax: number;
  /** Over all listeners and shards together. At least 1: a limit this low is told at the start. */
  readonly connectionsMax: number;
  readonly #connectionsOfAll: Counter;
  readonly #filesWaiting: Counter;
  #connections = 0;
  #isShort = false;

  constructor({ limit, inUse }: DescriptorUse = UNLIMITED, together: CountedTogether = ALONE) {
    const { shards } = together;
    this.limit = limit;
    const segments = between(SEGMENTS_MIN, Math.floor(limit / 8), SEGMENTS_MAX);
    this.segmentsMax = shards === 1 ? segments : Math.max(SHARD_SEGMENTS_MIN, Math.floor(segments / shards));
    this.controlConnectionsMax = between(CONTROL_MIN, Math.floor(limit / 16), CONTROL_MAX);
    const files = shards * (this.segmentsMax + OTHER_FILES) + this.controlConnectionsMax;
    this.connectionsMax = Math.max(1, limit - inUse - files - (shards - 1) * THREAD_DESCRIPTORS);
    this.#connectionsOfAll = together.counter('descriptors');
    this.#filesWaiting = together.counter('files-waiting');
  }

  /** Of all shards. */
  get connections(): number {
    return this.#connections + this.#connectionsOfAll.others;
  }

  /** Something waits for a descriptor nevertheless: for now no connection gets one, in no shard. */
  get isShort(): boolean {
    return this.#isShort || this.#filesWaiting.others > 0;
  }

  set isShort(isShort: boolean) {
    this.#isShort = isShort;
    this.#filesWaiting.set(isShort ? 1 : 0);
  }

  /** Takes one for a connection; false, and it is not taken, if the rest is for files. */
  takeForConnection(): boolean {
    if (this.isShort || this.connections >= this.connectionsMax) return false;
    this.#count(1);
    return true;
  }

  giveBack(): void {
    this.#count(-1);
  }

  #count(difference: number): void {
    this.#connections += difference;
    this.#connectionsOfAll.set(this.#connections);
  }
}

function between(min: number, value: number, max: number): number {
  return Math.max(min, Math.min(value, max));
}
