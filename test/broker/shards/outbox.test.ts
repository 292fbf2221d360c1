import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Table } from '../../../src/base/value.ts';
import { Publisher } from '../../../src/broker/publishing/publisher.ts';
import { Tx } from '../../../src/broker/publishing/tx.ts';
import { asLocal } from '../../../src/broker/queues/any-queue.ts';
import type { Queue } from '../../../src/broker/queues/queue.ts';
import { Unacknowledged } from '../../../src/broker/queues/unacknowledged.ts';
import type { RemoteSettlement } from '../../../src/broker/shard/outbox-port.ts';
import type { Outboxes } from '../../../src/broker/shards/outbox/outboxes.ts';
import { bareMessage } from '../../../src/broker/topology/routing.ts';
import { ContentView } from '../../../src/records/record-content.ts';
import { amqp091Codec } from '../../../src/servers/amqp091/property-codec.ts';
import { until } from '../../support/until.ts';
import { fillView, TestConsumer } from '../test-broker.ts';
import { TestShards } from './test-shards.ts';

/** A shard's own queue. */
function local(test: TestShards, shard: number, name: string): Queue {
  const queue = asLocal(test.vhost(shard).findQueue(name));
  assert.ok(queue, `queue '${name}' is not in shard ${shard}`);
  return queue;
}

async function declareIn(test: TestShards, shard: number, name: string, args: Table = {}): Promise<Queue> {
  await test.declare(0, name, { arguments: { ...args, 'x-shard': shard } });
  return local(test, shard, name);
}

interface Published {
  readonly exchange?: string;
  readonly headers?: Table;
  readonly persistent?: boolean;
  readonly priority?: number;
  readonly ttlMs?: number;
}

function fill(publisher: Publisher, key: string, body: string | Buffer, of: Published): void {
  const { messageView } = publisher;
  const { exchange = '', headers = null, priority = 0, ttlMs = -1, persistent = true } = of;
  fillView(messageView, key, body);
  messageView.exchange = Buffer.from(exchange);
  messageView.exchangeEnd = messageView.exchange.length;
  messageView.priority = priority;
  messageView.ttlMs = ttlMs;
  const bare = persistent ? Buffer.from([0x10, 0, 2]) : Buffer.from([0, 0]);
  messageView.properties =
    headers === null ? bare : amqp091Codec.edit(bare, 0, bare.length, { set: headers, remove: [] });
  messageView.propertiesEnd = messageView.properties.length;
}

/** As a client of this shard, to a queue of it. */
function publish(
  test: TestShards,
  shard: number,
  key: string,
  body: string | Buffer,
  of: Published = {},
): number {
  const { exchange = '', headers = null, persistent = true } = of;
  const broker = test.brokers[shard];
  const publisher = new Publisher(broker.shard, broker.deadLettering);
  broker.shard.turn.touch();
  fill(publisher, key, body, of);
  const vhost = test.vhost(shard);
  const route = vhost.route(vhost.exchangeForPublish(exchange), key, {
    headers: () => headers,
    property: () => null,
  });
  return publisher.publish(route, persistent);
}

function headersIn(queue: Queue): Promise<{ readonly body: string; readonly headers: Table | null }[]> {
  const found: { readonly body: string; readonly headers: Table | null }[] = [];
  const unacknowledged = new Unacknowledged();
  const consumer = queue.addConsumer({
    tag: 'headers',
    sink: {
      deliver: (of, level, offset, chunk, at, _redelivered, content) => {
        found.push({
          body: chunk.buffer.toString('latin1', content.bodyStart, content.bodyEnd),
          headers: amqp091Codec.headers(chunk.buffer, content.propertiesStart, content.propertiesEnd),
        });
        unacknowledged.add(level, of, offset, chunk, at, content);
        return true;
      },
      cancelled: () => undefined,
    },
    gate: { open: true },
    credit: Number.POSITIVE_INFINITY,
    noAck: false,
    exclusive: false,
    arguments: {},
  });
  return until(() => {
    if (queue.readyCount > 0 || found.length === 0) return false;
    consumer.cancel();
    return true;
  }).then(() => found);
}

function deathsOf(headers: Table | null): readonly Table[] {
  return (headers?.['x-death'] ?? []) as readonly Table[];
}

function outboxesOf(test: TestShards, shard: number): Outboxes {
  return test.brokers[shard].shard.outboxes as Outboxes;
}

/** Nothing is on its way any more. */
function settled(test: TestShards): Promise<void> {
  return until(() =>
    test.brokers.every(({ shard }, number) => {
      const { outboxes } = outboxesOf(test, number);
      return shard.store.journal.isIdle && [...outboxes.values()].every(({ count }) => count === 0);
    }),
  );
}

const REJECTING = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' };

describe('messages that leave a shard for another', () => {
  it('dead letters arrive once, in order, with x-death, and are counted at both ends', async () => {
    await using test = await TestShards.start();
    const source = await declareIn(test, 1, 'source', REJECTING);
    const dead = await declareIn(test, 2, 'dead');
    const consumer = new TestConsumer(source);
    for (let i = 0; i < 300; i++) publish(test, 1, 'source', `m${i}`);
    await until(() => consumer.messages.length === 300);
    consumer.unacknowledged.reject(0, true, false);
    await until(() => dead.readyCount === 300);
    await settled(test);
    assert.deepEqual(
      [source.ledger.deadLettered, source.leavingCount, dead.ledger.routed, dead.ledger.begun],
      [300, 0, 300, 300],
    );
    assert.ok(source.isBalanced && dead.isBalanced);
    const found = await headersIn(dead);
    assert.deepEqual(
      found.map(({ body }) => body),
      Array.from({ length: 300 }, (_, i) => `m${i}`),
    );
    const [death] = deathsOf(found[0].headers);
    assert.deepEqual(
      [death.queue, death.reason, Number(death.count), death['routing-keys']],
      ['source', 'rejected', 1, ['source']],
    );
    await test.restart();
    assert.equal(local(test, 2, 'dead').readyCount, 300);
    assert.equal(local(test, 1, 'source').readyCount, 0);
  });

  it('one message goes to queues of all shards, once to each shard and once to each queue', async () => {
    await using test = await TestShards.start();
    const source = await declareIn(test, 0, 'source', {
      'x-message-ttl': 1n,
      'x-dead-letter-exchange': 'all',
    });
    await test.run(0, ({ commands }) =>
      commands.declareExchange(test.vhost(0), {
        name: 'all',
        type: 'fanout',
        durable: true,
        autoDelete: false,
        internal: false,
        arguments: {},
      }),
    );
    const queues = ['a0', 'a1', 'b1', 'a2', 'b2', 'c2'];
    for (const name of queues) {
      await declareIn(test, Number(name[1]), name);
      const binding = { source: 'all', destination: name, routingKey: '', arguments: {} };
      await test.run(0, ({ commands }) => commands.bindQueue(test.vhost(0), binding, null));
    }
    publish(test, 0, 'source', 'for all');
    await until(() => queues.every((name) => local(test, Number(name[1]), name).readyCount === 1));
    await settled(test);
    assert.equal(source.ledger.deadLettered, 1);
    for (const name of queues) assert.equal(local(test, Number(name[1]), name).ledger.begun, 1);
  });

  it('a cycle over two shards without a rejection ends as it does in one', async () => {
    await using test = await TestShards.start();
    const to = (key: string): Table => ({
      'x-message-ttl': 1n,
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': key,
    });
    const one = await declareIn(test, 1, 'one', to('two'));
    const two = await declareIn(test, 2, 'two', to('one'));
    publish(test, 1, 'one', 'round');
    await until(() => two.ledger.deadLettered === 1);
    await settled(test);
    assert.deepEqual([one.ledger.begun, one.ledger.deadLettered, two.ledger.begun], [1, 1, 1]);
    assert.deepEqual([one.readyCount, two.readyCount], [0, 0]);
  });

  it('transient messages go to transient queues, and persistent ones survive a restart on their way', async () => {
    await using test = await TestShards.start();
    const source = await declareIn(test, 1, 'source', REJECTING);
    const dead = await declareIn(test, 2, 'dead');
    const consumer = new TestConsumer(source);
    publish(test, 1, 'source', 'transient', { persistent: false });
    publish(test, 1, 'source', 'persistent');
    await until(() => consumer.messages.length === 2);
    consumer.unacknowledged.reject(0, true, false);
    await until(() => dead.readyCount === 2);
    await test.restart();
    const again = local(test, 2, 'dead');
    assert.ok(again.readyCount >= 1);
    assert.ok((await headersIn(again)).some(({ body }) => body === 'persistent'));
  });

  it('a message of ten megabytes goes, and those behind it', async () => {
    await using test = await TestShards.start(2);
    const source = await declareIn(test, 1, 'source', REJECTING);
    const dead = await declareIn(test, 0, 'dead');
    const consumer = new TestConsumer(source);
    publish(test, 1, 'source', Buffer.alloc(10 * 1024 * 1024, 'x'));
    publish(test, 1, 'source', 'small');
    await until(() => consumer.messages.length === 2);
    consumer.unacknowledged.reject(0, true, false);
    await until(() => dead.readyCount === 2);
    const found = await headersIn(dead);
    assert.deepEqual(
      found.map(({ body }) => body.length),
      [10 * 1024 * 1024, 5],
    );
  });

  it('goes through a door that is full again and again', async () => {
    await using test = await TestShards.start(2, {}, 1024);
    const source = await declareIn(test, 1, 'source', REJECTING);
    const dead = await declareIn(test, 0, 'dead');
    const consumer = new TestConsumer(source);
    for (let i = 0; i < 200; i++) publish(test, 1, 'source', `${i}`.padEnd(i % 50 === 0 ? 5000 : 50));
    await until(() => consumer.messages.length === 200);
    consumer.unacknowledged.reject(0, true, false);
    await until(() => dead.readyCount === 200);
    const found = await headersIn(dead);
    assert.deepEqual(
      found.map(({ body }) => Number(body)),
      Array.from({ length: 200 }, (_, i) => i),
    );
  });

  it('what a full queue refuses goes to a dead-letter exchange whose queue is elsewhere', async () => {
    await using test = await TestShards.start(2);
    await declareIn(test, 1, 'source', {
      ...REJECTING,
      'x-max-length': 1n,
      'x-overflow': 'reject-publish-dlx',
    });
    const dead = await declareIn(test, 0, 'dead');
    publish(test, 1, 'source', 'taken');
    // The first one finds no outbox open: its publisher knows that it was refused.
    publish(test, 1, 'source', 'dropped');
    await settled(test);
    assert.equal(test.brokers[1].deadLettering.droppedCount, 1);
    await until(() => {
      publish(test, 1, 'source', 'refused');
      return dead.readyCount > 0;
    });
    const [{ headers }] = await headersIn(dead);
    assert.equal(deathsOf(headers)[0].reason, 'maxlen');
  });

  it('what was deleted meanwhile is the end of a dead letter', async () => {
    await using test = await TestShards.start(2);
    const source = await declareIn(test, 1, 'source', REJECTING);
    const dead = await declareIn(test, 0, 'dead');
    const consumer = new TestConsumer(source);
    publish(test, 1, 'source', 'first');
    await until(() => consumer.messages.length === 1);
    consumer.unacknowledged.reject(0, true, false);
    await until(() => dead.readyCount === 1);
    publish(test, 1, 'source', 'second');
    await until(() => consumer.messages.length === 2);
    consumer.unacknowledged.reject(0, true, false);
    await test.run(0, ({ commands }) =>
      commands.deleteQueue(test.vhost(0), 'dead', { ifUnused: false, ifEmpty: false }, null),
    );
    await settled(test);
    assert.equal(source.ledger.deadLettered, 2);
  });

  it('priority, time to live and the expiry of the target are kept', async () => {
    await using test = await TestShards.start(2);
    const source = await declareIn(test, 1, 'source', REJECTING);
    const dead = await declareIn(test, 0, 'dead', { 'x-max-priority': 5n });
    const consumer = new TestConsumer(source);
    for (const priority of [1, 5, 3]) publish(test, 1, 'source', `p${priority}`, { priority });
    await until(() => consumer.messages.length === 3);
    consumer.unacknowledged.reject(0, true, false);
    await until(() => dead.readyCount === 3);
    assert.deepEqual(
      (await headersIn(dead)).map(({ body }) => body),
      ['p5', 'p3', 'p1'],
    );
  });
});

describe('delayed messages between shards', () => {
  it('come when they are due, over a restart too', async () => {
    await using test = await TestShards.start();
    await test.run(0, ({ commands }) =>
      commands.declareExchange(test.vhost(0), {
        name: 'later',
        type: 'x-delayed-message',
        durable: true,
        autoDelete: false,
        internal: false,
        arguments: { 'x-delayed-type': 'direct' },
      }),
    );
    for (const [shard, name] of [
      [0, 'q0'],
      [2, 'q2'],
    ] as const) {
      await declareIn(test, shard, name);
      const binding = { source: 'later', destination: name, routingKey: 'k', arguments: {} };
      await test.run(0, ({ commands }) => commands.bindQueue(test.vhost(0), binding, null));
    }
    publish(test, 1, 'k', 'soon', { exchange: 'later', headers: { 'x-delay': 20 } });
    await until(() => local(test, 2, 'q2').readyCount === 1);
    publish(test, 1, 'k', 'after', { exchange: 'later', headers: { 'x-delay': 300 } });
    assert.equal(test.brokers[1].delays.of('/')?.waitingCount, 1);
    await test.restart();
    await until(() => local(test, 2, 'q2').readyCount === 2 && local(test, 0, 'q0').readyCount === 2);
    await settled(test);
    assert.equal(test.brokers[1].delays.of('/')?.waitingCount, 0);
    assert.deepEqual(
      (await headersIn(local(test, 2, 'q2'))).map(({ body }) => body),
      ['soon', 'after'],
    );
  });
});

describe('a tx over several shards', () => {
  /** Commits when there is room, and resolves when that is safe. */
  function commit(tx: Tx): Promise<void> {
    return new Promise((resolve, reject) => {
      const tryIt = (): void => {
        if (tx.mustWait(tryIt)) return;
        try {
          tx.commit(() => resolve());
        } catch (error) {
          reject(error);
        }
      };
      tryIt();
    });
  }

  function txOf(test: TestShards, shard: number, unacknowledged = new Unacknowledged()) {
    const broker = test.brokers[shard];
    const tx = new Tx(broker.shard, broker.deadLettering, unacknowledged);
    const publisher = new Publisher(broker.shard, broker.deadLettering);
    const send = (key: string, body: string, of: Published = {}): void => {
      broker.shard.turn.touch();
      fill(publisher, key, body, of);
      const vhost = test.vhost(shard);
      tx.publish(vhost.route(vhost.defaultExchange, key, bareMessage), true, publisher.messageView);
    };
    return { tx, send };
  }

  it('takes effect in all of them, and an acknowledgement with it, over a restart too', async () => {
    await using test = await TestShards.start();
    const work = await declareIn(test, 1, 'work');
    for (const shard of [0, 1, 2]) await declareIn(test, shard, `t${shard}`);
    publish(test, 1, 'work', 'job');
    const consumer = new TestConsumer(work);
    await until(() => consumer.messages.length === 1);
    const { tx, send } = txOf(test, 1, consumer.unacknowledged);
    for (const shard of [0, 1, 2]) for (const n of [1, 2]) send(`t${shard}`, `${n}`);
    tx.acknowledge(consumer.messages[0].tag, false, 'ack');
    await commit(tx);
    await test.restart();
    for (const shard of [0, 1, 2]) {
      const queue = local(test, shard, `t${shard}`);
      await until(() => queue.readyCount === 2);
      assert.deepEqual(
        (await headersIn(queue)).map(({ body }) => body),
        ['1', '2'],
      );
    }
    assert.equal(local(test, 1, 'work').readyCount, 0);
  });

  it('that is refused here happens nowhere', async () => {
    await using test = await TestShards.start(2);
    await declareIn(test, 1, 'full', { 'x-max-length': 0n, 'x-overflow': 'reject-publish' });
    const other = await declareIn(test, 0, 'other');
    const { tx, send } = txOf(test, 1);
    send('other', 'm');
    send('full', 'm');
    await assert.rejects(commit(tx), /partial tx completion/);
    await settled(test);
    assert.equal(other.readyCount, 0);
  });

  it('a queue elsewhere that deduplicates takes each name once', async () => {
    await using test = await TestShards.start(2);
    const other = await declareIn(test, 0, 'other', { 'x-message-deduplication': true });
    for (const round of [1, 2]) {
      const { tx, send } = txOf(test, 1);
      for (const name of ['a', 'b', 'a'])
        send('other', `${name}${round}`, { headers: { 'x-deduplication-header': name } });
      await commit(tx);
    }
    await settled(test);
    assert.deepEqual([other.readyCount, other.ledger.duplicates], [2, 4]);
  });

  it('settles deliveries of other shards in their shard, with the place of each message', async () => {
    await using test = await TestShards.start(2);
    const other = await declareIn(test, 0, 'other');
    const settlements: (RemoteSettlement & { from: number })[] = [];
    outboxesOf(test, 0).settlements = {
      canSettle: () => true,
      settleRemotely: (from, settlement) => settlements.push({ from, ...settlement }),
    };
    const unacknowledged = new Unacknowledged();
    const remote = { shard: 0, session: 7, logId: other.id, offset: 0 };
    const unreachable = (): never => assert.fail('settled beside the tx');
    const source = { remote, acknowledge: unreachable, reject: unreachable, requeue: unreachable };
    const consumer = { unacknowledgedCount: 0, deliverySettled: () => undefined };
    const memory = { u32: new Uint32Array(2), f64: new Float64Array([1000]) };
    for (let tag = 1; tag <= 3; tag++) {
      remote.offset = tag * 10;
      unacknowledged.add(source, consumer as never, tag, memory, 0, new ContentView());
    }
    const { tx, send } = txOf(test, 1, unacknowledged);
    tx.acknowledge(2, true, 'ack');
    tx.acknowledge(3, false, 'drop');
    send('other', 'with them');
    await commit(tx);
    await until(() => settlements.length === 3 && other.readyCount === 1);
    assert.deepEqual(
      settlements.map(({ from, session, tag, logId, offset, outcome }) => [
        from,
        session,
        tag,
        logId,
        offset,
        outcome,
      ]),
      [
        [1, 7, 1, other.id, 10, 'ack'],
        [1, 7, 2, other.id, 20, 'ack'],
        [1, 7, 3, other.id, 30, 'drop'],
      ],
    );
    assert.equal(unacknowledged.count, 0);
    assert.ok(settlements.every(({ publishedMs }) => publishedMs === 1000));
  });
});
