import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Broker } from '../../../../src/broker/broker.ts';
import { REFUSED } from '../../../../src/broker/publishing/publisher.ts';
import type { DurableListener } from '../../../../src/broker/shard/shard.ts';
import { Waits } from '../../../../src/broker/shard/waits.ts';
import { PublisherConfirms } from '../../../../src/servers/amqp091/publish/publisher-confirms.ts';
import { FrameReader } from '../../../../src/wire/amqp091/frames.ts';
import { decodeMethod } from '../../../../src/wire/amqp091/methods.ts';
import { NEVER_PAUSED, SlowConnection } from '../connection/slow-connection.ts';

/** A journal whose blocks end, and are durable, when the test says so. */
class Journal {
  block = 1;
  durableBlock = 0;
  readonly waits = new Waits(this);
  #waiting: { block: number; listener: DurableListener }[] = [];

  isDurable(block: number): boolean {
    return block <= this.durableBlock;
  }

  whenDurable(block: number, listener: DurableListener): void {
    if (this.isDurable(block)) listener.onDurable(block);
    else this.#waiting.push({ block, listener });
  }

  becameDurable(block: number): void {
    this.durableBlock = block;
    const due = this.#waiting.filter((each) => each.block <= block);
    this.#waiting = this.#waiting.filter((each) => each.block > block);
    for (const { listener } of due) listener.onDurable(block);
  }
}

/** What a publisher makes of the confirms: `multiple` means all that it does not know of yet. */
class PublisherView {
  readonly outcome = new Map<number, 'acked' | 'nacked'>();
  /** Told with each message before it counts. */
  check: (sequence: number, outcome: 'acked' | 'nacked') => void = () => undefined;
  ackFrames = 0;
  #next = 1;
  #pieces = 0;
  readonly #connection: SlowConnection;
  readonly #reader = new FrameReader(0);

  constructor(connection: SlowConnection) {
    this.#connection = connection;
  }

  read(): void {
    const { written } = this.#connection.socket;
    for (; this.#pieces < written.length; this.#pieces++) {
      this.#reader.push(written[this.#pieces], (_type, _channel, bytes, start, end) => {
        const method = decodeMethod(bytes, start, end);
        assert.ok(method.name === 'basic.ack' || method.name === 'basic.nack');
        const tag = Number(method.deliveryTag);
        if (method.name === 'basic.nack') {
          assert.equal(method.multiple, false);
          this.#tell(tag, 'nacked');
          return;
        }
        this.ackFrames++;
        // Some clients lose count if the tag itself is none that they wait for.
        if (!method.multiple) this.#tell(tag, 'acked');
        else {
          assert.ok(!this.outcome.has(tag));
          for (let sequence = this.#next; sequence <= tag; sequence++)
            if (!this.outcome.has(sequence)) this.#tell(sequence, 'acked');
        }
      });
    }
  }

  #tell(sequence: number, outcome: 'acked' | 'nacked'): void {
    assert.ok(!this.outcome.has(sequence), `${sequence} was told before`);
    this.check(sequence, outcome);
    this.outcome.set(sequence, outcome);
    while (this.outcome.has(this.#next)) this.#next++;
  }
}

interface Published {
  /** Its own block, or the newest of those before it. */
  readonly block: number;
  readonly token: number;
  partsLeft: number;
  isRefused: boolean;
}

/** A channel in confirm mode beside a model of what is safe. */
class Run {
  readonly journal = new Journal();
  readonly connection = new SlowConnection();
  readonly view = new PublisherView(this.connection);
  readonly confirms = new PublisherConfirms(
    { shard: this.journal } as unknown as Broker,
    this.connection.output,
    1,
    NEVER_PAUSED,
  );
  /** By sequence number, from 1 on. */
  readonly published: (Published | null)[] = [null];
  #newestBlock = 0;

  constructor() {
    this.view.check = (sequence, outcome) => {
      assert.ok(this.isOver(sequence), `${sequence} was ${outcome} before its wait was over`);
      assert.equal(outcome, this.published[sequence]!.isRefused ? 'nacked' : 'acked');
    };
  }

  isOver(sequence: number): boolean {
    const { block, partsLeft } = this.published[sequence]!;
    return partsLeft === 0 && this.journal.isDurable(block);
  }

  publish(
    kind: 'block' | 'zero' | 'refused' | 'token',
    parts: number,
    isOwn: boolean,
    isEarly: boolean,
  ): void {
    const { journal } = this;
    const { waits } = journal;
    if (kind === 'block') this.#newestBlock = journal.block;
    const isToken = kind === 'token';
    const token = isToken ? waits.take(isOwn ? parts + 1 : parts) : 0;
    const one = {
      block: this.#newestBlock,
      token,
      partsLeft: isToken ? parts : 0,
      isRefused: kind === 'refused',
    };
    if (isToken && isOwn) {
      // The own part is in the open block, so that this message is not safe before that is.
      waits.answeredWhenDurable(token, journal.block);
      one.block = Math.max(one.block, journal.block);
    }
    if (isToken && isEarly) for (; one.partsLeft > 0; one.partsLeft--) waits.answered(token, false);
    this.published.push(one);
    if (kind === 'block') this.confirms.published(journal.block);
    else if (kind === 'zero') this.confirms.published(0);
    else this.confirms.published(isToken ? token : REFUSED);
  }

  answer(pick: number, isRefused: boolean): void {
    const waiting = this.published.filter((each) => each !== null && each.partsLeft > 0);
    if (waiting.length === 0) return;
    const one = waiting[pick % waiting.length]!;
    one.partsLeft--;
    if (isRefused) one.isRefused = true;
    this.journal.waits.answered(one.token, isRefused);
  }

  async readAll(): Promise<void> {
    // What came while the socket had not taken the last write is in the next one.
    for (let i = 0; i < 3; i++) {
      this.connection.turn();
      await this.connection.socket.takeWrite();
    }
    this.view.read();
  }

  /** Nothing is held up by a message that is late, and nothing is forgotten. */
  checkAllTold(): void {
    let told = 0;
    for (let sequence = 1; sequence < this.published.length; sequence++) {
      const isTold = this.view.outcome.has(sequence);
      assert.equal(isTold, this.isOver(sequence), `${sequence}, of ${this.published.length - 1}`);
      if (isTold) told++;
    }
    assert.equal(this.confirms.unconfirmedCount, this.published.length - 1 - told);
  }
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      what: fc.constant('publish' as const),
      kind: fc.constantFrom(
        'block' as const,
        'zero' as const,
        'refused' as const,
        'token' as const,
        'token' as const,
      ),
      parts: fc.integer({ min: 1, max: 3 }),
      isOwn: fc.boolean(),
      isEarly: fc.nat({ max: 7 }).map((n) => n === 0),
      times: fc.integer({ min: 1, max: 5 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      what: fc.constant('answer' as const),
      pick: fc.nat(),
      isRefused: fc.nat({ max: 5 }).map((n) => n === 0),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ what: 'commit' as const }) },
  { weight: 2, arbitrary: fc.constant({ what: 'durable' as const }) },
  { weight: 2, arbitrary: fc.constant({ what: 'turn' as const }) },
  { weight: 2, arbitrary: fc.constant({ what: 'read' as const }) },
);

describe('publisher confirms of a channel', () => {
  it('come once for each message, when its wait is over and never before, whatever holds up others', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 150, size: 'max' }), async (steps) => {
        const run = new Run();
        const { journal } = run;
        for (const each of steps) {
          if (each.what === 'publish') {
            const { kind, parts, isOwn, isEarly, times } = each;
            for (let i = 0; i < times; i++) run.publish(kind, parts, isOwn, isEarly);
          } else if (each.what === 'answer') run.answer(each.pick, each.isRefused);
          else if (each.what === 'commit') journal.block++;
          else if (each.what === 'durable') {
            if (journal.durableBlock + 1 < journal.block) journal.becameDurable(journal.durableBlock + 1);
          } else if (each.what === 'turn') run.connection.turn();
          else {
            await run.readAll();
            run.checkAllTold();
          }
        }
        journal.becameDurable(journal.block++);
        for (const one of run.published) while (one !== null && one.partsLeft > 0) run.answer(0, false);
        await run.readAll();
        run.checkAllTold();
        assert.equal(run.view.outcome.size, run.published.length - 1);
        assert.equal(run.confirms.unconfirmedCount, 0);
        assert.equal(journal.waits.count, 0);
      }),
      { numRuns: 200 },
    );
  });

  it('are one basic.ack for all tokens that have answered by the end of a turn, in whatever order', async () => {
    const run = new Run();
    for (let i = 0; i < 1000; i++) run.publish('token', 1, false, false);
    await run.readAll();
    assert.equal(run.view.ackFrames, 0);
    for (let i = 999; i >= 0; i--) run.answer(i, false);
    await run.readAll();
    run.checkAllTold();
    assert.equal(run.view.ackFrames, 1);
  });

  it('come one by one behind a token that is late, and in one frame for what is before it', async () => {
    const run = new Run();
    for (let i = 0; i < 10; i++) run.publish('zero', 0, false, false);
    run.publish('token', 1, false, false);
    for (let i = 0; i < 10; i++) run.publish('zero', 0, false, false);
    await run.readAll();
    run.checkAllTold();
    assert.equal(run.view.ackFrames, 11);
    run.answer(0, false);
    await run.readAll();
    assert.deepEqual([run.view.ackFrames, run.view.outcome.size], [12, 21]);
  });

  it('become output that counts while the client does not read, and then come in ranges', async () => {
    const run = new Run();
    const { output } = run.connection;
    run.publish('zero', 0, false, false);
    run.connection.turn();
    run.publish('token', 1, false, false);
    for (let i = 0; i < 20_000; i++) run.publish('zero', 0, false, false);
    assert.ok(output.queuedBytes >= 19 * 1024 * 21, `${output.queuedBytes} bytes`);
    run.answer(0, false);
    const { queuedBytes } = output;
    for (let i = 0; i < 20_000; i++) run.publish('zero', 0, false, false);
    assert.ok(output.queuedBytes - queuedBytes < 1024 * 22, `${output.queuedBytes - queuedBytes} bytes more`);
    await run.readAll();
    run.checkAllTold();
    assert.equal(run.view.outcome.size, 40_002);
  });

  it('stop the connection from being read while very many tokens have not answered', () => {
    const journal = new Journal();
    const { output } = new SlowConnection();
    let pauses = 0;
    const connection = { pausePublishing: () => pauses++, resumePublishing: () => pauses-- };
    const confirms = new PublisherConfirms({ shard: journal } as unknown as Broker, output, 1, connection);
    const tokens = Array.from({ length: 16_384 }, () => journal.waits.take(1));
    for (const token of tokens.slice(1)) confirms.published(token);
    assert.equal(pauses, 0);
    confirms.published(tokens[0]);
    assert.equal(pauses, 1);
    for (const token of tokens.slice(0, 8191)) journal.waits.answered(token, false);
    confirms.writeLate();
    assert.equal(pauses, 1);
    journal.waits.answered(tokens[8191], false);
    confirms.writeLate();
    assert.equal(pauses, 0);
    for (let i = 0; i < 8192; i++) confirms.published(journal.waits.take(1));
    assert.equal(pauses, 1);
    confirms.close();
    assert.deepEqual([pauses, journal.waits.count], [0, 0]);
  });

  it('end with the channel: nothing is written afterwards, and its tokens are forgotten', async () => {
    const run = new Run();
    const { journal, confirms, view } = run;
    run.publish('zero', 0, false, false);
    for (let i = 0; i < 3; i++) run.publish('token', 1, i === 1, false);
    run.publish('block', 0, false, false);
    run.answer(0, false);
    confirms.close();
    assert.equal(journal.waits.count, 0);
    const tokens = run.published.slice(3, 5).map((one) => one!.token);
    for (const token of tokens) journal.waits.answered(token, false);
    journal.becameDurable(journal.block);
    await run.readAll();
    assert.deepEqual([...view.outcome.keys()], [1, 2]);
  });
});
