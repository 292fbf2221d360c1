import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { AtomicAppend } from '../../../../src/broker/publishing/atomic-append.ts';
import { Publisher } from '../../../../src/broker/publishing/publisher.ts';
import type { Shard } from '../../../../src/broker/shard/shard.ts';
import { seededRandom } from '../../../support/seeded-random.ts';
import { until } from '../../../support/until.ts';
import { publishBytes, type RawClient } from '../raw-client.ts';
import { TestServer } from '../test-server.ts';

const PERSISTENT = Buffer.from([0x10, 0, 2]);

/** Makes every wait of a publish with one of these numbers, from 1 on, a token with a part in the journal and others that the test answers. */
function tokensFor(
  t: TestContext,
  shard: Shard,
  isToken: (n: number) => boolean,
  parts = 1,
): Map<number, number> {
  const tokens = new Map<number, number>();
  const { publish } = Publisher.prototype;
  let count = 0;
  t.mock.method(
    Publisher.prototype,
    'publish',
    function publishTo(this: Publisher, ...args: Parameters<typeof publish>) {
      const block = publish.apply(this, args);
      if (!isToken(++count)) return block;
      const token = shard.waits.take(parts + 1);
      shard.waits.answeredWhenDurable(token, block);
      tokens.set(count, token);
      return token;
    },
  );
  return tokens;
}

async function confirming(test: TestServer): Promise<RawClient> {
  const client = await test.rawChannel();
  client.method(1, {
    name: 'queue.declare',
    queue: 'q',
    passive: false,
    durable: true,
    exclusive: false,
    autoDelete: false,
    noWait: false,
    arguments: {},
  });
  await client.expect('queue.declare-ok');
  client.method(1, { name: 'confirm.select', noWait: false });
  await client.expect('confirm.select-ok');
  return client;
}

function publish(client: RawClient, count: number): void {
  for (let i = 0; i < count; i++)
    client.write(publishBytes(1, '', 'q', Buffer.from(`${i}`), { properties: PERSISTENT }));
}

/** Takes the confirms that have come. */
class Confirms {
  readonly acked = new Set<number>();
  readonly nacked = new Set<number>();
  readonly #client: RawClient;

  constructor(client: RawClient) {
    this.#client = client;
  }

  get count(): number {
    for (const { method } of this.#client.received.splice(0)) {
      assert.ok(method?.name === 'basic.ack' || method?.name === 'basic.nack', JSON.stringify(method));
      const tag = Number(method.deliveryTag);
      const told = method.name === 'basic.ack' ? this.acked : this.nacked;
      for (let n = method.multiple ? 1 : tag; n <= tag; n++) {
        const isKnown = this.acked.has(n) || this.nacked.has(n);
        assert.ok(!isKnown || (n < tag && method.multiple), `${n} was told before`);
        if (!isKnown) told.add(n);
      }
    }
    return this.acked.size + this.nacked.size;
  }
}

describe('a channel whose messages wait for other shards', () => {
  it('has each confirmed when all of its parts have answered, and no other held up by it', async (t) => {
    await using test = await TestServer.start();
    const { shard } = test.broker;
    using client = await confirming(test);
    const tokens = tokensFor(t, shard, (n) => n % 3 === 0, 2);
    const confirms = new Confirms(client);
    publish(client, 300);
    await until(() => confirms.count === 200);
    assert.ok([...confirms.acked].every((n) => n % 3 !== 0));
    assert.equal(shard.waits.count, 100);

    const random = seededRandom(7);
    const parts = [...tokens].flatMap((each) => [each, each]).map((each) => ({ each, at: random() }));
    const answered = new Map<number, number>();
    let expected = 200;
    for (const {
      each: [n, token],
    } of parts.sort((a, b) => a.at - b.at)) {
      const isRefused = n % 15 === 0 && !answered.has(n);
      shard.waits.answered(token, isRefused);
      answered.set(n, (answered.get(n) ?? 0) + 1);
      if (answered.get(n) === 2) expected++;
      if (expected % 10 === 0) await until(() => confirms.count === expected);
      for (const told of confirms.acked) assert.ok(told % 3 !== 0 || answered.get(told) === 2);
    }
    await until(() => confirms.count === 300);
    assert.deepEqual(
      [...confirms.nacked].sort((a, b) => a - b),
      Array.from({ length: 20 }, (_, i) => 15 * (i + 1)),
    );
    assert.equal(shard.waits.count, 0);
  });

  it('forgets its tokens when it is closed, or its connection lost, and gets no late confirm', async (t) => {
    await using test = await TestServer.start();
    const { shard } = test.broker;
    using client = await confirming(test);
    const tokens = tokensFor(t, shard, (n) => n > 1);
    const confirms = new Confirms(client);
    publish(client, 10);
    await until(() => confirms.count === 1 && shard.waits.count === 9);
    client.method(1, { name: 'channel.close', replyCode: 200, replyText: '', classId: 0, methodId: 0 });
    await client.expect('channel.close-ok');
    assert.equal(shard.waits.count, 0);
    for (const token of tokens.values()) shard.waits.answered(token, false);
    client.method(1, { name: 'channel.open' });
    await client.expect('channel.open-ok');
    client.method(1, { name: 'confirm.select', noWait: false });
    await client.expect('confirm.select-ok');
    publish(client, 10);
    await until(() => shard.waits.count === 10);
    assert.equal(client.received.length, 0);
    client.socket.destroy();
    await until(() => shard.waits.count === 0);
  });

  it('forgets the tokens of messages at once for which no confirm is wanted', async (t) => {
    await using test = await TestServer.start();
    const { shard } = test.broker;
    using setup = await confirming(test);
    setup.method(1, { name: 'channel.close', replyCode: 200, replyText: '', classId: 0, methodId: 0 });
    await setup.expect('channel.close-ok');
    const tokens = tokensFor(t, shard, () => true);
    using client = await test.rawChannel();
    publish(client, 10);
    await until(() => tokens.size === 10);
    assert.equal(shard.waits.count, 0);
    assert.equal(shard.waits.countMax, 1);
  });
});

describe('tx.commit that waits for other shards', () => {
  for (const isRefused of [false, true]) {
    it(`is answered when all have answered: ${isRefused ? 'one has refused' : 'all is safe'}`, async (t) => {
      await using test = await TestServer.start();
      const { shard } = test.broker;
      using setup = await confirming(test);
      using client = await test.rawChannel();
      client.method(1, { name: 'tx.select' });
      await client.expect('tx.select-ok');
      let token = 0;
      const { end } = AtomicAppend.prototype;
      t.mock.method(AtomicAppend.prototype, 'end', function endOf(this: AtomicAppend) {
        const block = end.call(this);
        token = shard.waits.take(2);
        shard.waits.answeredWhenDurable(token, block);
        return token;
      });
      publish(client, 3);
      client.method(1, { name: 'tx.commit' });
      await until(() => token !== 0);
      await shard.durable();
      // Answered behind the commit, if that were answered.
      setup.method(1, { name: 'basic.qos', prefetchSize: 0, prefetchCount: 0, global: false });
      await setup.expect('basic.qos-ok');
      assert.equal(client.received.length, 0);
      shard.waits.answered(token, isRefused);
      if (isRefused) {
        const { replyText } = await client.expect('channel.close');
        assert.equal(replyText, 'PRECONDITION_FAILED - partial tx completion');
      } else {
        await client.expect('tx.commit-ok');
      }
    });
  }
});
