import type { Clock } from '../../base/clock.ts';
import { addressKey } from './address-key.ts';
import type { SharedAddressRates } from './shared-address-rates.ts';

/** What may be used at once by an address that used nothing for a while: the use of this many seconds. */
const BURST_SECONDS = 30;
/** A connection that came to nothing counts as so many more: it has cost a handshake, or the check of a password. */
const FAILURE_COST = 40;
/** Addresses that are remembered; beyond, those seen longest ago are forgotten. */
const ADDRESSES_MAX = 65_536;

interface Bucket {
  /** Connections that may still come. */
  left: number;
  /** When that was so, on the monotonic clock. */
  atMs: number;
}

/**
 * How often one address may connect. Bursts are allowed, as of clients that all come back at once, perhaps from behind one
 * proxy; connections whose login or handshake fails use the rate up sooner.
 */
export class AddressRates {
  /** Connections a second from one address; Infinity for no limit. */
  readonly perSecond: number;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  /** Of all shards together, which then stands for the buckets; null where there is one. */
  readonly #shared: SharedAddressRates | null;
  /** By `addressKey`, in the order of their last use. */
  readonly #buckets = new Map<string, Bucket>();
  /** The one that was used last. */
  #lastKey = '';

  constructor(
    perSecond: number,
    clock: Pick<Clock, 'monotonicMs'>,
    shared: SharedAddressRates | null = null,
  ) {
    this.perSecond = perSecond;
    this.#shared = shared;
    this.#clock = clock;
  }

  /** Counts a connection; false, and it is not counted, if that is too many. */
  mayConnect(address: string): boolean {
    if (this.perSecond === Number.POSITIVE_INFINITY) return true;
    if (this.#shared !== null) return this.#shared.use(addressKey(address), 1, this.perSecond, this.#most);
    const bucket = this.#bucketOf(address);
    if (bucket.left < 1) return false;
    bucket.left--;
    return true;
  }

  /** A connection from there has failed before its client was known. */
  failed(address: string): void {
    if (this.perSecond === Number.POSITIVE_INFINITY) return;
    if (this.#shared !== null) {
      this.#shared.useUp(addressKey(address), FAILURE_COST, this.perSecond, this.#most);
      return;
    }
    const bucket = this.#bucketOf(address);
    bucket.left = Math.max(0, bucket.left - FAILURE_COST);
  }

  get #most(): number {
    return this.perSecond * BURST_SECONDS;
  }

  #bucketOf(address: string): Bucket {
    const key = addressKey(address);
    const nowMs = this.#clock.monotonicMs();
    const most = this.#most;
    const bucket = this.#buckets.get(key) ?? { left: most, atMs: nowMs };
    bucket.left = Math.min(most, bucket.left + ((nowMs - bucket.atMs) / 1000) * this.perSecond);
    bucket.atMs = nowMs;
    // Mostly the next connection is from the same address.
    if (key === this.#lastKey) return bucket;
    this.#lastKey = key;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > ADDRESSES_MAX) {
      this.#buckets.delete(this.#buckets.keys().next().value as string);
    }
    return bucket;
  }
}
