import type { Clock } from '../../../base/clock.ts';
import type { ClientQuota } from '../../../broker/access/client-quota.ts';

/** The time that is spent on the requests of one connection, for clients who may only have so much of it. */
export class RequestQuota {
  readonly #clock: Clock;
  #quota: ClientQuota | null = null;
  /** What has been done and not been charged. */
  #workMs = 0;
  /** Since when something is done; null between requests. */
  #sinceMs: number | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(quota: ClientQuota): void {
    this.#quota = quota.isWorkLimited ? quota : null;
    if (this.#quota !== null) this.#sinceMs = this.#clock.monotonicMs();
  }

  /** Charges what was done since the last time, and says for how many milliseconds the client is to be left alone. */
  charge(): number {
    if (this.#quota === null) return 0;
    this.#count();
    const workMs = this.#workMs;
    this.#workMs = 0;
    return this.#quota.recordWork(workMs);
  }

  /** What is left over is charged with the next response: each is to say what it leads to. */
  end(): void {
    if (this.#quota !== null) this.#count();
    this.#sinceMs = null;
  }

  #count(): void {
    if (this.#sinceMs === null) return;
    const nowMs = this.#clock.monotonicMs();
    this.#workMs += nowMs - this.#sinceMs;
    this.#sinceMs = nowMs;
  }
}
