import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import type { Door } from '../../../src/broker/doors/door.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { LEAVE, mainSide, NUMBERED, sometime, startShard } from './shard-thread.ts';

function write(door: Door, number: number, bytes: number): boolean {
  const at = door.reserve(bytes);
  if (at === -1) return false;
  door.view.setUint32(at, number);
  door.finish(NUMBERED, bytes);
  return true;
}

/** Writes so many numbered frames as there is room, and resolves when all came back, in order. */
function echoed(door: Door, frames: number, bytes: number, onTurn = (_onTheWay: number): void => undefined) {
  return new Promise<void>((resolve, reject) => {
    let written = 0;
    let came = 0;
    const writeMore = (): void => {
      for (let i = 0; i < 1000 && written < frames; i++) {
        if (!write(door, written, bytes)) {
          onTurn(written - came);
          door.whenRoom(writeMore);
          return;
        }
        written++;
      }
      onTurn(written - came);
      if (written < frames) setImmediate(writeMore);
    };
    door.receive(NUMBERED, {
      frame: (_kind, buffer, start, end) => {
        if (end - start !== bytes || buffer.readUInt32BE(start) !== came) {
          reject(new Error(`frame ${buffer.readUInt32BE(start)} came as number ${came}`));
        }
        if (++came === frames) resolve();
        return true;
      },
    });
    writeMore();
  });
}

describe('a door between two threads', () => {
  it('echoes a million small frames in order, with no more memory than its rings', async () => {
    const main = mainSide(1);
    const capacity = 256 * 1024;
    const { door, worker } = startShard(main, 'echo', { capacity });
    const arraysBefore = process.memoryUsage().arrayBuffers;
    const frames = 1_000_000;
    let onTheWayMax = 0;
    await echoed(door, frames, 24, (onTheWay) => {
      onTheWayMax = Math.max(onTheWayMax, onTheWay);
    });
    assert.ok(onTheWayMax <= (2 * capacity) / 32, `${onTheWayMax} frames on the way`);
    assert.ok(process.memoryUsage().arrayBuffers - arraysBefore < capacity);
    assert.deepEqual([door.sent.frames, door.received.frames], [frames, frames]);
    assert.deepEqual([door.sent.bytes, door.received.bytes], [24 * frames, 24 * frames]);
    door.close();
    main.wakeUp.close();
    await worker.terminate();
  });

  it('holds the writer up while the reader is slow, and loses nothing', async () => {
    const main = mainSide(1);
    const capacity = 4096;
    const { door, worker } = startShard(main, 'slow', { capacity });
    let onTheWayMax = 0;
    await echoed(door, 5000, 100, (onTheWay) => {
      onTheWayMax = Math.max(onTheWayMax, onTheWay);
    });
    assert.ok(onTheWayMax <= (2 * capacity) / 108, `${onTheWayMax} frames on the way`);
    assert.ok(door.sent.fullWaits > 0);
    door.close();
    main.wakeUp.close();
    await worker.terminate();
  });

  it('carries large frames, in order among small ones', async () => {
    const main = mainSide(1);
    const { door, worker } = startShard(main, 'slow', { capacity: 4096 });
    const lengths: number[] = [];
    const all = Promise.withResolvers<void>();
    door.receive(NUMBERED, {
      frame: (_kind, buffer, start, end) => {
        assert.equal(buffer.readUInt32BE(start), lengths.length);
        lengths.push(end - start);
        if (lengths.length === 500) all.resolve();
        return true;
      },
    });
    let number = 0;
    const writeMore = (): void => {
      while (number < 500) {
        const isLarge = number % 10 === 3;
        const piece = Buffer.alloc(isLarge ? 10_000 : 0);
        if (isLarge) piece.writeUInt32BE(number);
        const isThere = isLarge ? door.writeLarge(NUMBERED, [piece, piece, piece]) : write(door, number, 20);
        if (!isThere) {
          door.whenRoom(writeMore);
          return;
        }
        number++;
      }
    };
    writeMore();
    await all.promise;
    lengths.forEach((length, at) => {
      assert.equal(length, at % 10 === 3 ? 30_000 : 20);
    });
    door.close();
    main.wakeUp.close();
    await worker.terminate();
  });

  it('loses no wake-up: thousands of frames go to and fro, one at a time, with random pauses on both sides', async () => {
    const main = mainSide(2);
    const rounds = 4000;
    const ends = [1, 2].map(async (shard) => {
      const random = seededRandom(100 + shard);
      const { door, worker } = startShard(main, 'doze', { shard, seed: shard });
      const done = Promise.withResolvers<void>();
      let round = 0;
      const send = (): void => {
        assert.ok(write(door, round, 4));
      };
      door.receive(NUMBERED, {
        frame: (_kind, buffer, start) => {
          assert.equal(buffer.readUInt32BE(start), round);
          if (++round === rounds) done.resolve();
          else sometime(random, send);
          return true;
        },
      });
      send();
      await done.promise;
      door.close();
      await worker.terminate();
    });
    await Promise.all(ends);
    main.wakeUp.close();
  });

  it('ends cleanly: a thread that closes its door and has nothing else to do ends by itself', async () => {
    const main = mainSide(1);
    const { door, worker } = startShard(main, 'echo');
    await echoed(door, 1000, 8);
    const told = once(worker, 'message');
    const ended = once(worker, 'exit');
    door.reserve(0);
    door.finish(LEAVE, 0);
    const [figures] = await told;
    assert.deepEqual(figures.received.frames, 1000);
    assert.deepEqual(await ended, [0]);
    // Nobody is there any more: what is flushed now goes nowhere, and harms nobody.
    write(door, 0, 8);
    door.flush();
    door.close();
    main.wakeUp.close();
  });

  it('keeps no thread alive that waits for frames', async () => {
    const main = mainSide(1);
    const { door, worker } = startShard(main, 'idle');
    assert.deepEqual(await once(worker, 'exit'), [0]);
    door.close();
    main.wakeUp.close();
  });

  it('ends the thread with an error for a frame of a kind that nobody receives', async () => {
    const main = mainSide(1);
    const { door, worker } = startShard(main, 'echo');
    await echoed(door, 10, 8);
    const failed = once(worker, 'error');
    door.reserve(0);
    door.finish(77, 0);
    const [error] = await failed;
    assert.match((error as Error).message, /kind 77/);
    door.close();
    main.wakeUp.close();
  });
});
