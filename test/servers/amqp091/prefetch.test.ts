import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Channel, ChannelModel, ConsumeMessage, GetMessage } from 'amqplib';
import { until } from '../../support/until.ts';
import { TestServer } from './test-server.ts';

const WAITING = 12;

/** Two queues with messages, a channel, and what its consumers hold. */
class Table {
  readonly channel: Channel;
  readonly #test: TestServer;
  readonly #held: Record<string, ConsumeMessage[]> = {};

  static async set(test: TestServer, connection: ChannelModel): Promise<Table> {
    const channel = await connection.createConfirmChannel();
    for (const queue of ['one', 'two']) {
      await channel.assertQueue(queue);
      await channel.purgeQueue(queue);
      for (let i = 0; i < WAITING; i++) channel.sendToQueue(queue, Buffer.from(String(i)));
    }
    await channel.waitForConfirms();
    return new Table(test, channel);
  }

  private constructor(test: TestServer, channel: Channel) {
    this.#test = test;
    this.channel = channel;
  }

  async consume(tag: string, queue = 'one', noAck = false): Promise<void> {
    const held: ConsumeMessage[] = [];
    this.#held[tag] = held;
    const options = { consumerTag: tag, noAck };
    await this.channel.consume(queue, (message) => message && held.push(message), options);
  }

  get(count: number): Promise<GetMessage[]> {
    const one = async () => (await this.channel.get('one')) as GetMessage;
    return Promise.all(Array.from({ length: count }, one));
  }

  ack(tag: string, count = 1): void {
    for (const message of this.#take(tag, count)) this.channel.ack(message);
  }

  giveBack(tag: string, count = 1): void {
    for (const message of this.#take(tag, count)) this.channel.nack(message, false, true);
  }

  /** How many each consumer holds when nothing moves any more. */
  async holds(expected: Record<string, number>): Promise<void> {
    const counts = () =>
      Object.fromEntries(Object.entries(this.#held).map(([tag, { length }]) => [tag, length]));
    const isSo = () => Object.entries(expected).every(([tag, count]) => counts()[tag] === count);
    await until(isSo).catch(() => undefined);
    // Whatever was to come has come before the answer to this.
    await this.channel.checkQueue('one');
    await sleep(20);
    assert.deepEqual(counts(), expected);
  }

  /** As many as all consumers hold together. */
  get total(): number {
    return Object.values(this.#held).reduce((sum, { length }) => sum + length, 0);
  }

  waiting(queue: string): number | undefined {
    return this.#test.queue(queue)?.readyCount;
  }

  #take(tag: string, count: number): ConsumeMessage[] {
    return this.#held[tag].splice(0, count);
  }
}

// What is expected here was answered by RabbitMQ 3.10.8 to the same operations.
describe('basic.qos with global (AMQP 1.8.3.1)', () => {
  let test: TestServer;
  let connection: ChannelModel & AsyncDisposable;
  before(async () => {
    test = await TestServer.start();
    connection = await test.connect();
  });
  after(async () => {
    await connection[Symbol.asyncDispose]();
    await test[Symbol.asyncDispose]();
  });

  async function table(use: (table: Table, channel: Channel) => Promise<void>): Promise<void> {
    const set = await Table.set(test, connection);
    await use(set, set.channel);
    await set.channel.close();
  }

  it('limits all consumers of the channel together, whatever their queues', () =>
    table(async (t, channel) => {
      await channel.prefetch(4, true);
      await t.consume('a');
      await t.consume('b', 'two');
      await t.holds({ a: 4, b: 0 });
      t.ack('a', 2);
      await until(() => t.total === 4);
    }));

  it('holds together with the limit of each consumer', () =>
    table(async (t, channel) => {
      await channel.prefetch(2, false);
      await channel.prefetch(3, true);
      await t.consume('a');
      await t.holds({ a: 2 });
      await t.consume('b');
      await t.holds({ a: 2, b: 1 });
      t.ack('a');
      await until(() => t.total === 3);
    }));

  it('can be lowered below what is unacknowledged, raised, and taken away', () =>
    table(async (t, channel) => {
      await channel.prefetch(6, true);
      await t.consume('a');
      await t.holds({ a: 6 });
      await channel.prefetch(2, true);
      t.ack('a', 4);
      await t.holds({ a: 2 });
      t.ack('a');
      await t.holds({ a: 2 });
      await channel.prefetch(5, true);
      await t.holds({ a: 5 });
      await channel.prefetch(0, true);
      await t.holds({ a: WAITING - 5 });
    }));

  it('counts what was delivered before it was set, and what cancelled consumers hold', () =>
    table(async (t, channel) => {
      await t.consume('a');
      await t.holds({ a: WAITING });
      await channel.prefetch(2, true);
      await channel.cancel('a');
      await t.consume('b', 'two');
      await t.holds({ a: WAITING, b: 0 });
      t.ack('a', WAITING - 1);
      await t.holds({ a: 1, b: 1 });
    }));

  it('does not count what was asked for by basic.get, nor stop it', () =>
    table(async (t, channel) => {
      await channel.prefetch(3, true);
      const first = await t.get(4);
      await t.consume('a');
      await t.holds({ a: 3 });
      const second = await t.get(2);
      for (const message of [...first, ...second]) channel.ack(message);
      await t.holds({ a: 3 });
      assert.equal(t.waiting('one'), WAITING - 9);
    }));

  it('also stops consumers that do not acknowledge, while others hold as much as the limit', () =>
    table(async (t, channel) => {
      await channel.prefetch(3, true);
      await t.consume('n', 'two', true);
      await t.holds({ n: WAITING });
      await t.consume('a');
      await t.holds({ n: WAITING, a: 3 });
      channel.sendToQueue('two', Buffer.from('more'));
      await t.holds({ n: WAITING, a: 3 });
      await channel.prefetch(4, true);
      await until(() => t.total === WAITING + 4 || t.total === WAITING + 5);
    }));

  it('frees what is given back or asked for again', () =>
    table(async (t, channel) => {
      await channel.prefetch(2, true);
      await t.consume('a');
      await t.holds({ a: 2 });
      t.giveBack('a');
      await t.holds({ a: 2 });
      await channel.recover();
      await t.holds({ a: 4 });
    }));

  it('lets each queue have its turn', () =>
    table(async (t, channel) => {
      await channel.prefetch(1, true);
      await t.consume('a', 'one');
      await t.consume('b', 'two');
      for (let i = 0; i < WAITING; i++) {
        await until(() => t.total === 1);
        t.ack('a');
        t.ack('b');
      }
      await until(() => t.total === 1);
      const left = [t.waiting('one'), t.waiting('two')] as number[];
      assert.ok(Math.max(...left) < 9, `${left} left`);
    }));
});
