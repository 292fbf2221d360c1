import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ACKNOWLEDGE, type GivenUp } from '../../../../src/broker/groups/share/acknowledgement.ts';
import { AcquiredRanges } from '../../../../src/broker/groups/share/acquired-ranges.ts';
import { ShareError } from '../../../../src/broker/groups/share/share-error.ts';
import { SharePartition } from '../../../../src/broker/groups/share/share-partition.ts';
import { shareSettings } from '../../../../src/broker/groups/share/share-settings.ts';
import { ManualTime } from './manual-time.ts';

const LOCK_MS = 1000;
const MEMBERS = ['ada', 'bob', 'cy'];

interface Entry {
  state: 'available' | 'held' | 'waiting' | 'leaving' | 'done';
  holder: string;
  dueMs: number;
}

/** What a share group promises, the plain way: one object for each record. */
class Model {
  readonly entries = new Map<number, Entry>();
  failures = new Map<number, number>();
  next = 0;
  start = 0;
  readonly given: string[] = [];
  readonly limit: number;
  readonly backoffMs: number;
  readonly hasDeadLetters: boolean;

  constructor(limit: number, backoffMs: number, hasDeadLetters: boolean) {
    this.limit = limit;
    this.backoffMs = backoffMs;
    this.hasDeadLetters = hasDeadLetters;
  }

  get head(): number {
    let head = this.start;
    while (this.entries.get(head)?.state === 'done') head++;
    return head;
  }

  acquire(member: string, last: number, max: number, newMax: number, nowMs: number): string[] {
    const given: string[] = [];
    let news = 0;
    while (given.length < max) {
      this.skipDone();
      const returned = [...this.entries].filter(([, { state }]) => state === 'available').map(([at]) => at);
      const offset = returned.length > 0 ? Math.min(...returned) : this.next;
      if (offset > last || (returned.length === 0 && news++ >= newMax)) break;
      if (returned.length === 0) this.next++;
      this.entries.set(offset, { state: 'held', holder: member, dueMs: nowMs + LOCK_MS });
      given.push(`${offset}#${(this.failures.get(offset) ?? 0) + 1}`);
    }
    return given;
  }

  holds(member: string, offset: number): boolean {
    const entry = this.entries.get(offset);
    return entry?.state === 'held' && entry.holder === member;
  }

  done(offset: number): void {
    this.entries.set(offset, { state: 'done', holder: '', dueMs: 0 });
    this.failures.delete(offset);
  }

  failed(offset: number, nowMs: number): void {
    const failures = (this.failures.get(offset) ?? 0) + 1;
    if (failures >= this.limit) {
      this.gaveUp(offset);
      return;
    }
    this.failures.set(offset, failures);
    const state = this.backoffMs === 0 ? 'available' : 'waiting';
    this.entries.set(offset, { state, holder: '', dueMs: nowMs + this.backoffMs * 2 ** (failures - 1) });
  }

  gaveUp(offset: number): void {
    if (this.hasDeadLetters) this.entries.set(offset, { state: 'leaving', holder: '', dueMs: 0 });
    else this.done(offset);
  }

  tick(nowMs: number): void {
    for (const [offset, entry] of this.entries) {
      if (entry.state === 'held' && entry.dueMs <= nowMs) this.failed(offset, nowMs);
    }
    for (const [offset, entry] of this.entries) {
      if (entry.state === 'waiting' && entry.dueMs <= nowMs) {
        this.entries.set(offset, { state: 'available', holder: '', dueMs: 0 });
      }
    }
  }

  restarted(): void {
    const { head } = this;
    const done = [...this.entries].filter(([, { state }]) => state === 'done').map(([offset]) => offset);
    this.entries.clear();
    this.next = head;
    this.start = head;
    for (const offset of done) {
      if (offset < head) continue;
      this.entries.set(offset, { state: 'done', holder: '', dueMs: 0 });
    }
    this.skipDone();
  }

  startsAt(offset: number): void {
    if (offset <= this.head) return;
    for (const at of [...this.entries.keys()]) if (at < offset) this.entries.delete(at);
    for (const at of [...this.failures.keys()]) if (at < offset) this.failures.delete(at);
    this.start = offset;
    this.next = Math.max(this.next, offset);
    this.skipDone();
  }

  /** What is done with is not handed out, also after a restart, when nothing is known to be handed out. */
  skipDone(): void {
    while (this.entries.get(this.next)?.state === 'done') this.next++;
  }
}

type Step =
  | { readonly kind: 'acquire'; readonly member: number; readonly span: number; readonly max: number }
  | {
      readonly kind: 'acknowledge';
      readonly member: number;
      readonly pick: number;
      readonly types: readonly number[];
    }
  | { readonly kind: 'release'; readonly member: number }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'start'; readonly ahead: number }
  | { readonly kind: 'dead' }
  | { readonly kind: 'restart' };

const member = fc.nat(2);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('acquire' as const),
        member,
        span: fc.nat(12),
        max: fc.integer({ min: 1, max: 10 }),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('acknowledge' as const),
        member,
        pick: fc.nat(30),
        types: fc.array(fc.constantFrom(0, 1, 1, 2, 2, 3, 4), { minLength: 1, maxLength: 8 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('release' as const), member }) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(100, 400, 1000, 2500) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('start' as const), ahead: fc.nat(6) }) },
    { weight: 2, arbitrary: fc.constant({ kind: 'dead' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
  ),
  { minLength: 1, maxLength: 80 },
);

interface Setting {
  readonly limit: number;
  readonly backoffMs: number;
  readonly hasDeadLetters: boolean;
  readonly recordsMax: number;
}

/** The partition under test, and its journal. */
class Subject {
  readonly time = new ManualTime();
  readonly #settings: ReturnType<typeof shareSettings>;
  readonly #journal: (readonly [readonly number[], readonly number[]])[] = [];
  givenUp: GivenUp[] = [];
  share: SharePartition;

  constructor({ limit, backoffMs, hasDeadLetters, recordsMax }: Setting) {
    this.#settings = shareSettings(
      new Map([
        ['share.record.lock.duration.ms', String(LOCK_MS)],
        ['share.delivery.count.limit', String(limit)],
        ['share.partition.max.record.locks', String(recordsMax)],
        ['sluice.retry.backoff.ms', String(backoffMs)],
        ['sluice.retry.backoff.max.ms', '1000000'],
        ['sluice.dead.letter.topic', hasDeadLetters ? 'dead' : ''],
      ]),
    );
    this.share = this.#open();
  }

  restart(): void {
    this.share.stop();
    this.time.forget();
    this.givenUp = [];
    this.share = this.#open();
    for (const [settled, counts] of this.#journal) this.share.replay(settled, counts);
    this.share.recovered();
  }

  #open(): SharePartition {
    const share = new SharePartition({
      id: 1,
      clock: this.time,
      scheduler: this.time,
      settings: () => this.#settings,
      progress: (settled, counts) => this.#journal.push([settled, counts]),
      giveUp: (records) => {
        this.givenUp.push(...records);
        return Promise.resolve();
      },
    });
    share.begin(0, [], []);
    return share;
  }
}

function run(setting: Setting, list: readonly Step[]): void {
  const subject = new Subject(setting);
  const { time } = subject;
  const model = new Model(setting.limit, setting.backoffMs, setting.hasDeadLetters);
  for (const step of list) {
    const { share } = subject;
    switch (step.kind) {
      case 'acquire': {
        const from = share.nextAvailable();
        if (from === null) break;
        const into = new AcquiredRanges();
        const last = from + step.span;
        const { room } = share;
        share.acquire(MEMBERS[step.member], from, last, step.max, room, into);
        share.flush();
        const given: string[] = [];
        into.firsts.forEach((first, i) => {
          for (let at = first; at <= into.lasts[i]; at++) given.push(`${at}#${into.deliveries[i]}`);
        });
        assert.deepEqual(given, model.acquire(MEMBERS[step.member], last, step.max, room, time.nowMs));
        break;
      }
      case 'acknowledge':
        acknowledge(subject, model, step);
        break;
      case 'release':
        share.release(MEMBERS[step.member]);
        for (const [offset, entry] of model.entries) {
          if (model.holds(MEMBERS[step.member], offset)) entry.state = 'available';
        }
        break;
      case 'wait':
        time.advance(step.ms, () => model.tick(time.nowMs));
        break;
      case 'start': {
        const offset = model.head + step.ahead;
        if (offset > model.next) break;
        share.startsAt(offset);
        model.startsAt(offset);
        break;
      }
      case 'dead': {
        const offsets = subject.givenUp.splice(0).map(({ offset }) => offset);
        share.left(offsets);
        for (const offset of offsets) if (model.entries.get(offset)?.state === 'leaving') model.done(offset);
        break;
      }
      case 'restart':
        subject.restart();
        model.restarted();
    }
    compare(subject.share, model);
  }
}

function acknowledge(
  { share, time }: Subject,
  model: Model,
  { member: at, pick, types }: Step & { readonly kind: 'acknowledge' },
): void {
  const id = MEMBERS[at];
  const held = [...model.entries.keys()].filter((offset) => model.holds(id, offset)).sort((a, b) => a - b);
  // Mostly of something that is held; what follows it need not be.
  const first = held[pick % Math.max(1, held.length)] ?? pick;
  const batch = { firstOffset: first, lastOffset: first + types.length - 1, types };
  const offsets = types.map((_, i) => first + i).filter((offset) => offset >= model.head);
  const isRight = offsets.every((offset) => model.holds(id, offset));
  if (!isRight) {
    assert.throws(
      () => share.acknowledge(id, [batch]),
      (error) => error instanceof ShareError && error.kind === 'invalid-record-state',
    );
    return;
  }
  share.acknowledge(id, [batch]);
  for (const offset of offsets) {
    const type = types[offset - first];
    if (type === ACKNOWLEDGE.accept || type === ACKNOWLEDGE.gap) model.done(offset);
    else if (type === ACKNOWLEDGE.release) model.failed(offset, time.nowMs);
    else if (type === ACKNOWLEDGE.reject) model.gaveUp(offset);
    else model.entries.get(offset)!.dueMs = time.nowMs + LOCK_MS;
  }
}

function compare(share: SharePartition, model: Model): void {
  const open = [...model.entries].filter(([, { state }]) => state !== 'done');
  const below = open.filter(([offset]) => offset < model.next);
  assert.equal(share.startOffset, model.head, 'where the group is');
  assert.equal(share.inFlight, below.length, 'what is in flight');
  assert.deepEqual(
    new Map(pairs(share.counts())),
    new Map([...model.failures].filter(([offset]) => offset >= model.head)),
    'how often records failed',
  );
  for (let offset = 0; offset < model.next + 2; offset++) {
    const isDone = offset < model.head || model.entries.get(offset)?.state === 'done';
    assert.equal(share.settled.has(offset), isDone, `whether ${offset} is done with`);
  }
}

function pairs(flat: readonly number[]): [number, number][] {
  return flat.flatMap((value, i) => (i % 2 === 0 ? [[value, flat[i + 1]] as [number, number]] : []));
}

describe('a partition in a share group', () => {
  it('gives, keeps, counts and forgets records as the model does, whatever its members do', () => {
    const setting = fc.record({
      limit: fc.integer({ min: 1, max: 4 }),
      backoffMs: fc.constantFrom(0, 0, 300),
      hasDeadLetters: fc.boolean(),
      recordsMax: fc.constantFrom(5, 20, 1000),
    });
    fc.assert(fc.property(setting, steps, run), { numRuns: 2000 });
  });

  it('hands out what comes after a record that nobody acknowledges, and stays small', () => {
    const { share, time } = new Subject({ limit: 100, backoffMs: 0, hasDeadLetters: false, recordsMax: 10 });
    share.acquire('ada', 0, 0, 1, 1, new AcquiredRanges());
    for (let offset = 1; offset < 5000; offset++) {
      assert.equal(share.acquire('bob', offset, offset, 1, share.room, new AcquiredRanges()), 1);
      share.acknowledge('bob', [{ firstOffset: offset, lastOffset: offset, types: [ACKNOWLEDGE.accept] }]);
    }
    assert.equal(share.startOffset, 0);
    assert.equal(share.inFlight, 1);
    assert.deepEqual(share.settled.state(), [1, 5000]);
    time.advance(LOCK_MS);
    assert.equal(share.nextAvailable(), 0);
  });

  it('takes an acknowledgement of ranges that lie beyond all reason for wrong at once', () => {
    const { share } = new Subject({ limit: 5, backoffMs: 0, hasDeadLetters: false, recordsMax: 10 });
    share.acquire('ada', 0, 4, 5, 5, new AcquiredRanges());
    assert.throws(
      () => share.acknowledge('ada', [{ firstOffset: 0, lastOffset: 2 ** 52, types: [ACKNOWLEDGE.accept] }]),
      ShareError,
    );
    assert.equal(share.startOffset, 0);
  });
});
