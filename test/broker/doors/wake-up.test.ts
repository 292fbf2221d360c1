import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { systemClock } from '../../../src/base/clock.ts';
import { systemScheduler } from '../../../src/base/scheduler.ts';
import { Bell, createBells, WakeUp, type WakeUpSource } from '../../../src/broker/doors/wake-up.ts';
import { until } from '../../support/until.ts';

/** Iterations of the event loop, enough for a wake-up to come if one does. */
async function iterations(count = 50): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

class Counted implements WakeUpSource {
  isPending = false;
  attended = 0;
  attend(): void {
    this.attended++;
    this.isPending = false;
  }
}

function shard() {
  const bells = createBells(2);
  const woken = { count: 0 };
  const wakeUp = new WakeUp(bells, 1, systemClock, systemScheduler, () => void woken.count++);
  const source = new Counted();
  wakeUp.add(source);
  return { wakeUp, source, bell: new Bell(bells, 1), woken };
}

describe('a wake-up', () => {
  it('comes for what is written before the owner sleeps for the first time, and after', async () => {
    const { wakeUp, source, bell, woken } = shard();
    source.isPending = true;
    bell.ring();
    await until(() => source.attended === 1);
    for (let round = 2; round < 200; round++) {
      if (round % 3 === 0) await iterations(round % 5);
      source.isPending = true;
      bell.ring();
      await until(() => source.attended === round);
    }
    assert.equal(woken.count, 198 + 1);
    wakeUp.close();
  });

  it('comes once for all that ring in one turn', async () => {
    const { wakeUp, source, bell } = shard();
    await iterations();
    source.isPending = true;
    for (let i = 0; i < 100; i++) bell.ring();
    await until(() => source.attended > 0);
    await iterations();
    assert.equal(source.attended, 1);
    wakeUp.close();
  });

  it('is not needed for what is written after the owner looked, but before it said that it sleeps', async () => {
    const { wakeUp } = shard();
    await iterations();
    let isWritten = false;
    let attended = 0;
    wakeUp.add({
      get isPending() {
        // Whoever writes right after this look sees the owner awake, and does not ring.
        const isThere = isWritten;
        isWritten = attended === 0;
        return isThere;
      },
      attend: () => void attended++,
    });
    await until(() => attended === 1);
    wakeUp.close();
  });

  it('does nothing when nothing is there', async () => {
    const { wakeUp, source, bell, woken } = shard();
    await iterations();
    bell.ring();
    await iterations();
    assert.equal(source.attended, 0);
    assert.equal(woken.count, 0);
    source.isPending = true;
    bell.ring();
    await until(() => source.attended === 1);
    wakeUp.close();
  });

  it('does not come after close, even if the bell rang before', async () => {
    const { wakeUp, source, bell } = shard();
    await iterations();
    source.isPending = true;
    bell.ring();
    wakeUp.close();
    bell.ring();
    wakeUp.soon();
    await iterations();
    assert.equal(source.attended, 0);
  });

  it('lets all sources have their turn, and the event loop go on, when each always has more', async () => {
    const bells = createBells(1);
    let nowMs = 0;
    const clock = { now: () => nowMs, monotonicMs: () => nowMs };
    const wakeUp = new WakeUp(bells, 0, clock, systemScheduler);
    const greedy = Array.from({ length: 3 }, () => ({
      isPending: true,
      attended: 0,
      attend(untilMs: number) {
        this.attended++;
        nowMs = untilMs;
      },
    }));
    for (const source of greedy) wakeUp.add(source);
    for (let i = 0; i < 30; i++) {
      const before = greedy.reduce((sum, { attended }) => sum + attended, 0);
      await iterations(1);
      const after = greedy.reduce((sum, { attended }) => sum + attended, 0);
      assert.ok(after - before <= 2, 'one source used up the time of an iteration');
    }
    for (const { attended } of greedy) assert.ok(attended >= 9, `${attended}`);
    wakeUp.close();
  });

  it('leaves out a source that was removed', async () => {
    const { wakeUp, source, bell } = shard();
    await iterations();
    wakeUp.remove(source);
    source.isPending = true;
    bell.ring();
    await iterations();
    assert.equal(source.attended, 0);
    wakeUp.close();
  });
});

const PROGRAM = `
  import { systemClock } from '${new URL('../../../src/base/clock.ts', import.meta.url)}';
  import { systemScheduler } from '${new URL('../../../src/base/scheduler.ts', import.meta.url)}';
  import { Bell, createBells, WakeUp } from '${new URL('../../../src/broker/doors/wake-up.ts', import.meta.url)}';
  const bells = createBells(1);
  const wakeUp = new WakeUp(bells, 0, systemClock, systemScheduler);
`;

function run(program: string) {
  return promisify(execFile)(process.execPath, ['--input-type=module', '--eval', PROGRAM + program], {
    timeout: 30_000,
  });
}

describe('a process', () => {
  it('ends although a wait is outstanding', async () => {
    const { stdout } = await run(`
      wakeUp.add({ isPending: false, attend() {} });
      setTimeout(() => console.log('waits: ' + new Int32Array(bells)[0]), 50);
    `);
    assert.equal(stdout, 'waits: 1\n');
  });

  it('ends with the error when a source throws after it was woken', async () => {
    const failure = await run(`
      const source = { isPending: false, attend() { throw new Error('a broken frame'); } };
      wakeUp.add(source);
      setInterval(() => undefined, 1000);
      setTimeout(() => { source.isPending = true; new Bell(bells, 0).ring(); }, 50);
    `).then(
      () => assert.fail('it went on'),
      (error: { code: number; stderr: string }) => error,
    );
    assert.notEqual(failure.code, 0);
    assert.match(failure.stderr, /a broken frame/);
  });
});
