import { clientText } from '../../base/client-text.ts';
import { Histogram } from '../../base/histogram.ts';
import type { ShardLog } from '../shard/shard.ts';

/** Longer ones are logged, at most one in `LOG_EVERY_MS`. */
const LOGGED_MS = 50;
const LOG_EVERY_MS = 10_000;
/** What is shorter is nobody's concern: it is not even looked up who it was. */
export const STRETCH_MS_MIN = 1;
/** Protocols have some hundred kinds of requests: more names are a mistake of ours. */
const NAMES_MAX = 500;

/** The longest time for which one kind of request has held the event loop. */
export interface LongestStretch {
  readonly protocol: string;
  /** An API or a method, such as `Metadata` or `queue.declare`; what was asked last, if one read had several. */
  readonly request: string;
  readonly ms: number;
  readonly user: string;
}

/**
 * How long the event loop was held at a stretch, by reads of sockets and turns of long works, and by whom: nobody should
 * hold it for more than 10 ms. Measured for each read, not for each message.
 */
export class LoopStretches {
  readonly histogram = new Histogram();
  readonly #log: ShardLog;
  readonly #longest = new Map<string, LongestStretch>();
  #loggedAtMs = Number.NEGATIVE_INFINITY;
  #unlogged = 0;

  constructor(log: ShardLog) {
    this.#log = log;
  }

  /** From `beganMs` until `nowMs`, both on the monotonic clock: of `STRETCH_MS_MIN` and more. */
  record(beganMs: number, nowMs: number, protocol: string, request: string, user: string): void {
    const ms = nowMs - beganMs;
    this.histogram.record(ms);
    const key = `${protocol} ${request}`;
    const known = this.#longest.get(key);
    if (known === undefined ? this.#longest.size < NAMES_MAX : ms > known.ms) {
      this.#longest.set(key, { protocol, request, ms, user: clientText(user) });
    }
    if (ms >= LOGGED_MS) this.#warn(ms, nowMs, protocol, request, user);
  }

  /** The longest first. */
  longest(): LongestStretch[] {
    return [...this.#longest.values()].sort((a, b) => b.ms - a.ms);
  }

  #warn(ms: number, nowMs: number, protocol: string, request: string, user: string): void {
    if (nowMs - this.#loggedAtMs < LOG_EVERY_MS) {
      this.#unlogged++;
      return;
    }
    this.#loggedAtMs = nowMs;
    const fields = {
      ms: Math.round(ms),
      protocol,
      request,
      user: clientText(user),
      unlogged: this.#unlogged,
    };
    this.#log.warn(fields, 'others had to wait while a client was served');
    this.#unlogged = 0;
  }
}
