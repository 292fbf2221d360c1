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

/**
 * The descriptors of the process. Each connection takes one, and each open file; a broker that cannot open its next file
 * stands still, so that connections get only what is left when all files that may be open at once have theirs:
 *
 *     limit = in use at the start + segments + control connections + other files + connections
 */
export class DescriptorBudget {
  readonly limit: number;
  readonly segmentsMax: number;
  readonly controlConnectionsMax: number;
  /** Over all listeners together. At least 1: a limit this low is told at the start. */
  readonly connectionsMax: number;
  /** Something waits for a descriptor nevertheless: for now no connection gets one. */
  isShort = false;
  #connections = 0;

  constructor({ limit, inUse }: DescriptorUse = UNLIMITED) {
    this.limit = limit;
    this.segmentsMax = between(SEGMENTS_MIN, Math.floor(limit / 8), SEGMENTS_MAX);
    this.controlConnectionsMax = between(CONTROL_MIN, Math.floor(limit / 16), CONTROL_MAX);
    const files = this.segmentsMax + this.controlConnectionsMax + OTHER_FILES;
    this.connectionsMax = Math.max(1, limit - inUse - files);
  }

  get connections(): number {
    return this.#connections;
  }

  /** Takes one for a connection; false, and it is not taken, if the rest is for files. */
  takeForConnection(): boolean {
    if (this.isShort || this.#connections >= this.connectionsMax) return false;
    this.#connections++;
    return true;
  }

  giveBack(): void {
    this.#connections--;
  }
}

function between(min: number, value: number, max: number): number {
  return Math.max(min, Math.min(value, max));
}
