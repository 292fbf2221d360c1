import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ReadTurns } from '../../../../src/broker/budget/read-turns.ts';
import type { Shard } from '../../../../src/broker/shard/shard.ts';
import { RequestStretch } from '../../../../src/servers/kafka/connection/request-stretch.ts';
import { Loop } from '../../../base/loop.ts';

const OWNER = () => ({ protocol: 'Kafka', request: 'JoinGroup', user: 'ada' });

/** A connection with so many requests of so many milliseconds each, which come in reads of some requests. */
class Requests {
  /** How many were begun in each iteration of the event loop. */
  readonly begun: number[] = [];
  readonly #loop: RequestLoop;
  readonly #stretch: RequestStretch;
  readonly #ms: number;
  readonly #isLight: boolean;
  left: number;

  constructor(loop: RequestLoop, count: number, ms: number, isLight: boolean) {
    this.#loop = loop;
    this.#ms = ms;
    this.#isLight = isLight;
    this.left = count;
    this.#stretch = new RequestStretch(loop.shard, loop.all, () => this.read(Number.POSITIVE_INFINITY));
  }

  read(count: number): void {
    this.#stretch.begin();
    for (let i = 0; i < count && this.left > 0 && !this.#stretch.isOver; i++, this.left--) {
      this.#loop.ms += this.#ms;
      this.begun[this.#loop.iterations] = (this.begun[this.#loop.iterations] ?? 0) + 1;
      this.#stretch.count(this.#isLight, OWNER);
    }
  }
}

class RequestLoop extends Loop {
  iterations = 0;
  readonly all = new ReadTurns({ soon: (run: () => void) => void this.later.push(run) } as never);
  readonly later: (() => void)[] = [];

  get shard(): Shard {
    return { clock: this, turnTime: this.time, turn: { touch: () => undefined } } as unknown as Shard;
  }

  override async iteration(): Promise<void> {
    this.iterations++;
    for (const run of this.later.splice(0)) run();
    await super.iteration();
  }
}

async function begunOf(count: number, ms: number, isLight: boolean, ofRead = count): Promise<number[]> {
  const loop = new RequestLoop();
  const requests = new Requests(loop, count, ms, isLight);
  for (let read = 0; read < count / ofRead; read++) requests.read(ofRead);
  while (requests.left > 0) await loop.iteration();
  return requests.begun;
}

describe('requests of a connection', () => {
  it('that take long together are begun in turns with others', async () => {
    assert.deepEqual(await begunOf(10, 0.5, false), [2, 2, 2, 2, 2]);
    assert.deepEqual(await begunOf(3, 50, false), [1, 1, 1]);
  });

  it('that are soon done are begun at once, and those with records are timed eight at a time', async () => {
    assert.deepEqual(await begunOf(1000, 0.001, false), [1000]);
    assert.deepEqual(await begunOf(20, 1, true), [8, 8, 4]);
  });

  it('have their time in an iteration of the event loop, however many reads they come in', async () => {
    assert.deepEqual(await begunOf(64, 0.0625, true, 8), [16, 16, 16, 16]);
  });

  it('have less of it where many connections have much to do', () => {
    const loop = new RequestLoop();
    const all = Array.from({ length: 20 }, () => new Requests(loop, 1000, 0.125, false));
    for (const each of all) each.read(1000);
    const begun = all.map((each) => each.begun[0]);
    assert.deepEqual(begun, [8, 8, ...Array.from({ length: 18 }, () => 4)]);
  });
});
