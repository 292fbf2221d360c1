import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../../../src/base/clock.ts';
import { type Scheduler, systemScheduler } from '../../../src/base/scheduler.ts';
import { Door } from '../../../src/broker/doors/door.ts';
import { createRing } from '../../../src/broker/doors/ring.ts';
import { Bell, createBells, WakeUp } from '../../../src/broker/doors/wake-up.ts';
import { Turn } from '../../../src/broker/shard/turn.ts';
import { until } from '../../support/until.ts';
import { content, ExpectedFrames, kindOf } from './frames.ts';

/** Two shards in one thread, each with its turn, and the door between them. */
function doorsOf(capacity = 4096, scheduler: Scheduler = systemScheduler) {
  const rings = [createRing(capacity), createRing(capacity)];
  const bells = createBells(2);
  return [0, 1].map((shard) => {
    const turn = new Turn(systemClock, scheduler, () => undefined);
    const wakeUp = new WakeUp(bells, shard, systemClock, scheduler, () => turn.touch());
    const bell = new Bell(bells, 1 - shard);
    const ends = { outgoing: rings[shard], incoming: rings[1 - shard] };
    return { door: new Door({ ...ends, bell, wakeUp, turn, clock: systemClock }), wakeUp, turn };
  });
}

function write(door: Door, kind: number, text: string): void {
  const at = door.reserve(100);
  assert.notEqual(at, -1);
  door.finish(kind, door.buffer.write(text, at));
}

function close(...shards: { door: Door; wakeUp: WakeUp }[]): void {
  for (const { door, wakeUp } of shards) {
    door.close();
    wakeUp.close();
  }
}

async function iterations(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe('a door', () => {
  it('gives each frame to the receiver of its kind, at the end of the turn', async () => {
    const [one, other] = doorsOf();
    const came: string[] = [];
    const note = (name: string) => ({
      frame: (kind: number, buffer: Buffer, start: number, end: number) =>
        came.push(`${name} ${kind} ${buffer.toString('latin1', start, end)}`) > 0,
    });
    other.door.receive(0, note('first'));
    other.door.receive(255, note('last'));
    write(one.door, 255, 'a');
    write(one.door, 0, 'b');
    write(one.door, 255, 'c');
    await until(() => came.length === 3);
    assert.deepEqual(came, ['last 255 a', 'first 0 b', 'last 255 c']);
    assert.deepEqual(one.door.sent, { frames: 3, bytes: 3, fullWaits: 0 });
    assert.deepEqual(other.door.received, one.door.sent);
    close(one, other);
  });

  it('keeps what comes before its shard serves others, in order, but for what it is started with', async () => {
    const [one, other] = doorsOf();
    other.door.begin();
    const came: string[] = [];
    const note = {
      frame: (_kind: number, buffer: Buffer, start: number, end: number) =>
        came.push(buffer.toString('latin1', start, end)) > 0,
    };
    other.door.receive(1, note);
    other.door.receiveServed(2, note);
    write(one.door, 2, 'served');
    write(one.door, 3, 'early');
    write(one.door, 1, 'at once');
    await until(() => came.length === 1);
    other.door.receiveServed(3, note);
    write(one.door, 2, 'later');
    await until(() => other.door.received.frames === 4);
    assert.deepEqual(came, ['at once']);
    other.door.serve();
    assert.deepEqual(came, ['at once', 'served', 'early', 'later']);
    close(one, other);
  });

  it('is flushed once for all frames of a turn', async () => {
    const [one, other] = doorsOf();
    other.door.receive(1, { frame: () => true });
    let flushes = 0;
    const { flush } = one.door;
    const counted = (): void => {
      flushes++;
      flush.call(one.door);
    };
    one.door.flush = counted;
    for (let i = 0; i < 20; i++) write(one.door, 1, 'x');
    await until(() => other.door.received.frames === 20);
    assert.equal(flushes, 1);
    close(one, other);
  });

  it('knows the frames that its receivers left, and gives them after resume', async () => {
    const [one, other] = doorsOf();
    let isOpen = false;
    other.door.receive(1, { frame: () => isOpen });
    write(one.door, 1, 'x');
    await iterations(20);
    assert.equal(other.door.received.frames, 0);
    isOpen = true;
    other.door.resume();
    await until(() => other.door.received.frames === 1);
    close(one, other);
  });

  it('counts how often its writer waited, at both ends', async () => {
    const [one, other] = doorsOf(1024);
    other.door.receive(1, { frame: () => true });
    while (one.door.reserve(100) !== -1) one.door.finish(1, 100);
    let isThere = false;
    const listener = (): void => {
      isThere = true;
    };
    one.door.whenRoom(listener);
    assert.throws(() => one.door.whenRoom(listener), /already/);
    await until(() => isThere);
    assert.equal(one.door.sent.fullWaits, 1);
    assert.equal(other.door.received.fullWaits, 1);
    assert.equal(one.door.received.fullWaits, 0);
    close(one, other);
  });

  it('sleeps while there is nothing to do, also with a full ring and a receiver that has stopped', async () => {
    let asked = 0;
    const soon: Scheduler['soon'] = (run) => {
      asked++;
      systemScheduler.soon(run);
    };
    const [one, other] = doorsOf(1024, { ...systemScheduler, soon });
    await iterations(20);
    const asleep = asked;
    await iterations(50);
    assert.equal(asked, asleep);

    other.door.receive(1, { frame: () => false });
    while (one.door.reserve(100) !== -1) one.door.finish(1, 100);
    one.door.whenRoom(() => assert.fail('there is none'));
    await iterations(20);
    const held = asked;
    assert.ok(held > asleep);
    await iterations(50);
    assert.equal(asked, held);
    close(one, other);
  });

  it('has one receiver for a kind', () => {
    const [one, other] = doorsOf();
    one.door.receive(1, { frame: () => true });
    assert.throws(() => one.door.receive(1, { frame: () => true }), /has a receiver/);
    for (const kind of [-1, 256, 1.5]) {
      assert.throws(() => one.door.receive(kind, { frame: () => true }), RangeError);
    }
    assert.throws(() => one.door.frame(2, Buffer.alloc(1), 0, 1), /kind 2 came/);
    close(one, other);
  });

  it('takes nothing and gives nothing after it is closed, even for frames that are there', async () => {
    const [one, other] = doorsOf();
    let came = 0;
    other.door.receive(1, { frame: () => ++came > 0 });
    write(one.door, 1, 'x');
    one.door.flush();
    other.door.close();
    assert.throws(() => other.door.reserve(1), /closed/);
    other.door.flush();
    await iterations(20);
    assert.equal(came, 0);
    close(one, other);
  });

  it('may be closed by a receiver, which then gets nothing more', async () => {
    const [one, other] = doorsOf();
    let came = 0;
    other.door.receive(1, {
      frame: () => {
        came++;
        other.door.close();
        return true;
      },
    });
    for (let i = 0; i < 5; i++) write(one.door, 1, 'x');
    await until(() => came > 0);
    await iterations(20);
    assert.equal(came, 1);
    close(one, other);
  });

  it('carries what is written on both sides at random, whole, in order, and once', async () => {
    const sizes = fc.array(fc.oneof(fc.nat(120), fc.nat(120), fc.nat(120), fc.nat(6000)), { maxLength: 120 });
    await fc.assert(
      fc.asyncProperty(sizes, sizes, async (first, second) => {
        const shards = doorsOf(1024);
        const expected = [new ExpectedFrames(), new ExpectedFrames()];
        shards.forEach(({ door }, side) => {
          for (let kind = 0; kind < 256; kind++) {
            door.receive(kind, {
              frame: (of, buffer, start, end) => {
                expected[1 - side].check(of, buffer, start, end);
                return true;
              },
            });
          }
          writeAll(door, expected[side], side === 0 ? first : second);
        });
        await until(() => expected[0].came === first.length && expected[1].came === second.length);
        close(...shards);
      }),
      { numRuns: 40 },
    );
  });
});

/** Writes frames of these sizes, as there is room. */
function writeAll(door: Door, expected: ExpectedFrames, sizes: readonly number[]): void {
  const writeMore = (): void => {
    while (expected.written < sizes.length) {
      const number = expected.written;
      const bytes = sizes[number];
      const payload = content(number, bytes);
      const isThere =
        bytes > door.frameBytesMax
          ? door.writeLarge(kindOf(number), [payload])
          : writeSmall(door, kindOf(number), payload);
      if (!isThere) {
        door.whenRoom(writeMore);
        return;
      }
      expected.add(bytes);
    }
  };
  writeMore();
}

function writeSmall(door: Door, kind: number, payload: Buffer): boolean {
  const at = door.reserve(payload.length);
  if (at === -1) return false;
  payload.copy(door.buffer, at);
  door.finish(kind, payload.length);
  return true;
}
