import type { Clock } from '../../../base/clock.ts';
import type { ShardLog } from '../../shard/shard.ts';

/** How long until a line in the log says again how far it is. */
const SAY_MS = 10_000;
const MIB = 1024 * 1024;

/** Says how far the moving is: each step to whoever watches the start, now and then a line in the log. */
export class MoveProgress {
  #moved = 0;
  #bytes = 0;
  #saidMs: number;
  readonly #what: string;
  readonly #total: number;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #log: ShardLog;
  readonly #onStep: (step: string) => void;
  /** Of each shard that goes away: how many there were, and how many have left. */
  readonly #byShard = new Map<number, { moved: number; readonly total: number }>();

  /** `what`: is moved, in the plural. */
  constructor(
    what: string,
    totals: ReadonlyMap<number, number>,
    clock: Pick<Clock, 'monotonicMs'>,
    log: ShardLog,
    onStep: (step: string) => void,
  ) {
    let sum = 0;
    for (const [shard, total] of totals) {
      sum += total;
      this.#byShard.set(shard, { moved: 0, total });
    }
    this.#what = what;
    this.#total = sum;
    this.#clock = clock;
    this.#log = log;
    this.#onStep = onStep;
    this.#saidMs = clock.monotonicMs();
  }

  copying(shard: number): void {
    const { moved = 0, total = 0 } = this.#byShard.get(shard) ?? {};
    const mebibytes = this.#bytes < MIB ? '' : `, ${Math.floor(this.#bytes / MIB)} MiB so far`;
    this.#onStep(`moving ${this.#what} out of shard ${shard}: ${moved + 1} of ${total}${mebibytes}`);
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#saidMs < SAY_MS) return;
    this.#saidMs = nowMs;
    this.#log.info(this.fields, `moving ${this.#what} out of shards that go away`);
  }

  readonly copied = (bytes: number): void => {
    this.#bytes += bytes;
  };

  /** It is copied. */
  done(shard: number): void {
    this.#moved++;
    const of = this.#byShard.get(shard);
    if (of !== undefined) of.moved++;
  }

  get fields(): { readonly moved: number; readonly of: number; readonly bytes: number } {
    return { moved: this.#moved, of: this.#total, bytes: this.#bytes };
  }
}
