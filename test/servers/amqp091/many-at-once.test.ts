import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { localOf } from '../../../src/broker/queues/any-queue.ts';
import type { MethodOf } from '../../../src/wire/amqp091/definitions.ts';
import { DrivenClock, STEP_MS } from '../../support/driven-clock.ts';
import { methodBytes, publishBytes } from './raw-client.ts';
import { TestServer } from './test-server.ts';

/** Some of these are done in each slice: others have their turn dozens of times. At one stretch, it would be twice. */
const COUNT = 600;
const TURNS_MIN = 5;

function declaration(queue: string, noWait: boolean): MethodOf<'queue.declare'> {
  return {
    name: 'queue.declare',
    queue,
    passive: false,
    durable: false,
    exclusive: true,
    autoDelete: false,
    noWait,
    arguments: {},
  };
}

describe('a connection that asks for very much at once', () => {
  it('lets others go on while its queues are declared and, when it closes, deleted, in the order in which it asked', async () => {
    await using test = await TestServer.start({}, { clock: new DrivenClock(STEP_MS) });
    using greedy = await test.rawChannel();
    await using connection = await test.connect();
    const channel = await connection.createChannel();
    await channel.assertQueue('other');
    const others = async (isDone: () => boolean): Promise<number> => {
      let count = 0;
      for (; !isDone(); count++) await channel.checkQueue('other');
      return count;
    };
    const vhost = test.broker.vhosts.get('/');
    for (let index = 0; index < COUNT; index++) greedy.method(1, declaration(`q${index}`, true));
    greedy.method(1, declaration('last', false));
    let isDeclared = false;
    const declared = greedy.expect('queue.declare-ok').finally(() => {
      isDeclared = true;
    });
    const whileDeclared = await others(() => isDeclared);
    assert.equal((await declared).queue, 'last');
    assert.equal([...(vhost?.queues() ?? [])].length, COUNT + 2);
    assert.ok(whileDeclared > TURNS_MIN, `${whileDeclared} others`);

    greedy.method(0, { name: 'connection.close', replyCode: 200, replyText: '', classId: 0, methodId: 0 });
    let isClosed = false;
    const closed = greedy.expect('connection.close-ok').finally(() => {
      isClosed = true;
    });
    const whileDeleted = await others(() => isClosed);
    await closed;
    assert.ok(whileDeleted > TURNS_MIN, `${whileDeleted} others`);
    assert.deepEqual(
      Array.from(vhost?.queues() ?? [], ({ name }) => name),
      ['other'],
    );
  });

  it('lets others go on between its messages for dozens of queues each', async () => {
    await using test = await TestServer.start({}, { clock: new DrivenClock(STEP_MS) });
    await using connection = await test.connect();
    const channel = await connection.createChannel();
    await channel.assertQueue('other');
    using greedy = await test.rawChannel();
    for (let index = 0; index < 30; index++) {
      greedy.method(1, declaration(`q${index}`, true));
      const binding = { exchange: 'amq.fanout', routingKey: '', noWait: true, arguments: {} };
      greedy.method(1, { name: 'queue.bind', queue: `q${index}`, ...binding });
    }
    greedy.method(1, declaration('last', false));
    await greedy.expect('queue.declare-ok');
    const messages = Array.from({ length: COUNT }, (_, index) =>
      publishBytes(1, 'amq.fanout', '', Buffer.from(String(index))),
    );
    const [first] = [...localOf(test.broker.vhosts.get('/')?.queues() ?? [])].filter(
      ({ name }) => name === 'q0',
    );
    // All of them come in one read.
    greedy.write(Buffer.concat(messages));
    let others = 0;
    for (; first.readyCount < COUNT; others++) await channel.checkQueue('other');
    assert.ok(others > TURNS_MIN, `${others} others`);
    greedy.method(1, { name: 'basic.get', queue: 'q0', noAck: true });
    await greedy.expect('basic.get-ok');
  });

  it('has what a channel did not acknowledge back in the queue, in order, when the channel closes', async () => {
    await using test = await TestServer.start();
    await using connection = await test.connect();
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('q');
    for (let index = 0; index < 20_000; index++) channel.sendToQueue('q', Buffer.from(String(index)));
    await channel.waitForConfirms();
    const reader = await connection.createChannel();
    let taken = 0;
    const all = new Promise<void>((resolve) => {
      reader.consume('q', () => {
        if (++taken === 20_000) resolve();
      });
    });
    await all;
    await reader.close();
    const queue = test.queue('q');
    assert.equal(queue?.readyCount, 20_000);
    for (const expected of ['0', '1', '2']) {
      const message = await channel.get('q', { noAck: true });
      assert.equal(message === false ? null : message.content.toString(), expected);
    }
  });

  it('lets others go on while its channels are opened, and closed, in the order in which it asked', async () => {
    await using test = await TestServer.start({}, { clock: new DrivenClock(STEP_MS) });
    using greedy = await test.raw();
    await greedy.handshake();
    await using connection = await test.connect();
    const channel = await connection.createChannel();
    await channel.assertQueue('other');
    const meanwhile = async (answer: 'channel.open-ok' | 'channel.close-ok'): Promise<number> => {
      let isDone = false;
      const answered = (async () => {
        for (let number = 1; number <= COUNT; number++) {
          const received = await greedy.next();
          assert.deepEqual([received.method?.name, received.channel], [answer, number]);
        }
      })().finally(() => {
        isDone = true;
      });
      let count = 0;
      for (; !isDone; count++) await channel.checkQueue('other');
      await answered;
      return count;
    };
    const all = Array.from({ length: COUNT }, (_, index) => index + 1);
    greedy.write(Buffer.concat(all.map((number) => methodBytes(number, { name: 'channel.open' }))));
    const whileOpened = await meanwhile('channel.open-ok');
    assert.ok(whileOpened > TURNS_MIN, `${whileOpened} others`);
    const close = { name: 'channel.close', replyCode: 200, replyText: '', classId: 0, methodId: 0 } as const;
    greedy.write(Buffer.concat(all.map((number) => methodBytes(number, close))));
    const whileClosed = await meanwhile('channel.close-ok');
    assert.ok(whileClosed > TURNS_MIN, `${whileClosed} others`);
  });
});
