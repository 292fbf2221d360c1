import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FairTurns } from '../../../src/broker/budget/fair-turns.ts';

/** Turns that note who began and who was refused; `next` ends the turn that began first of those that last. */
class Noted {
  readonly turns: FairTurns;
  readonly began: string[] = [];
  readonly refused: string[] = [];
  readonly #ends: (() => void)[] = [];

  constructor(runningMax: number, waitingMax = 1000) {
    this.turns = new FairTurns({ runningMax, waitingMax });
  }

  enter(key: string, lane = 0, name = key): void {
    this.turns.enter(key, lane, {
      begin: (done) => {
        this.began.push(name);
        this.#ends.push(done);
      },
      refuse: () => this.refused.push(name),
    });
  }

  end(count = 1): void {
    for (let i = 0; i < count; i++) this.#ends.shift()?.();
  }
}

describe('turns', () => {
  it('begin at once while few run', () => {
    const noted = new Noted(2);
    for (const key of ['a', 'b', 'c']) noted.enter(key);
    assert.deepEqual(noted.began, ['a', 'b']);
    noted.end();
    assert.deepEqual(noted.began, ['a', 'b', 'c']);
  });

  it('are given to the keys one after the other, however many of one wait', () => {
    const noted = new Noted(1);
    for (let i = 0; i < 350; i++) noted.enter('flood');
    noted.enter('honest');
    noted.end(2);
    assert.deepEqual(noted.began, ['flood', 'flood', 'honest']);
  });

  it('are given to the lanes of a key one after the other, the newest of a lane first', () => {
    const noted = new Noted(1);
    noted.enter('a', 1, 'running');
    for (let i = 0; i < 350; i++) noted.enter('a', 1, `flood ${i}`);
    noted.enter('a', 2, 'honest');
    noted.end(3);
    assert.deepEqual(noted.began, ['running', 'flood 349', 'honest', 'flood 348']);
  });

  it('are refused, when too many wait, to those of whom most do', () => {
    const noted = new Noted(1, 4);
    noted.enter('a', 0, 'running');
    noted.enter('b', 0, 'b');
    for (let i = 0; i < 4; i++) noted.enter('a', i % 2, `a${i}`);
    assert.deepEqual(noted.refused, ['a0']);
    assert.equal(noted.turns.waiting, 4);
  });

  it('are not given to who has left', () => {
    const noted = new Noted(1);
    noted.enter('a');
    const waiter = { begin: () => assert.fail('it has left'), refuse: () => undefined };
    noted.turns.enter('b', 0, waiter);
    assert.equal(noted.turns.leave('b', 0, waiter), true);
    assert.equal(noted.turns.leave('b', 0, waiter), false);
    noted.end();
    assert.deepEqual([noted.turns.running, noted.turns.waiting], [0, 0]);
  });

  it('end once, however often that is said', () => {
    const turns = new FairTurns({ runningMax: 2, waitingMax: 10 });
    let end = (): void => undefined;
    turns.enter('a', 0, { begin: (done) => void (end = done), refuse: () => undefined });
    turns.enter('b', 0, { begin: () => undefined, refuse: () => undefined });
    end();
    end();
    assert.equal(turns.running, 1);
  });
});
