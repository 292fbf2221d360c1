import type { Clock } from '../../../base/clock.ts';
import type { ClientQuota } from '../../../broker/access/client-quota.ts';

/** The `request_percentage` quota (KIP-124): time of the event loop that the requests of one connection take. */
export class RequestQuota {
  readonly #clock: Clock;
  #quota: ClientQuota | null = null;
  /** Time that was spent and not charged. */
  #workMs = 0;
  /** When the current request began, on the monotonic clock; null between requests. */
  #sinceMs: number | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(quota: ClientQuota): void {
    this.#quota = quota.isWorkLimited ? quota : null;
    if (this.#quota !== null) this.#sinceMs = this.#clock.monotonicMs();
  }

  /** Charges the time since the last charge. Returns the throttle time in milliseconds (KIP-219). */
  charge(): number {
    if (this.#quota === null) return 0;
    this.#count();
    const workMs = this.#workMs;
    this.#workMs = 0;
    return this.#quota.recordWork(workMs);
  }

  /** Time after the last charge is charged with the next response, so that each throttling is announced by one. */
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
