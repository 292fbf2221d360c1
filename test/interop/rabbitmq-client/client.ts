import {
  type AsyncMessage,
  type Channel as RabbitChannel,
  Connection as RabbitConnection,
  type SyncMessage,
} from 'rabbitmq-client';
import { REPLY_CODES } from '../../../src/wire/amqp091/constants.ts';
import { type Channel, type Client, type Connection, type Received, Refusal } from '../client.ts';

export const rabbitmqClient: Client = {
  name: 'rabbitmq-client',
  connect: async (url) => {
    const inner = new RabbitConnection({ url, retryLow: 60_000, acquireTimeout: 5_000 });
    const failed = new Promise<Refusal>((resolve) =>
      inner.on('error', (error) => resolve(refusal(error) as Refusal)),
    );
    const refused = await Promise.race([
      failed,
      new Promise<undefined>((resolve) => inner.once('connection', () => resolve(undefined))),
    ]);
    if (refused === undefined) return connection(inner, failed);
    await inner.close();
    throw refused;
  },
};

/** The library names the reply codes, and puts the method before the text: `QueueDeclare: NOT_FOUND - …`. */
function refusal(error: unknown): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error;
  const name = String(error.code);
  if (!(name in REPLY_CODES)) return error;
  return new Refusal(REPLY_CODES[name as keyof typeof REPLY_CODES], error.message.replace(/^\w+: /, ''));
}

function connection(inner: RabbitConnection, failed: Promise<Refusal>): Connection {
  const channels: RabbitChannel[] = [];
  const open = async () => {
    const opened = await inner.acquire({ emitErrorsFromChannel: true });
    channels.push(opened);
    return opened;
  };
  return {
    failed,
    channel: async () => channel(await open()),
    confirmChannel: async () => {
      const confirming = await open();
      await confirming.confirmSelect();
      return channel(confirming);
    },
    // The library waits for the channels to be closed by whoever opened them.
    close: async () => {
      await Promise.all(channels.map((each) => each.close()));
      await inner.close();
    },
  };
}

function received(message: AsyncMessage | SyncMessage): Received {
  return {
    deliveryTag: message.deliveryTag,
    exchange: message.exchange,
    routingKey: message.routingKey,
    redelivered: message.redelivered,
    body: message.body,
    headers: message.headers ?? {},
    correlationId: message.correlationId,
    replyTo: message.replyTo,
    expiration: message.expiration,
    messageCount: 'messageCount' in message ? message.messageCount : undefined,
  };
}

function channel(inner: RabbitChannel): Channel {
  // An error that answers a request is the library's answer to that request, and no event.
  let fail: (error: Refusal) => void;
  const failed = new Promise<Refusal>((resolve) => {
    fail = resolve;
  });
  inner.on('error', (error) => fail(refusal(error) as Refusal));
  const refusing = async <T>(answer: Promise<T>): Promise<T> => {
    try {
      return await answer;
    } catch (error) {
      const refused = refusal(error);
      if (refused instanceof Refusal) fail(refused);
      throw refused;
    }
  };
  const cancelled = new Map<string, () => void>();
  inner.on('basic.cancel', (consumerTag) => cancelled.get(consumerTag)?.());
  return {
    failed,
    tx: {
      select: () => refusing(inner.txSelect()),
      commit: () => refusing(inner.txCommit()),
      rollback: () => refusing(inner.txRollback()),
    },
    declareQueue: (queue, options) => refusing(inner.queueDeclare({ queue, ...options })),
    checkQueue: (queue) => refusing(inner.queueDeclare({ queue, passive: true })),
    deleteQueue: async (queue, options) =>
      (await refusing(inner.queueDelete({ queue, ...options }))).messageCount,
    purgeQueue: async (queue) => (await refusing(inner.queuePurge(queue))).messageCount,
    bindQueue: (queue, exchange, routingKey, args) =>
      refusing(inner.queueBind({ queue, exchange, routingKey, ...(args && { arguments: args }) })),
    unbindQueue: (queue, exchange, routingKey, args) =>
      refusing(inner.queueUnbind({ queue, exchange, routingKey, ...(args && { arguments: args }) })),
    declareExchange: (exchange, type, options) =>
      refusing(inner.exchangeDeclare({ exchange, type, ...options })),
    checkExchange: (exchange) => refusing(inner.exchangeDeclare({ exchange, passive: true })),
    deleteExchange: (exchange, options) => refusing(inner.exchangeDelete({ exchange, ...options })),
    bindExchange: (destination, source, routingKey) =>
      refusing(inner.exchangeBind({ destination, source, routingKey })),
    unbindExchange: (destination, source, routingKey) =>
      refusing(inner.exchangeUnbind({ destination, source, routingKey })),
    publish: (exchange, routingKey, body, { persistent, ...options } = {}) =>
      refusing(
        inner.basicPublish(
          { exchange, routingKey, durable: persistent === true, ...options },
          Buffer.from(body),
        ),
      ),
    onReturn: (listener) => {
      inner.on('basic.return', (message) => listener(message));
    },
    get: async (queue, options) => {
      const message = await refusing(inner.basicGet({ queue, ...options }));
      return message === undefined ? undefined : received(message);
    },
    consume: async (queue, onMessage, options) => {
      const { consumerTag } = await refusing(
        inner.basicConsume({ queue, ...options }, (message) => onMessage(received(message))),
      );
      cancelled.set(consumerTag, () => onMessage(undefined));
      return consumerTag;
    },
    cancel: async (consumerTag) => {
      await refusing(inner.basicCancel(consumerTag));
    },
    ack: (deliveryTag, multiple = false) => inner.basicAck({ deliveryTag, multiple }),
    nack: (deliveryTag, options) => inner.basicNack({ deliveryTag, ...options }),
    // The library has no basic.reject.
    reject: (deliveryTag, requeue) => inner.basicNack({ deliveryTag, requeue }),
    prefetch: (prefetchCount, global = false) => refusing(inner.basicQos({ prefetchCount, global })),
    recover: () => refusing(inner.basicRecover({ requeue: true })),
    close: () => inner.close(),
  };
}
