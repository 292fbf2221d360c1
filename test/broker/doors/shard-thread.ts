/** The other shard, as a worker thread: what it does with frames is `plan.does`. */
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { systemClock } from '../../../src/base/clock.ts';
import { systemScheduler } from '../../../src/base/scheduler.ts';
import { Door } from '../../../src/broker/doors/door.ts';
import { createRing } from '../../../src/broker/doors/ring.ts';
import { Bell, createBells, WakeUp } from '../../../src/broker/doors/wake-up.ts';
import { Turn } from '../../../src/broker/shard/turn.ts';
import { seededRandom } from '../../support/seeded-random.ts';

export interface ThreadPlan {
  /** `doze`: echoes, each frame after a random time. `idle`: has no receiver for anything, and nothing that keeps it alive. */
  readonly does: 'echo' | 'doze' | 'slow' | 'idle';
  readonly seed: number;
  readonly shard: number;
  readonly bells: SharedArrayBuffer;
  readonly toMain: SharedArrayBuffer;
  readonly fromMain: SharedArrayBuffer;
}

/** A number of a frame, a u32, is all of its payload, or the beginning of it. */
export const NUMBERED = 1;
/** Ends the thread, which closes its door first. */
export const LEAVE = 2;

export interface MainSide {
  readonly bells: SharedArrayBuffer;
  readonly wakeUp: WakeUp;
  readonly turn: Turn;
}

/** The main thread as shard 0, beside so many others. */
export function mainSide(others: number): MainSide {
  const turn = new Turn(systemClock, systemScheduler, () => undefined);
  const bells = createBells(1 + others);
  const wakeUp = new WakeUp(bells, 0, systemClock, systemScheduler, () => turn.touch());
  return { bells, wakeUp, turn };
}

/** Starts shard `shard`, with a ring of so many bytes in each direction. */
export function startShard(
  { bells, wakeUp, turn }: MainSide,
  does: ThreadPlan['does'],
  options: { shard?: number; capacity?: number; seed?: number } = {},
) {
  const { shard = 1, capacity = 64 * 1024, seed = 1 } = options;
  const plan = { does, seed, shard, bells, toMain: createRing(capacity), fromMain: createRing(capacity) };
  const { toMain: incoming, fromMain: outgoing } = plan;
  const door = new Door({
    outgoing,
    incoming,
    bell: new Bell(bells, shard),
    wakeUp,
    turn,
    clock: systemClock,
  });
  return { door, worker: new Worker(new URL(import.meta.url), { workerData: plan satisfies ThreadPlan }) };
}

/** Busy for so many microseconds. */
export function spin(micros: number): void {
  const endMs = performance.now() + micros / 1000;
  while (performance.now() < endMs);
}

/** Runs it at once, after some microseconds of work, in the next iteration of the event loop, or a timer later. */
export function sometime(random: () => number, run: () => void): void {
  const choice = random();
  if (choice < 0.25) run();
  else if (choice < 0.75) {
    spin(random() * 80);
    run();
  } else if (choice < 0.98) setImmediate(run);
  else setTimeout(run, 1);
}

function serve({ does, seed, shard, bells, toMain, fromMain }: ThreadPlan): void {
  const random = seededRandom(seed);
  const turn = new Turn(systemClock, systemScheduler, () => undefined);
  const wakeUp = new WakeUp(bells, shard, systemClock, systemScheduler, () => turn.touch());
  const bell = new Bell(bells, 0);
  const door = new Door({ outgoing: toMain, incoming: fromMain, bell, wakeUp, turn, clock: systemClock });
  if (does === 'idle') return;
  const alive = setInterval(() => undefined, 60_000);
  let taken = 0;
  const echo = (buffer: Buffer, start: number, end: number): boolean => {
    if (end - start > door.frameBytesMax) return door.writeLarge(NUMBERED, [buffer.subarray(start, end)]);
    const at = door.reserve(end - start);
    if (at === -1) return false;
    buffer.copy(door.buffer, at, start, end);
    door.finish(NUMBERED, end - start);
    return true;
  };
  door.receive(NUMBERED, {
    frame: (_kind, buffer, start, end) => {
      if (does === 'doze') {
        const copy = Buffer.alloc(end - start);
        buffer.copy(copy, 0, start, end);
        sometime(random, () => void echo(copy, 0, copy.length));
        return true;
      }
      if (does === 'slow' && taken++ % 50 === 49) {
        setTimeout(() => door.resume(), 1);
        return false;
      }
      if (echo(buffer, start, end)) return true;
      door.whenRoom(() => door.resume());
      return false;
    },
  });
  door.receive(LEAVE, {
    frame: () => {
      parentPort?.postMessage({ sent: door.sent, received: door.received });
      door.close();
      wakeUp.close();
      clearInterval(alive);
      return true;
    },
  });
}

if (workerData !== null && typeof workerData === 'object' && 'toMain' in workerData) {
  serve(workerData as ThreadPlan);
}
