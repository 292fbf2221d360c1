import { PROTOCOL_HEADER } from '../../../src/wire/amqp091/constants.ts';
import { FrameWriter, writeHeaderFrame } from '../../../src/wire/amqp091/frames.ts';
import { methodBytes, publishBytes, RawClient, startOk } from '../../servers/amqp091/raw-client.ts';
import { type Behaviour, repeatedly, type Target, untilOver } from '../behaviour.ts';

/** Behaviours of a user who has logged in over AMQP. */

async function login({ amqpPort, user, password }: Target): Promise<RawClient> {
  const client = await RawClient.connect(amqpPort);
  client.write(PROTOCOL_HEADER);
  await client.expect('connection.start');
  client.method(0, startOk(user, password));
  const { channelMax, frameMax } = await client.expect('connection.tune');
  client.method(0, { name: 'connection.tune-ok', channelMax, frameMax, heartbeat: 0 });
  client.method(0, { name: 'connection.open', virtualHost: '/' });
  await client.expect('connection.open-ok');
  return client;
}

async function loginWithChannel(target: Target): Promise<RawClient> {
  const client = await login(target);
  client.method(1, { name: 'channel.open' });
  await client.expect('channel.open-ok');
  return client;
}

function declareQueue(client: RawClient, queue: string, durable: boolean): void {
  client.method(1, {
    name: 'queue.declare',
    queue,
    passive: false,
    durable,
    exclusive: false,
    autoDelete: false,
    noWait: false,
    arguments: {},
  });
}

const unfinished: Behaviour = {
  name: 'unfinished-bodies',
  title: '20 connections with 10 channels each, on which 16 MB of a message of 100 MB are sent and no more',
  async run(target) {
    const clients = await Promise.all(Array.from({ length: 20 }, () => login(target)));
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
    const client = await loginWithChannel(target);
    let count = 0;
    while (!target.signal.aborted && !client.isClosed) {
      for (let i = 0; i < 50; i++) declareQueue(client, `q${count++}`, true);
      for (let i = 0; i < 50; i++) await client.next();
    }
  },
};

const patterns: Behaviour = {
  name: 'topic-patterns',
  title: '3,000 bindings of * and # words, and messages with keys of many words',
  async run(target) {
    const client = await loginWithChannel(target);
    declareQueue(client, 'patterns', false);
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
    await publishForever(target, client, 'amq.topic', key, Buffer.alloc(16));
  },
};

/** With a pause when the socket does not take more. */
async function publishForever(
  { signal }: Target,
  client: RawClient,
  exchange: string,
  key: string,
  body: Buffer,
): Promise<void> {
  const bytes = publishBytes(1, exchange, key, body);
  while (!signal.aborted && !client.isClosed) {
    client.write(bytes);
    if (client.socket.writableLength > 1_000_000) await new Promise((resolve) => setTimeout(resolve, 5));
    else await new Promise((resolve) => setImmediate(resolve));
  }
}

const unreadDeliveries: Behaviour = {
  name: 'unread-deliveries',
  title: 'ten consumers without prefetch of a long queue, who do not read their sockets',
  async run(target) {
    const client = await loginWithChannel(target);
    declareQueue(client, 'unread', false);
    await client.expect('queue.declare-ok');
    for (let i = 0; i < 20_000; i++) client.write(publishBytes(1, '', 'unread', Buffer.alloc(4096)));
    for (let i = 0; i < 10; i++) {
      const consumer = await loginWithChannel(target);
      const consume = { noLocal: false, noAck: false, exclusive: false, noWait: false, arguments: {} };
      consumer.method(1, { name: 'basic.consume', queue: 'unread', consumerTag: '', ...consume });
      consumer.socket.pause();
    }
    await untilOver(target);
  },
};

const requeue: Behaviour = {
  name: 'requeue-loop',
  title: 'a consumer that gives each message back at once',
  async run(target) {
    const client = await loginWithChannel(target);
    declareQueue(client, 'again', false);
    await client.expect('queue.declare-ok');
    for (let i = 0; i < 1000; i++) client.write(publishBytes(1, '', 'again', Buffer.alloc(100)));
    const consume = { noLocal: false, noAck: false, exclusive: false, noWait: false, arguments: {} };
    client.method(1, { name: 'basic.consume', queue: 'again', consumerTag: '', ...consume });
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
      using client = await login(target);
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
