import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import type { Bucket } from '../../../src/broker/delays/bucket.ts';
import { Tx } from '../../../src/broker/publishing/tx.ts';
import { Unacknowledged } from '../../../src/broker/queues/unacknowledged.ts';
import { DelayedBroker } from './delayed-broker.ts';

const SEEDS = 15;
const KIB = 1024;
const BINDINGS = [
  ['one', 'a'],
  ['one', 'b'],
  ['two', 'b'],
] as const;
const QUEUES = ['one', 'two'];

interface Sent {
  readonly id: number;
  readonly key: string;
  readonly dueMs: number;
  readonly persistent: boolean;
  /** In which life of the broker it was published. */
  readonly life: number;
  isConfirmed: boolean;
}

/** One seeded schedule: random delays, restarts, kills and power cuts; at the end each message is where it has to be. */
class DelaysRun {
  readonly test: DelayedBroker;
  readonly sent: Sent[] = [];
  #life = 0;

  constructor(seed: number) {
    const limits = new DelayedBroker(seed);
    this.test = new DelayedBroker(seed, {
      chunkBytes: between(limits.random, 1, 4) * 4 * KIB,
      journalFileBytes: between(limits.random, 1, 4) * 8 * KIB,
      journalLimitBytes: between(limits.random, 4, 8) * 8 * KIB,
      memoryLimitBytes: between(limits.random, 2, 8) * 8 * KIB,
      segmentBytes: between(limits.random, 1, 2) * 8 * KIB,
      reclaimMs: [1, 10, 100, 2000][between(limits.random, 0, 3)],
      durability: { mode: 'sync' },
    });
  }

  async run(): Promise<void> {
    const { test } = this;
    await test.start();
    await test.declare(BINDINGS);
    for (let lives = this.between(1, 4); lives > 0; lives--) {
      await this.#work();
      await this.#end();
    }
    await this.#outlast();
    for (const queue of QUEUES) await this.#compare(queue);
    await test.stop();
    await test.start();
    for (const queue of QUEUES) assert.equal(test.vhost.findQueue(queue)?.readyCount, 0);
    assert.equal(test.delays.waitingCount, 0);
  }

  async #work(): Promise<void> {
    for (let operations = this.between(5, 60); operations > 0; operations--) {
      const choice = this.test.random();
      if (choice < 0.6) this.#publish(this.between(1, 15));
      else if (choice < 0.7) this.#publishTogether(this.between(1, 6));
      else if (choice < 0.8) await this.test.pass(this.test.random() * 3000);
      const steps = this.test.random() < 0.5 ? 0 : this.between(0, 40);
      for (let i = 0; i < steps; i++) await this.test.step();
      this.#check();
    }
  }

  #publish(count: number): void {
    const { test } = this;
    for (let i = 0; i < count && !test.publisher.mustPause; i++) {
      const { persistent, key, delayMs } = this.#choose();
      const block = test.publish(this.sent.length, key, delayMs, persistent, this.#size());
      const sent = this.#note(key, delayMs, persistent);
      if (block === 0) sent.isConfirmed = true;
      else this.#confirm(block, [sent]);
    }
  }

  #publishTogether(count: number): void {
    const { test } = this;
    const transaction = new Tx(test.broker.shard, test.broker.deadLettering, new Unacknowledged());
    const messages: Sent[] = [];
    for (let i = 0; i < count; i++) {
      const { persistent, key, delayMs } = this.#choose();
      test.broker.shard.turn.touch();
      const route = test.route(key, delayMs);
      transaction.publish(route, persistent, test.messageView(this.sent.length, key, delayMs, this.#size()));
      messages.push(this.#note(key, delayMs, persistent));
    }
    transaction.commit(() => {
      for (const message of messages) message.isConfirmed = true;
    });
  }

  #confirm(block: number, messages: readonly Sent[]): void {
    this.test.broker.shard.whenDurable(block, {
      onDurable: () => {
        for (const message of messages) message.isConfirmed = true;
      },
    });
  }

  #choose(): { persistent: boolean; key: string; delayMs: number } {
    const { random } = this.test;
    const scale = [20, 2000, 20_000, 400_000, 10_000_000][this.between(0, 4)];
    return {
      persistent: random() < 0.85,
      key: ['a', 'a', 'b', 'b', 'nowhere'][this.between(0, 4)],
      delayMs: this.between(1, scale),
    };
  }

  #size(): number {
    return this.test.random() < 0.95 ? this.between(4, 400) : this.between(1, 6) * KIB;
  }

  #note(key: string, delayMs: number, persistent: boolean): Sent {
    const dueMs = this.test.broker.shard.nowMs + delayMs;
    const sent = { id: this.sent.length, key, dueMs, persistent, life: this.#life, isConfirmed: false };
    this.sent.push(sent);
    return sent;
  }

  async #end(): Promise<void> {
    const { test } = this;
    const how = test.random();
    if (how < 0.35) {
      await test.stop();
      for (const each of this.sent) if (each.life === this.#life) each.isConfirmed = true;
    } else if (how < 0.6) await test.kill();
    else await test.cutPower();
    this.#life++;
    if (test.random() < 0.4) test.time.nowMs += test.random() * 1_000_000;
    await test.start();
    this.#check();
  }

  /** Until nothing waits any more. */
  async #outlast(): Promise<void> {
    const { test } = this;
    for (let rounds = 0; test.delays.waitingCount > 0; rounds++) {
      assert.ok(rounds < 60, `${test.delays.waitingCount} messages do not come`);
      await test.until(test.broker.shard.store.journal.flush());
      for (const each of this.sent) if (each.life === this.#life) each.isConfirmed = true;
      const latest = Math.max(...this.sent.map(({ dueMs }) => dueMs)) - test.broker.shard.nowMs;
      if (latest < 5000) {
        await test.pass(6000);
        continue;
      }
      await test.stop();
      this.#life++;
      test.time.nowMs += latest * test.random();
      await test.start();
      await test.pass(test.random() * 3000);
      this.#check();
    }
  }

  async #compare(queue: string): Promise<void> {
    const keys: string[] = BINDINGS.filter(([name]) => name === queue).map(([, key]) => key);
    const counts = new Map<number, number>();
    for (const { id, routedMs, delayHeader } of await this.test.drain(queue)) {
      counts.set(id, (counts.get(id) ?? 0) + 1);
      const sent = this.sent[id];
      assert.ok(keys.includes(sent.key), `message ${id} with key ${sent.key} in ${queue}`);
      assert.ok(routedMs >= sent.dueMs, `message ${id} came ${sent.dueMs - routedMs} ms too early`);
      assert.ok(typeof delayHeader === 'number' && delayHeader < 0);
    }
    for (const { id, key, persistent, isConfirmed } of this.sent) {
      if (!keys.includes(key)) continue;
      const count = counts.get(id) ?? 0;
      assert.ok(count <= 1, `message ${id} is ${count} times in ${queue}`);
      if (persistent && isConfirmed) assert.equal(count, 1, `message ${id} is gone from ${queue}`);
    }
  }

  #check(): void {
    const { test } = this;
    assert.equal(test.imbalance(), null);
    let unsettled = 0;
    for (const id of test.delays.logIds()) {
      const log = test.broker.shard.store.logs.get(id) as Bucket['log'];
      unsettled += log.acknowledged.missingIn(log.head, log.end);
    }
    assert.equal(test.delays.waitingCount, unsettled);
    assert.equal(test.delays.ledger.lost, 0);
    assert.equal(test.delays.ledger.dropped, 0);
  }

  between(low: number, high: number): number {
    return between(this.test.random, low, high);
  }
}

function between(random: () => number, low: number, high: number): number {
  return low + Math.floor(random() * (high - low + 1));
}

describe('delayed messages over power cuts, kills and restarts', () => {
  it('come once, never early, and none of the confirmed ones is lost', async () => {
    const first = Number(process.env.SEED ?? 1);
    const count = Number(process.env.SEEDS ?? SEEDS);
    for (let seed = first; seed < first + count; seed++) {
      await new DelaysRun(seed)
        .run()
        .catch((error: unknown) => assert.fail(`seed ${seed}: ${inspect(error)}`));
    }
  });
});
