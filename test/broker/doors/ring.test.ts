import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createRing, READ, WRITTEN } from '../../../src/broker/doors/ring.ts';
import { type FrameReceiver, RingReader } from '../../../src/broker/doors/ring-reader.ts';
import { RingWriter } from '../../../src/broker/doors/ring-writer.ts';
import { Bell, createBells } from '../../../src/broker/doors/wake-up.ts';
import { content, ExpectedFrames, kindOf } from './frames.ts';

const LARGE_MAX = 20_000;

/** Both ends of a ring in one thread, attended by hand. A look at the clock takes a millisecond. */
class Ends implements FrameReceiver {
  readonly expected = new ExpectedFrames();
  readonly writer: RingWriter;
  readonly reader: RingReader;
  /** How many frames the reader may have seen by now. */
  visible = 0;
  roomCalls = 0;
  roomWanted = 0;
  /** The receiver says stop after so many frames. */
  takesLeft = Number.POSITIVE_INFINITY;
  /** How often an end asked to be attended. */
  asked = 0;
  #nowMs = 0;

  constructor(capacity: number, position = 0) {
    const ring = createRing(capacity);
    const control = new Int32Array(ring);
    control[WRITTEN] = position;
    control[READ] = position;
    const bells = createBells(2);
    const attention = { soon: () => void this.asked++ };
    const clock = { now: () => this.#nowMs, monotonicMs: () => this.#nowMs++ };
    this.writer = new RingWriter(ring, new Bell(bells, 1), attention, LARGE_MAX);
    this.reader = new RingReader(ring, this, new Bell(bells, 0), attention, clock, LARGE_MAX);
  }

  frame(kind: number, buffer: Buffer, start: number, end: number): boolean {
    if (this.takesLeft === 0) return false;
    this.takesLeft--;
    assert.ok(this.expected.came < this.visible, 'a frame was seen before it was flushed');
    this.expected.check(kind, buffer, start, end);
    return true;
  }

  /** False if there was no room. */
  write(bytes: number, reservedMore = 0): boolean {
    const at = this.writer.reserve(Math.min(bytes + reservedMore, this.writer.frameBytesMax));
    if (at === -1) return false;
    const number = this.expected.add(bytes);
    content(number, bytes).copy(this.writer.buffer, at);
    this.writer.finish(kindOf(number), bytes);
    return true;
  }

  flush(): void {
    this.visible = this.expected.written;
    this.writer.flush();
  }

  /** False if another one is on its way. */
  writeLarge(bytes: number, pieces: number): boolean {
    const number = this.expected.written;
    const whole = content(number, bytes);
    const size = Math.ceil(bytes / pieces);
    const list = Array.from({ length: pieces }, (_, i) => whole.subarray(i * size, (i + 1) * size));
    if (!this.writer.writeLarge(kindOf(number), list)) return false;
    this.visible = this.expected.add(bytes) + 1;
    return true;
  }

  wantRoom(): void {
    if (this.roomWanted > this.roomCalls) return;
    this.roomWanted++;
    this.visible = this.expected.written;
    this.writer.whenRoom(() => void this.roomCalls++);
  }

  take(frames: number, ms: number): void {
    this.takesLeft = frames;
    this.reader.resume();
    this.reader.attend(this.#nowMs + ms);
  }

  /** Attends both ends until nothing is left to do. */
  drain(): void {
    this.flush();
    this.takesLeft = Number.POSITIVE_INFINITY;
    this.reader.resume();
    while (this.reader.isPending || this.writer.isPending) {
      this.reader.attend(Number.POSITIVE_INFINITY);
      this.writer.attend(Number.POSITIVE_INFINITY);
    }
  }
}

type Step =
  | { readonly does: 'write'; readonly bytes: number; readonly reservedMore: number }
  | { readonly does: 'write large'; readonly bytes: number; readonly pieces: number }
  | { readonly does: 'take'; readonly frames: number; readonly ms: number }
  | { readonly does: 'flush' | 'attend the writer' };

function perform(ends: Ends, step: Step): void {
  if (step.does === 'write') {
    const bytes = step.bytes % (ends.writer.frameBytesMax + 1);
    if (!ends.write(bytes, step.reservedMore)) ends.wantRoom();
  } else if (step.does === 'write large') {
    if (!ends.writeLarge(step.bytes, step.pieces)) ends.wantRoom();
  } else if (step.does === 'take') {
    ends.take(step.frames, step.ms);
  } else if (step.does === 'flush') {
    ends.flush();
  } else {
    ends.writer.attend(0);
  }
}

const does = <T extends string>(name: T) => fc.constant(name);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ does: does('write'), bytes: fc.nat(512), reservedMore: fc.nat(64) }),
    },
    { weight: 3, arbitrary: fc.record({ does: does('flush') }) },
    { weight: 3, arbitrary: fc.record({ does: does('take'), frames: fc.nat(12), ms: fc.nat(2) }) },
    { weight: 2, arbitrary: fc.record({ does: does('attend the writer') }) },
    {
      weight: 1,
      arbitrary: fc.record({
        does: does('write large'),
        bytes: fc.nat(3000),
        pieces: fc.integer({ min: 1, max: 9 }),
      }),
    },
  ),
  { maxLength: 200, size: 'max' },
);

/** Positions from which on the counts of bytes pass 2 ** 31 and 2 ** 32. */
const positions = fc.constantFrom(0, 0x7fffffe0, -64);

describe('a ring', () => {
  for (const capacity of [128, 512, 4096]) {
    it(`of ${capacity} bytes gives all frames whole, in order and once, however both ends take turns`, () => {
      fc.assert(
        fc.property(positions, steps, (position, each) => {
          const ends = new Ends(capacity, position);
          for (const step of each) {
            perform(ends, step);
            assert.ok(ends.writer.usedBytes >= 0 && ends.writer.usedBytes <= capacity);
          }
          ends.drain();
          assert.equal(ends.expected.came, ends.expected.written);
          assert.equal(ends.roomCalls, ends.roomWanted, 'who waited for room was called once');
          assert.equal(ends.writer.usedBytes, 0);
          assert.equal(ends.reader.frames, ends.expected.written);
          assert.equal(ends.reader.bytes, ends.writer.bytes);
          assert.equal(ends.reader.fullWaits, ends.roomWanted);
        }),
        { numRuns: 150 },
      );
    });
  }

  it('shows nothing of a turn before it is flushed', () => {
    const ends = new Ends(1024);
    ends.write(10);
    assert.ok(!ends.reader.isPending);
    ends.flush();
    assert.ok(ends.reader.isPending);
    ends.take(9, 9);
    assert.equal(ends.expected.came, 1);
  });

  it('has room for whoever waited only when a quarter is free, and calls from without', () => {
    const ends = new Ends(1024);
    while (ends.write(100));
    const full = ends.expected.written;
    ends.wantRoom();
    ends.take(1, 9);
    assert.ok(!ends.writer.isPending, 'one frame is less than a quarter');
    ends.take(full, 9);
    assert.ok(ends.writer.isPending);
    assert.equal(ends.roomCalls, 0);
    ends.writer.attend(0);
    assert.equal(ends.roomCalls, 1);
    assert.ok(ends.write(100));
  });

  it('asks to be attended when room came before anybody waited for it', () => {
    const ends = new Ends(1024);
    while (ends.write(100));
    ends.flush();
    ends.take(100, 9);
    ends.asked = 0;
    ends.wantRoom();
    assert.equal(ends.asked, 1);
    assert.ok(ends.writer.isPending);
  });

  it('leaves the frame at which the receiver says stop, and gives it again after resume', () => {
    const ends = new Ends(1024);
    for (let i = 0; i < 5; i++) ends.write(10);
    ends.flush();
    ends.take(3, 9);
    assert.equal(ends.expected.came, 3);
    assert.ok(!ends.reader.isPending, 'it has to be resumed');
    ends.asked = 0;
    ends.takesLeft = 100;
    ends.reader.resume();
    assert.equal(ends.asked, 1);
    ends.reader.attend(Number.POSITIVE_INFINITY);
    assert.equal(ends.expected.came, 5);
    assert.equal(ends.reader.stops, 1);
  });

  it('goes on later when the time is over', () => {
    const ends = new Ends(64 * 1024);
    for (let i = 0; i < 1000; i++) ends.write(8);
    ends.flush();
    ends.take(Number.POSITIVE_INFINITY, 0);
    assert.ok(ends.expected.came > 0 && ends.expected.came < 100, `${ends.expected.came} at once`);
    assert.ok(ends.reader.isPending);
    ends.drain();
    assert.equal(ends.expected.came, 1000);
  });

  it('begins at its start again when the reader is through, and so stays in a quarter of its memory', () => {
    const ends = new Ends(64 * 1024);
    let highest = 0;
    for (let i = 0; i < 2000; i++) {
      highest = Math.max(highest, ends.writer.reserve(1000));
      ends.write(1000);
      ends.drain();
    }
    assert.ok(highest < 17 * 1024 + 1000, `${highest}`);
  });

  it('refuses what is not a ring, a frame or a kind', () => {
    for (const capacity of [0, 64, 1000, 2 ** 27]) assert.throws(() => createRing(capacity), RangeError);
    const { writer } = new Ends(1024);
    assert.equal(writer.frameBytesMax, 1024 / 8 - 8);
    assert.throws(() => writer.reserve(writer.frameBytesMax + 1), RangeError);
    assert.throws(() => writer.finish(1, 0), RangeError, 'nothing is reserved');
    writer.reserve(10);
    assert.throws(() => writer.finish(1, 11), RangeError);
    assert.throws(() => writer.finish(256, 1), RangeError);
    assert.throws(() => writer.writeLarge(256, []), RangeError);
    writer.close();
    assert.throws(() => writer.reserve(1), /closed/);
    assert.throws(() => writer.writeLarge(1, []), /closed/);
  });

  it('calls nobody after it is closed', () => {
    const ends = new Ends(1024);
    while (ends.write(100));
    ends.wantRoom();
    ends.writer.close();
    ends.take(1000, 9);
    ends.writer.attend(0);
    assert.equal(ends.roomCalls, 0);
    ends.reader.close();
    assert.ok(!ends.reader.isPending);
  });
});

describe('a large frame', () => {
  it('goes in parts, and what is written behind it stays behind it', () => {
    const ends = new Ends(1024);
    ends.write(50);
    ends.writeLarge(LARGE_MAX, 7);
    assert.equal(ends.write(1), false, 'no room until the large one is through');
    assert.equal(ends.writeLarge(1, 1), false, 'nor for another');
    ends.wantRoom();
    assert.equal(ends.writer.largeBytes, LARGE_MAX);
    ends.drain();
    assert.equal(ends.writer.largeBytes, 0);
    assert.equal(ends.reader.largeBytes, 0);
    assert.equal(ends.roomCalls, 1);
    assert.ok(ends.write(50));
    ends.drain();
    assert.equal(ends.expected.came, 3);
  });

  it('is held in memory once while its receiver says stop, and comes whole after resume', () => {
    const ends = new Ends(1024);
    ends.writeLarge(5000, 1);
    ends.takesLeft = 0;
    for (let i = 0; i < 100; i++) {
      ends.reader.attend(Number.POSITIVE_INFINITY);
      ends.writer.attend(0);
    }
    assert.equal(ends.writer.largeBytes, 0);
    assert.equal(ends.reader.largeBytes, 5000);
    assert.equal(ends.reader.stops, 1);
    assert.ok(ends.write(50));
    ends.drain();
    assert.equal(ends.expected.came, 2);
    assert.equal(ends.reader.largeBytes, 0);
  });

  it('comes in a buffer that is not the ring', () => {
    const ends = new Ends(1024);
    let kept: Buffer | undefined;
    const { frame } = ends;
    const keep: FrameReceiver['frame'] = (kind, buffer, start, end) => {
      kept = buffer;
      return frame.call(ends, kind, buffer, start, end);
    };
    ends.frame = keep;
    ends.writeLarge(3000, 2);
    ends.drain();
    assert.notEqual(kept, ends.reader.buffer);
    assert.equal(kept?.compare(content(0, 3000)), 0);
  });

  it('has a maximum at both ends', () => {
    const ends = new Ends(1024);
    assert.throws(() => ends.writer.writeLarge(1, [Buffer.alloc(LARGE_MAX), Buffer.alloc(1)]), RangeError);
    assert.equal(ends.writer.largeBytes, 0);

    const ring = createRing(1024);
    const bell = new Bell(createBells(1), 0);
    const attention = { soon: () => undefined };
    const clock = { now: () => 0, monotonicMs: () => 0 };
    const writer = new RingWriter(ring, bell, attention, 2000);
    const reader = new RingReader(ring, ends, bell, attention, clock, 1000);
    writer.writeLarge(1, [Buffer.alloc(1500)]);
    assert.throws(() => reader.attend(1), /1500 bytes came, where 1000 are allowed/);
  });

  it('of very many tiny pieces is sent at a pace', () => {
    const ends = new Ends(64 * 1024);
    ends.writeLarge(20_000, 20_000);
    assert.ok(ends.writer.largeBytes > 0, 'not all pieces at once');
    assert.ok(ends.writer.isPending, 'although there is room');
    assert.ok(ends.asked > 0, 'and in the next iteration of the event loop');
    ends.drain();
    assert.equal(ends.expected.came, 1);
  });
});
