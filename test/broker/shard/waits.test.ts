import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { BrokerError } from '../../../src/broker/errors.ts';
import { type DurableBlocks, REFUSED, Waits } from '../../../src/broker/shard/waits.ts';
import { TestBroker } from '../test-broker.ts';

/** Blocks that are durable when the test says so. */
class Blocks implements DurableBlocks {
  durable = 0;
  listenerCount = 0;
  #waiting: { block: number; listener: { onDurable(): void } }[] = [];

  isDurable(block: number): boolean {
    return block <= this.durable;
  }

  whenDurable(block: number, listener: { onDurable(): void }): void {
    this.listenerCount++;
    this.#waiting.push({ block, listener });
  }

  becameDurable(block: number): void {
    this.durable = block;
    const due = this.#waiting.filter((each) => each.block <= block);
    this.#waiting = this.#waiting.filter((each) => each.block > block);
    for (const { listener } of due) listener.onDurable();
  }
}

class Heard {
  readonly told: [token: number, isRefused: boolean][] = [];

  onSafe(token: number, isRefused: boolean): void {
    this.told.push([token, isRefused]);
  }
}

describe('a token', () => {
  it('is over when all of its parts have answered, and its listener is told once', () => {
    const waits = new Waits(new Blocks());
    const heard = new Heard();
    const token = waits.take(3);
    assert.ok(token <= -2 && Number.isSafeInteger(token));
    waits.listen(token, heard);
    waits.answered(token, false);
    waits.answered(token, false);
    assert.deepEqual(heard.told, []);
    waits.answered(token, false);
    assert.deepEqual(heard.told, [[token, false]]);
    assert.equal(waits.count, 0);
  });

  it('is refused if one part is, and still waits for the others', () => {
    const waits = new Waits(new Blocks());
    const heard = new Heard();
    const token = waits.take(2);
    waits.listen(token, heard);
    waits.answered(token, true);
    assert.deepEqual(heard.told, []);
    waits.answered(token, false);
    assert.deepEqual(heard.told, [[token, true]]);
  });

  it('stays known if all have answered before anybody listens, who is told at once then', () => {
    const waits = new Waits(new Blocks());
    const heard = new Heard();
    const token = waits.take(1);
    waits.answered(token, true);
    assert.equal(waits.count, 1);
    waits.listen(token, heard);
    assert.deepEqual(heard.told, [[token, true]]);
    assert.equal(waits.count, 0);
    assert.throws(() => waits.listen(token, heard), /no token that is known/);
  });

  it('that was forgotten tells nobody, and its late answer does not go to the token that has its slot', () => {
    const waits = new Waits(new Blocks());
    const heard = new Heard();
    const given = waits.take(1);
    waits.listen(given, heard);
    waits.forget(given);
    const next = waits.take(1);
    waits.listen(next, heard);
    waits.answered(given, true);
    waits.forget(given);
    assert.deepEqual(heard.told, []);
    waits.answered(next, false);
    assert.deepEqual(heard.told, [[next, false]]);
  });

  it('may be taken by the listener of another one, in whose slot it is', () => {
    const waits = new Waits(new Blocks());
    const heard = new Heard();
    let second = 0;
    const first = waits.take(1);
    waits.listen(first, {
      onSafe: () => {
        second = waits.take(1);
        waits.listen(second, heard);
      },
    });
    waits.answered(first, false);
    assert.notEqual(second, first);
    waits.answered(second, false);
    assert.deepEqual(heard.told, [[second, false]]);
  });

  it('cannot have more answers than parts, no parts, or two listeners', () => {
    const waits = new Waits(new Blocks());
    assert.throws(() => waits.take(0), RangeError);
    const token = waits.take(1);
    waits.answered(token, false);
    assert.throws(() => waits.answered(token, false), /more answers than parts/);
    const other = waits.take(1);
    waits.listen(other, new Heard());
    assert.throws(() => waits.listen(other, new Heard()), /has a listener already/);
  });

  it('is refused beyond the limit with a text for the publisher, until another one is over', () => {
    const waits = new Waits(new Blocks(), 3);
    const tokens = [waits.take(1), waits.take(1), waits.take(1)];
    assert.throws(
      () => waits.take(1),
      (error: BrokerError) =>
        error.kind === 'resource-short' && /3 messages wait for the answers/.test(error.message),
    );
    assert.deepEqual([waits.count, waits.countMax], [3, 3]);
    waits.forget(tokens[1]);
    assert.equal(waits.count, 2);
    waits.take(1);
    assert.deepEqual([waits.count, waits.countMax], [3, 3]);
    assert.throws(() => new Waits(new Blocks(), 2 ** 20 + 1), RangeError);
  });

  it('leaves other waits alone when they are forgotten', () => {
    const waits = new Waits(new Blocks());
    waits.take(1);
    for (const wait of [REFUSED, 0, 1, 77]) waits.forget(wait);
    assert.equal(waits.count, 1);
  });

  it('has its own part when the block is durable, with one listener for all tokens of a block', () => {
    const blocks = new Blocks();
    const waits = new Waits(blocks);
    const heard = new Heard();
    const tokens = Array.from({ length: 100 }, (_, i) => {
      const token = waits.take(1);
      waits.listen(token, heard);
      waits.answeredWhenDurable(token, i < 50 ? 1 : 2);
      return token;
    });
    assert.equal(blocks.listenerCount, 2);
    blocks.becameDurable(1);
    assert.deepEqual(
      heard.told.map(([token]) => token),
      tokens.slice(0, 50),
    );
    const late = waits.take(1);
    waits.answeredWhenDurable(late, 1);
    waits.listen(late, heard);
    assert.equal(heard.told.length, 51);
    waits.forget(tokens[99]);
    blocks.becameDurable(2);
    assert.equal(heard.told.length, 100);
    assert.equal(waits.count, 0);
  });
});

/** What is taken, answered, listened to and forgotten in any order, beside a table that is never used again. */
describe('tokens in any order', () => {
  const operation = fc.oneof(
    fc.record({ what: fc.constant('take' as const), parts: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ what: fc.constantFrom('safe', 'refused', 'listen', 'forget', 'late'), pick: fc.nat() }),
  );

  it('tell each listener once, with what its own parts have answered', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 400, size: 'max' }), (operations) => {
        const waits = new Waits(new Blocks());
        const live: { token: number; left: number; isRefused: boolean; isHeard: boolean }[] = [];
        const over: number[] = [];
        const expected: [number, boolean][] = [];
        const heard = new Heard();
        const end = (at: number): void => {
          over.push(live[at].token);
          live.splice(at, 1);
        };
        for (const each of operations) {
          if (each.what === 'take') {
            const token = waits.take(each.parts);
            assert.ok(!live.some((other) => other.token === token) && !over.includes(token));
            live.push({ token, left: each.parts, isRefused: false, isHeard: false });
            continue;
          }
          if (each.what === 'late') {
            if (over.length > 0) waits.answered(over[each.pick % over.length], true);
            continue;
          }
          if (live.length === 0) continue;
          const at = each.pick % live.length;
          const one = live[at];
          if (each.what === 'forget') {
            waits.forget(one.token);
            end(at);
          } else if (each.what === 'listen') {
            if (one.isHeard) continue;
            one.isHeard = true;
            if (one.left === 0) {
              expected.push([one.token, one.isRefused]);
              end(at);
            }
            waits.listen(one.token, heard);
          } else if (one.left > 0) {
            one.left--;
            if (each.what === 'refused') one.isRefused = true;
            if (one.left === 0 && one.isHeard) {
              expected.push([one.token, one.isRefused]);
              end(at);
            }
            waits.answered(one.token, each.what === 'refused');
          }
          assert.equal(waits.count, live.length);
        }
        assert.deepEqual(heard.told, expected);
      }),
    );
  });

  it('are different and safe integers for many thousand uses of one slot', () => {
    const waits = new Waits(new Blocks());
    const seen = new Set<number>();
    for (let i = 0; i < 10_000; i++) {
      const token = waits.take(1);
      assert.ok(Number.isSafeInteger(token));
      seen.add(token);
      waits.forget(token);
    }
    assert.equal(seen.size, 10_000);
  });
});

describe('a wait', () => {
  it('is a block, a token or a refusal, and is over when that is', async () => {
    await using test = await TestBroker.start();
    const { shard } = test.broker;
    test.queue('q');
    await test.flush();
    const heard = new Heard();
    assert.equal(shard.safely(0, 'at once'), 'at once');
    shard.whenSafe(0, heard);
    shard.whenSafe(REFUSED, heard);
    assert.deepEqual(heard.told, [
      [0, false],
      [REFUSED, true],
    ]);
    await assert.rejects(async () => shard.safely(REFUSED, 'never'), { kind: 'precondition-failed' });
    const block = test.publish('q', 'message');
    shard.whenSafe(block, heard);
    const token = shard.waits.take(2);
    shard.waits.answeredWhenDurable(token, block);
    const answer = shard.safely(token, 'safe');
    assert.equal(heard.told.length, 2);
    await test.flush();
    assert.deepEqual(heard.told[2], [block, false]);
    assert.equal(shard.waits.count, 1);
    shard.waits.answered(token, false);
    assert.equal(await answer, 'safe');
    const refused = shard.waits.take(1);
    shard.waits.answered(refused, true);
    await assert.rejects(async () => shard.safely(refused, 'never'), { kind: 'precondition-failed' });
    assert.equal(shard.waits.count, 0);
  });

  it('that is a token is not taken for a block, which would be durable', async () => {
    await using test = await TestBroker.start();
    const { shard } = test.broker;
    const token = shard.waits.take(1);
    assert.throws(
      () => shard.whenDurable(token, { onDurable: () => assert.fail('it is not safe') }),
      RangeError,
    );
  });
});
