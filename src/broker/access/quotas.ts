import type { Clock } from '../../base/clock.ts';
import { ALONE_ROWS, type Rows } from '../../base/counter.ts';
import { BrokerError } from '../errors.ts';
import type { AccessChanges } from './access-changes.ts';
import type { AccessState } from './access-state.ts';
import {
  entityKey,
  type Quota,
  type QuotaEntity,
  type QuotaKey,
  type QuotaValues,
  quotaProblem,
} from './quota.ts';
import { RateLimit } from './rate-limit.ts';

/** Clients can give themselves names without end. */
const LIMITS_MAX = 10_000;
/** New connections are few: a burst of them is one of this many seconds. */
const CONNECTION_WINDOW_SECONDS = 1;

/** What was found out for one user and client: nothing is looked up again until quotas change. */
export interface ClientLimits {
  readonly produce: RateLimit | null;
  readonly fetch: RateLimit | null;
  /** Of milliseconds of work, per second. */
  readonly work: RateLimit | null;
}

const UNLIMITED: ClientLimits = { produce: null, fetch: null, work: null };

/** How much clients may do in a time. Those for whom the same quota counts share it, in whichever shards of the process they are. */
export class Quotas {
  readonly #state: AccessState;
  readonly #changes: AccessChanges;
  readonly #clock: Clock;
  /** What other shards have used of the same limits. */
  readonly #rows: Rows;
  /** By the entity that a quota is for, and what it is a quota of. */
  readonly #limits = new Map<string, RateLimit>();
  #version = -1;

  constructor(state: AccessState, changes: AccessChanges, clock: Clock, rows: Rows = ALONE_ROWS) {
    this.#rows = rows;
    this.#state = state;
    this.#changes = changes;
    this.#clock = clock;
  }

  /** Whether there are any: without them nothing else here need be asked. */
  get isOn(): boolean {
    return this.#state.quotas.size > 0;
  }

  /** Others than those that were there before when this is another number. */
  get version(): number {
    return this.#state.quotaVersion;
  }

  get nowMs(): number {
    return this.#clock.monotonicMs();
  }

  list(): Quota[] {
    return [...this.#state.quotas.values()];
  }

  /** Null takes a value away. @throws BrokerError precondition-failed if it makes no sense */
  check(entity: QuotaEntity, changes: { readonly [key: string]: number | null }): QuotaValues {
    const before: { readonly [key: string]: number } =
      this.#state.quotas.get(entityKey(entity))?.values ?? {};
    const set = Object.entries(changes).filter((entry): entry is [string, number] => entry[1] !== null);
    // To take away what is not there is no mistake; what nobody knows is one.
    const probe = Object.fromEntries(Object.keys(changes).map((key) => [key, changes[key] ?? 1]));
    const problem = quotaProblem(entity, probe);
    if (problem !== null) throw new BrokerError('precondition-failed', problem);
    const kept = Object.entries(before).filter(([key]) => !Object.hasOwn(changes, key));
    return Object.fromEntries([...kept, ...set]);
  }

  /** In effect at once; resolves when it is durable. */
  async alter(entity: QuotaEntity, changes: { readonly [key: string]: number | null }): Promise<void> {
    const values = this.check(entity, changes);
    await this.#changes.make({ op: 'access.quota.set', entity, values });
  }

  limitsOf(user: string, clientId: string): ClientLimits {
    if (!this.isOn) return UNLIMITED;
    this.#forgetOld();
    return {
      produce: this.#limitOf('producer_byte_rate', user, clientId),
      fetch: this.#limitOf('consumer_byte_rate', user, clientId),
      work: this.#limitOf('request_percentage', user, clientId),
    };
  }

  /** One more connection from there: how many milliseconds too early it comes. Then it does not count. */
  connected(ip: string): number {
    if (!this.isOn) return 0;
    this.#forgetOld();
    for (const entity of [{ ip }, { ip: null }]) {
      const rate = this.#state.quotas.get(entityKey(entity))?.values.connection_creation_rate;
      if (rate === undefined) continue;
      const limit = this.#limit(`connect ${ip}`, rate, Math.max(CONNECTION_WINDOW_SECONDS, 1 / rate));
      const tooEarlyMs = limit.use(1, this.nowMs);
      if (tooEarlyMs > 0) limit.use(-1, this.nowMs);
      return tooEarlyMs;
    }
    return 0;
  }

  /** Kafka's order of precedence: the most exact one counts, and a user is more exact than a client. */
  #limitOf(key: QuotaKey, user: string, clientId: string): RateLimit | null {
    const candidates: readonly QuotaEntity[] = [
      { user, clientId },
      { user, clientId: null },
      { user },
      { user: null, clientId },
      { user: null, clientId: null },
      { user: null },
      { clientId },
      { clientId: null },
    ];
    for (const entity of candidates) {
      const value = this.#state.quotas.get(entityKey(entity))?.values[key];
      if (value === undefined) continue;
      const perSecond = key === 'request_percentage' ? (value / 100) * 1000 : value;
      return this.#limit(`${key} ${sharedBy(entity, user, clientId)}`, perSecond);
    }
    return null;
  }

  #limit(name: string, perSecond: number, windowSeconds?: number): RateLimit {
    let limit = this.#limits.get(name);
    if (limit === undefined) {
      if (this.#limits.size >= LIMITS_MAX) this.#dropUnused();
      limit = new RateLimit(perSecond, this.nowMs, windowSeconds, this.#rows.claim(name));
      this.#limits.set(name, limit);
    }
    return limit;
  }

  #forgetOld(): void {
    if (this.#version === this.version) return;
    this.#version = this.version;
    this.#dropAll();
  }

  #dropUnused(): void {
    const { nowMs } = this;
    for (const [name, limit] of this.#limits) {
      if (!limit.isUnused(nowMs)) continue;
      limit.close();
      this.#limits.delete(name);
    }
    if (this.#limits.size >= LIMITS_MAX) this.#dropAll();
  }

  #dropAll(): void {
    for (const limit of this.#limits.values()) limit.close();
    this.#limits.clear();
  }
}

/** A quota for all others is not one for all of them together: each has it for itself. */
function sharedBy(entity: QuotaEntity, user: string, clientId: string): string {
  return JSON.stringify([
    entity.user === undefined ? null : user,
    entity.clientId === undefined ? null : clientId,
  ]);
}
