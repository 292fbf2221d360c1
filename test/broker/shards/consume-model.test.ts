import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { until } from '../../support/until.ts';
import { isNothingLeft, publishTo, queueAt, queueIn, ShardConsumer } from './shard-consumer.ts';
import { TestShards } from './test-shards.ts';

const SHARDS = 3;
const QUEUES = ['q0', 'q1', 'q2'];

type Step =
  | { readonly op: 'publish'; readonly queue: number; readonly count: number; readonly bytes: number }
  | {
      readonly op: 'consume';
      readonly shard: number;
      readonly queue: number;
      readonly credit: number;
      readonly noAck: boolean;
      readonly room: number;
    }
  | { readonly op: 'get'; readonly shard: number; readonly queue: number }
  | {
      readonly op: 'settle';
      readonly which: number;
      /** One after the other, in one turn. */
      readonly at: readonly number[];
      readonly multiple: boolean;
      readonly how: 'ack' | 'drop' | 'requeue' | 'return';
    }
  | { readonly op: 'gate'; readonly which: number; readonly open: boolean }
  | { readonly op: 'takes'; readonly which: number; readonly takes: boolean }
  | { readonly op: 'recover' | 'cancel' | 'close'; readonly which: number }
  | { readonly op: 'turns'; readonly count: number };

const index = fc.nat({ max: 7 });
const shard = fc.nat({ max: SHARDS - 1 });
const queue = fc.nat({ max: QUEUES.length - 1 });

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('publish' as const),
      queue,
      count: fc.integer({ min: 1, max: 30 }),
      bytes: fc.constantFrom(0, 1, 40, 600, 3000),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('consume' as const),
      shard,
      queue,
      credit: fc.constantFrom(2, 7, 50, Number.POSITIVE_INFINITY),
      noAck: fc.constantFrom(true, false, false),
      room: fc.constantFrom(1, 3, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('get' as const), shard, queue }) },
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant('settle' as const),
      which: index,
      at: fc.array(fc.nat({ max: 40 }), { minLength: 1, maxLength: 4, size: 'max' }),
      multiple: fc.boolean(),
      how: fc.constantFrom('ack' as const, 'drop' as const, 'requeue' as const, 'return' as const),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('gate' as const),
      which: index,
      open: fc.constantFrom(true, true, false),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('takes' as const),
      which: index,
      takes: fc.constantFrom(true, true, false),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constantFrom('recover' as const, 'cancel' as const, 'close' as const),
      which: index,
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ op: fc.constant('turns' as const), count: fc.integer({ min: 2, max: 12 }) }),
  },
);

interface Held {
  readonly body: string;
  readonly consumer: ModelConsumer;
}

/** A consumer and what it has to have, checked with each message that comes. */
class ModelConsumer {
  readonly shard: ShardConsumer;
  readonly queue: string;
  readonly noAck: boolean;
  readonly held = new Map<number, Held>();
  isOpen = true;
  isCancelled = false;
  /** The client does not want any (channel.flow). */
  isShut = false;
  lastIndex = -1;

  constructor(shard: ShardConsumer, queue: string, noAck: boolean) {
    this.shard = shard;
    this.queue = queue;
    this.noAck = noAck;
  }
}

/** What happens to each message: nobody has two at a time, and nobody gets one that is done with. */
class Model {
  readonly consumers: ModelConsumer[] = [];
  readonly published = new Map<string, number>();
  readonly done = new Set<string>();
  readonly holders = new Map<string, ModelConsumer>();
  /** Those that were given to a client before. */
  readonly seen = new Set<string>();
  /** Queues to which something may have gone back, so that it comes later than what is behind it. */
  readonly disturbed = new Set<string>();
  problem: string | null = null;

  given(consumer: ModelConsumer, body: string, redelivered: boolean, tag: number): void {
    const key = body.split('|')[0];
    if (!this.published.has(key)) this.problem ??= `${key} was never published`;
    if (!key.startsWith(`${consumer.queue}.`))
      this.problem ??= `${key} is of another queue than ${consumer.queue}`;
    if (this.done.has(key)) this.problem ??= `${key} comes after it was done with`;
    if (this.holders.has(key)) this.problem ??= `${key} comes while another has it`;
    if (redelivered !== this.seen.has(key)) this.problem ??= `${key} is redelivered: ${redelivered}`;
    if (!consumer.isOpen || consumer.isCancelled)
      this.problem ??= `${key} comes after the end of its consumer`;
    this.seen.add(key);
    const index = Number(key.split('.')[1]);
    if (index < consumer.lastIndex && !this.disturbed.has(consumer.queue))
      this.problem ??= `${key} comes after ${consumer.lastIndex}`;
    consumer.lastIndex = index;
    if (consumer.noAck) {
      this.done.add(key);
      return;
    }
    this.holders.set(key, consumer);
    consumer.held.set(tag, { body: key, consumer });
  }

  settled(consumer: ModelConsumer, tags: readonly number[], isDone: boolean): void {
    for (const tag of tags) {
      const held = consumer.held.get(tag);
      if (held === undefined) continue;
      consumer.held.delete(tag);
      this.holders.delete(held.body);
      if (isDone) this.done.add(held.body);
    }
  }
}

class Run {
  readonly #test: TestShards;
  readonly #model = new Model();
  readonly #counts = QUEUES.map(() => 0);

  constructor(test: TestShards) {
    this.#test = test;
  }

  async step(step: Step): Promise<void> {
    const model = this.#model;
    if (step.op === 'publish') {
      const name = QUEUES[step.queue];
      for (let i = 0; i < step.count; i++) {
        const key = `${name}.${this.#counts[step.queue]++}`;
        model.published.set(key, step.queue);
        publishTo(this.#test, name, `${key}|`.padEnd(step.bytes, '.'));
      }
    } else if (step.op === 'consume') await this.#consume(step);
    else if (step.op === 'get') await this.#get(step.shard, QUEUES[step.queue]);
    else if (step.op === 'turns') for (let i = 0; i < step.count; i++) await new Promise(setImmediate);
    else {
      const open = model.consumers.filter(
        ({ isOpen, held }) => isOpen && (step.op !== 'settle' || held.size > 1),
      );
      const consumer = open[step.which % Math.max(1, open.length)];
      if (consumer !== undefined) this.#act(consumer, step);
    }
    assert.equal(model.problem, null);
  }

  async #consume(step: Step & { readonly op: 'consume' }): Promise<void> {
    const model = this.#model;
    if (model.consumers.filter(({ isOpen }) => isOpen).length >= 8) return;
    const name = QUEUES[step.queue];
    if (Number.isFinite(step.room)) model.disturbed.add(name);
    let consumer: ModelConsumer | null = null;
    const shard = await ShardConsumer.open(this.#test, step.shard, name, {
      credit: step.credit,
      noAck: step.noAck,
      window: 20,
      room: step.room,
      onOpened: (opened) => {
        consumer = new ModelConsumer(opened, name, step.noAck);
        opened.onMessage = ({ body, redelivered, tag }) =>
          model.given(consumer as ModelConsumer, body, redelivered, tag);
      },
    });
    assert.ok(shard);
    model.consumers.push(consumer as unknown as ModelConsumer);
  }

  /** Without acknowledgement: the message is gone. */
  async #get(shard: number, name: string): Promise<void> {
    const model = this.#model;
    const got = new ModelConsumer(null as unknown as ShardConsumer, name, true);
    await new Promise<void>((resolve) =>
      queueIn(this.#test, shard, name).get(true, {
        message: (_level, _offset, memory, _at, redelivered, _remaining, content) => {
          const body = memory.buffer.toString('latin1', content.bodyStart, content.bodyEnd);
          model.given(got, body, redelivered, 0);
          resolve();
          return true;
        },
        empty: resolve,
        failed: (error) => assert.fail(error),
      }),
    );
  }

  #act(
    consumer: ModelConsumer,
    step: Exclude<Step, { readonly op: 'publish' | 'consume' | 'get' | 'turns' }>,
  ): void {
    const { shard, held } = consumer;
    const { unacknowledged } = shard;
    const model = this.#model;
    const tags = [...held.keys()];
    const keeps = step.op === 'gate' || (step.op === 'settle' && (step.how === 'ack' || step.how === 'drop'));
    if (!keeps) model.disturbed.add(consumer.queue);
    if (step.op === 'gate') {
      consumer.isShut = !step.open;
      shard.setGate(step.open);
    } else if (step.op === 'takes') {
      shard.takes = step.takes;
      shard.consumer.wake();
    } else if (step.op === 'settle') {
      for (const at of step.at) {
        const left = [...held.keys()];
        const tag = left[at % Math.max(1, left.length)];
        if (tag === undefined) return;
        const settled = step.multiple ? left.filter((each) => each <= tag) : [tag];
        // Before the queue can give them to somebody else.
        model.settled(consumer, settled, step.how === 'ack' || step.how === 'drop');
        unacknowledged.settle(tag, step.multiple, step.how);
      }
      if (!consumer.isShut) shard.setGate(true);
    } else if (step.op === 'recover') {
      model.settled(consumer, tags, false);
      unacknowledged.requeueAll('recovered');
      if (!consumer.isShut) shard.setGate(true);
    } else if (step.op === 'cancel') {
      consumer.isCancelled = true;
      shard.consumer.cancel();
    } else {
      consumer.isOpen = false;
      model.settled(consumer, tags, false);
      shard.close();
    }
  }

  /** All who are there take what is left, and all is settled. */
  async end(): Promise<void> {
    const model = this.#model;
    for (const consumer of model.consumers)
      if (consumer.isOpen) this.#act(consumer, { op: 'close', which: 0 });
    for (const name of QUEUES) {
      await this.#consume({
        op: 'consume',
        shard: (queueAt(this.#test, name).shard + 1) % SHARDS,
        queue: QUEUES.indexOf(name),
        credit: Number.POSITIVE_INFINITY,
        noAck: true,
        room: Number.POSITIVE_INFINITY,
      });
      const queue = queueAt(this.#test, name);
      await until(() => queue.readyCount === 0 && queue.unacknowledgedCount === 0);
      const last = model.consumers.at(-1) as ModelConsumer;
      this.#act(last, { op: 'close', which: 0 });
    }
    await until(() => isNothingLeft(this.#test));
    assert.equal(model.problem, null);
    assert.deepEqual(
      [...model.published.keys()].filter((key) => !model.done.has(key)),
      [],
    );
    for (const name of QUEUES) {
      const queue = queueAt(this.#test, name);
      assert.ok(queue.isBalanced, `${name} is not balanced`);
      assert.equal(queue.consumerCount, 0);
    }
  }
}

it('every message of queues in three shards is settled once, whatever their consumers do, wherever they are', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 120, size: 'max' }), async (steps) => {
      await using test = await TestShards.start(SHARDS, {}, 16_384);
      for (const [i, name] of QUEUES.entries()) await test.declare(0, name, { arguments: { 'x-shard': i } });
      const run = new Run(test);
      for (const each of steps) await run.step(each);
      await run.end();
    }),
    { numRuns: 25, interruptAfterTimeLimit: 40_000 },
  );
});
