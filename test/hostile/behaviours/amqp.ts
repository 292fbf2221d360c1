import { FrameWriter, writeHeaderFrame } from '../../../src/wire/amqp091/frames.ts';
import { methodBytes, publishBytes } from '../../servers/amqp091/raw-client.ts';
import { amqpChannel, amqpLogin, consume, declareQueue, writeForever } from '../amqp-login.ts';
import { type Behaviour, repeatedly, untilOver } from '../behaviour.ts';

/** Behaviours of a user who has logged in over AMQP. */

const unfinished: Behaviour = {
  name: 'unfinished-bodies',
  title: '20 connections with 10 channels each, on which 16 MB of a message of 100 MB are sent and no more',
  async run(target) {
    const clients = await Promise.all(Array.from({ length: 20 }, () => amqpLogin(target)));
    for (const client of clients) {
      for (let channel = 1; channel <= 10; channel++) {
        client.method(channel, { name: 'channel.open' });
        const writer = new FrameWriter();
        writeHeaderFrame(writer, channel, 100_000_000, Buffer.from([0, 0]));
        const publish = { exchange: '', routingKey: 'q', mandatory: false, immediate: false };
        client.write(methodBytes(channel, { name: 'basic.publish', ...publish }));
        client.write(Buffer.from(writer.take()));
        const body = Buffer.alloc(131072);
        body[0] = 3;
        body.writeUInt16BE(channel, 1);
        body.writeUInt32BE(body.length - 8, 3);
        body[body.length - 1] = 0xce;
        for (let i = 0; i < 128; i++) client.write(body);
      }
    }
    await untilOver(target);
  },
};

const manyQueues: Behaviour = {
  name: 'many-queues',
  title: 'durable queues are declared without end',
  async run(target) {
    const client = await amqpChannel(target);
    let count = 0;
    while (!target.signal.aborted && !client.isClosed) {
      for (let i = 0; i < 50; i++) declareQueue(client, `q${count++}`, {}, { durable: true });
      for (let i = 0; i < 50; i++) await client.next();
    }
  },
};

const patterns: Behaviour = {
  name: 'topic-patterns',
  title: '3,000 bindings of * and # words, and messages with keys of many words',
  async run(target) {
    const client = await amqpChannel(target);
    declareQueue(client, 'patterns');
    await client.expect('queue.declare-ok');
    for (let i = 0; i < 3000; i++) {
      const words = Array.from({ length: 20 }, (_, at) => ((i >> (at % 12)) & 1 ? '#' : '*'));
      const routingKey = `${words.join('.')}.${i}`;
      client.method(1, {
        name: 'queue.bind',
        queue: 'patterns',
        exchange: 'amq.topic',
        routingKey,
        noWait: true,
        arguments: {},
      });
    }
    const key = Array.from({ length: 120 }, () => 'w').join('.');
    const bytes = publishBytes(1, 'amq.topic', key, Buffer.alloc(16));
    await writeForever(target, client, () => bytes);
  },
};

const unreadDeliveries: Behaviour = {
  name: 'unread-deliveries',
  title: 'ten consumers without prefetch of a long queue, who do not read their sockets',
  async run(target) {
    const client = await amqpChannel(target);
    declareQueue(client, 'unread');
    await client.expect('queue.declare-ok');
    for (let i = 0; i < 20_000; i++) client.write(publishBytes(1, '', 'unread', Buffer.alloc(4096)));
    for (let i = 0; i < 10; i++) {
      const consumer = await amqpChannel(target);
      consume(consumer, 'unread', false);
      consumer.socket.pause();
    }
    await untilOver(target);
  },
};

const requeue: Behaviour = {
  name: 'requeue-loop',
  title: 'a consumer that gives each message back at once',
  async run(target) {
    const client = await amqpChannel(target);
    declareQueue(client, 'again');
    await client.expect('queue.declare-ok');
    for (let i = 0; i < 1000; i++) client.write(publishBytes(1, '', 'again', Buffer.alloc(100)));
    consume(client, 'again', false);
    while (!target.signal.aborted && !client.isClosed) {
      const { method } = await client.next();
      if (method?.name !== 'basic.deliver') continue;
      client.method(1, { name: 'basic.reject', deliveryTag: method.deliveryTag, requeue: true });
    }
  },
};

const channels: Behaviour = {
  name: 'channel-churn',
  title: 'channels are opened and closed, 2,000 at a time, on eight connections',
  run: (target) =>
    repeatedly(target, 8, async () => {
      using client = await amqpLogin(target);
      for (let round = 0; round < 10 && !target.signal.aborted; round++) {
        for (let channel = 1; channel <= 2000; channel++) client.method(channel, { name: 'channel.open' });
        for (let channel = 1; channel <= 2000; channel++) await client.next();
        const close = { replyCode: 200, replyText: '', classId: 0, methodId: 0 };
        for (let channel = 1; channel <= 2000; channel++) {
          client.method(channel, { name: 'channel.close', ...close });
        }
        for (let channel = 1; channel <= 2000; channel++) await client.next();
      }
    }),
};

export const AMQP_BEHAVIOURS: readonly Behaviour[] = [
  unfinished,
  manyQueues,
  patterns,
  unreadDeliveries,
  requeue,
  channels,
];
