import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Scheduler } from '../../../src/base/scheduler.ts';
import { type Reader, ReadTurn, ReadTurns } from '../../../src/broker/budget/read-turns.ts';

/** An event loop in which sockets that have no end are read, in reads of so many milliseconds. */
class Loop {
  /** Who was read in each iteration, once for each read. */
  readonly read: string[][] = [];
  readonly sockets: EndlessSocket[] = [];
  #soon: (() => void)[] = [];
  readonly turns = new ReadTurns({ soon: (run) => void this.#soon.push(run) } as Scheduler);

  /** As libuv: one socket after the other, each at most 32 times. */
  iteration(): void {
    const names: string[] = [];
    for (const socket of this.sockets) {
      for (let count = 0; count < 32 && socket.isReading; count++) socket.read(names);
    }
    this.read.push(names);
    for (const run of this.#soon.splice(0)) run();
  }
}

class EndlessSocket implements Reader {
  isReading = true;
  readonly #turn: ReadTurn;
  readonly #name: string;
  readonly #ms: number;

  constructor(loop: Loop, name: string, ms: number) {
    this.#turn = new ReadTurn(loop.turns, this);
    this.#name = name;
    this.#ms = ms;
    loop.sockets.push(this);
  }

  read(names: string[]): void {
    names.push(this.#name);
    this.#turn.took(this.#ms);
  }

  turnIsOver(): void {
    this.isReading = false;
  }

  turnCame(): void {
    this.isReading = true;
  }
}

function counts(names: readonly string[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (const name of names) found[name] = (found[name] ?? 0) + 1;
  return found;
}

describe('the turns in which sockets are read', () => {
  it('end for a socket that always has more, which is read again in the next iteration', () => {
    const loop = new Loop();
    new EndlessSocket(loop, 'a', 1);
    for (let i = 0; i < 3; i++) loop.iteration();
    assert.deepEqual(loop.read.map(counts), [{ a: 3 }, { a: 3 }, { a: 3 }]);
    assert.equal(loop.turns.waitingCount, 0);
  });

  it('are for some of many sockets that always have more, in their order', () => {
    const loop = new Loop();
    const names = Array.from('abcdefghij');
    for (const name of names) new EndlessSocket(loop, name, 2);
    for (let i = 0; i < 12; i++) loop.iteration();
    const [first, ...others] = loop.read;
    // Nobody knows of them before they are read.
    assert.deepEqual(Object.keys(counts(first)), names);
    for (const read of others)
      assert.ok(read.length * 2 <= 4, `${read.length} reads of 2 ms each in one iteration`);
    const all = counts(others.flat());
    for (const name of names) assert.ok(all[name] >= 2, `${name} was read ${all[name]} times`);
  });

  it('do not end for those that have little to read', () => {
    const loop = new Loop();
    for (const name of 'abcdefghij') new EndlessSocket(loop, name, 2);
    const little = new EndlessSocket(loop, 'little', 0.01);
    for (let i = 0; i < 5; i++) {
      loop.iteration();
      assert.ok(little.isReading);
      assert.ok(loop.read[i].includes('little'));
    }
  });
});
