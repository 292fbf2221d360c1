import { methodBytes, publishBytes } from '../../servers/amqp091/raw-client.ts';
import {
  amqpChannel,
  bindQueue,
  consume,
  declareExchange,
  declareQueue,
  ignoreAnswers,
  propertyBytes,
  publishes,
  writeForever,
} from '../amqp-login.ts';
import { type Behaviour, repeatedly, type Target, untilOver } from '../behaviour.ts';

/** What can be done with messages over AMQP. */

const SMALL = Buffer.alloc(10);
let nextName = 0;

function withHeaders(headers: { readonly [name: string]: string | number }): Buffer {
  return propertyBytes({ headers });
}

const deduplication: Behaviour = {
  name: 'deduplication-names',
  title: 'messages with new deduplication names of 200 bytes, for a queue that remembers a million of them',
  run: (target) =>
    repeatedly(target, 2, async (turn) => {
      using client = await amqpChannel(target);
      const queue = `once-${turn}`;
      declareQueue(client, queue, {
        'x-message-deduplication': true,
        'x-cache-size': 1_000_000,
        'x-max-length': 10,
      });
      await client.expect('queue.declare-ok');
      ignoreAnswers(client);
      await writeForever(target, client, () => {
        const one = () => {
          const properties = withHeaders({ 'x-deduplication-header': `${nextName++}`.padEnd(200, 'n') });
          return publishBytes(1, '', queue, SMALL, { properties });
        };
        return Buffer.concat(Array.from({ length: 200 }, one));
      });
    }),
};

const priorities: Behaviour = {
  name: 'priorities',
  title: 'queues of 255 priorities without end, with a message of each priority',
  run: (target) =>
    repeatedly(target, 2, async (turn) => {
      using client = await amqpChannel(target);
      const byPriority = Array.from({ length: 256 }, (_, priority) => propertyBytes({ priority }));
      for (let i = 0; !target.signal.aborted; i++) {
        const queue = `priorities-${turn}-${i}`;
        declareQueue(client, queue, { 'x-max-priority': 255 });
        await client.expect('queue.declare-ok');
        client.write(
          Buffer.concat(byPriority.map((properties) => publishBytes(1, '', queue, SMALL, { properties }))),
        );
      }
    }),
};

const delayed: Behaviour = {
  name: 'delayed-messages',
  title: 'messages by the 100,000 that are delayed, so that they all come due in the same second, and again',
  async run(target) {
    const client = await amqpChannel(target);
    declareExchange(client, 'later', 'x-delayed-message', { 'x-delayed-type': 'fanout' });
    declareQueue(client, 'late', { 'x-max-length': 1000 });
    await client.expect('queue.declare-ok');
    bindQueue(client, 'late', 'later', '');
    ignoreAnswers(client);
    const begin = Date.now();
    await writeForever(target, client, () => {
      const properties = withHeaders({ 'x-delay': 2000 - ((Date.now() - begin) % 2000) });
      return publishes(500, 'later', '', SMALL, { properties });
    });
  },
};

const expiryCycle: Behaviour = {
  name: 'expiry-cycle',
  title: 'two queues that dead-letter to each other after 1 ms, with 10,000 messages',
  async run(target) {
    const client = await amqpChannel(target);
    for (const [queue, other] of [
      ['ping', 'pong'],
      ['pong', 'ping'],
    ]) {
      const args = { 'x-message-ttl': 1, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': other };
      declareQueue(client, queue, args);
      await client.expect('queue.declare-ok');
    }
    client.write(publishes(10_000, '', 'ping', SMALL));
    // Rejected ones go round for ever, where expired ones are dropped when they come again.
    const consumer = await amqpChannel(target);
    consume(consumer, 'ping', false);
    consume(consumer, 'pong', false);
    while (!target.signal.aborted && !consumer.isClosed) {
      const { method } = await consumer.next();
      if (method?.name !== 'basic.deliver') continue;
      consumer.method(1, { name: 'basic.reject', deliveryTag: method.deliveryTag, requeue: false });
      client.write(publishes(1, '', 'ping', SMALL));
    }
  },
};

const rejectAll: Behaviour = {
  name: 'reject-all',
  title: '100,000 messages that a consumer holds are rejected at once, to a dead-letter exchange, and again',
  run: (target) =>
    repeatedly(target, 1, async (turn) => {
      using client = await amqpChannel(target);
      const dead = `rejected-${turn}`;
      declareQueue(client, dead, { 'x-max-length': 100 });
      declareQueue(client, `held-${turn}`, {
        'x-dead-letter-exchange': '',
        'x-dead-letter-routing-key': dead,
      });
      for (let i = 0; i < 2; i++) await client.expect('queue.declare-ok');
      const messages = publishes(1000, '', `held-${turn}`, SMALL);
      for (let i = 0; i < 100; i++) client.write(messages);
      consume(client, `held-${turn}`, false);
      let count = 0;
      while (count < 100_000) if ((await client.next()).method?.name === 'basic.deliver') count++;
      client.method(1, { name: 'basic.nack', deliveryTag: 0, multiple: true, requeue: false });
      declareQueue(client, dead, { 'x-max-length': 100 });
      await client.expect('queue.declare-ok');
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }),
};

const getLoop: Behaviour = {
  name: 'get-loop',
  title: 'four connections that ask an empty queue for a message again and again',
  run: (target) =>
    repeatedly(target, 4, async () => {
      using client = await amqpChannel(target);
      declareQueue(client, 'empty');
      await client.expect('queue.declare-ok');
      client.doNotParse();
      const gets = Buffer.concat(
        Array.from({ length: 500 }, () => methodBytes(1, { name: 'basic.get', queue: 'empty', noAck: true })),
      );
      ignoreAnswers(client);
      await writeForever(target, client, () => gets);
    }),
};

const unreadConfirms: Behaviour = {
  name: 'unread-confirms',
  title: 'ten publishers with confirms that do not read them',
  run: (target) =>
    repeatedly(target, 10, async (turn) => {
      using client = await amqpChannel(target);
      declareQueue(client, `confirmed-${turn}`, { 'x-max-length': 100 });
      await client.expect('queue.declare-ok');
      client.method(1, { name: 'confirm.select', noWait: false });
      await client.expect('confirm.select-ok');
      client.socket.pause();
      const messages = publishes(100, '', `confirmed-${turn}`, SMALL);
      await writeForever(target, client, () => messages);
    }),
};

const unreadReturns: Behaviour = {
  name: 'unread-returns',
  title: 'ten publishers of mandatory messages of 4 KB that no queue takes, who do not read what comes back',
  run: (target) =>
    repeatedly(target, 10, async () => {
      using client = await amqpChannel(target);
      client.socket.pause();
      const messages = publishes(20, '', 'nowhere', Buffer.alloc(4096), { mandatory: true });
      await writeForever(target, client, () => messages);
    }),
};

const largeTx: Behaviour = {
  name: 'large-tx',
  title: 'transactions of 100,000 messages, committed and rolled back, on two connections',
  run: (target) =>
    repeatedly(target, 2, async (turn) => {
      using client = await amqpChannel(target);
      declareQueue(client, `tx-${turn}`, { 'x-max-length': 1000 });
      await client.expect('queue.declare-ok');
      client.method(1, { name: 'tx.select' });
      await client.expect('tx.select-ok');
      const messages = publishes(1000, '', `tx-${turn}`, SMALL);
      for (let round = 0; !target.signal.aborted; round++) {
        for (let i = 0; i < 100; i++) client.write(messages);
        client.method(1, { name: round % 2 === 0 ? 'tx.commit' : 'tx.rollback' });
        await client.next();
      }
    }),
};

const unfinishedFrames: Behaviour = {
  name: 'unfinished-frames',
  title: '500 connections that send frames but for the last byte, and that byte after a while',
  async run(target: Target) {
    const message = publishBytes(1, '', 'nowhere', Buffer.alloc(100_000));
    await repeatedly(target, 500, async () => {
      using client = await amqpChannel(target);
      ignoreAnswers(client);
      while (!target.signal.aborted && !client.isClosed) {
        client.write(message.subarray(0, -1));
        await new Promise((resolve) => setTimeout(resolve, 500));
        client.write(message.subarray(-1));
      }
    });
    await untilOver(target);
  },
};

export const AMQP_MESSAGE_BEHAVIOURS: readonly Behaviour[] = [
  deduplication,
  priorities,
  delayed,
  expiryCycle,
  rejectAll,
  getLoop,
  unreadConfirms,
  unreadReturns,
  largeTx,
  unfinishedFrames,
];
