import { type AMQPChannel, AMQPClient, type AMQPMessage, type AMQPProperties } from '@cloudamqp/amqp-client';
import { type Channel, type Client, type Connection, type Received, Refusal } from '../client.ts';

export const cloudamqpClient: Client = {
  name: 'cloudamqp-client',
  connect: async (url) => {
    const inner = new AMQPClient(url);
    const failed = new Promise<Refusal>((resolve) => {
      // The socket closes after the refusal, which is told first.
      inner.onerror = (error) => resolve(refusal(error) as Refusal);
    });
    await refusing(inner.connect());
    return connection(inner, failed);
  },
};

/** `channel 1 closed: NOT_FOUND - no queue 'q' in vhost '/' (404)`; of a connection it says `connection closed: …`, or both. */
function refusal(error: unknown): unknown {
  const message = error instanceof Error ? error.message : String(error);
  const match = /^(?:(?:channel \d+|connection) closed: )+(.*) \((\d{3})\)$/is.exec(message);
  return match === null ? error : new Refusal(Number(match[2]), match[1]);
}

async function refusing<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw refusal(error);
  }
}

function connection(inner: AMQPClient, failed: Promise<Refusal>): Connection {
  return {
    failed,
    channel: async () => channel(await refusing(inner.channel())),
    confirmChannel: async () => {
      const confirming = await refusing(inner.channel());
      await refusing(confirming.confirmSelect());
      return channel(confirming);
    },
    close: () => inner.close(),
  };
}

function received(message: AMQPMessage): Received {
  return {
    deliveryTag: message.deliveryTag,
    exchange: message.exchange,
    routingKey: message.routingKey,
    redelivered: message.redelivered,
    body: bytes(message),
    headers: message.properties.headers ?? {},
    correlationId: message.properties.correlationId,
    replyTo: message.properties.replyTo,
    expiration: message.properties.expiration,
    messageCount: message.messageCount,
  };
}

function bytes(message: AMQPMessage): Buffer {
  return Buffer.from((message.body as Uint8Array | null) ?? []);
}

/** What the library does without an answer; if the broker refuses, the channel tells. */
function unanswered(sent: Promise<void>): void {
  sent.catch(() => {});
}

function channel(inner: AMQPChannel): Channel {
  const failed = new Promise<Refusal>((resolve) => {
    inner.onerror = (reason) => resolve(refusal(reason) as Refusal);
  });
  return {
    failed,
    tx: {
      select: () => refusing(inner.txSelect()),
      commit: () => refusing(inner.txCommit()),
      rollback: () => refusing(inner.txRollback()),
    },
    declareQueue: (name, { arguments: args, ...options } = {}) =>
      declareQueue(inner, name, { durable: false, ...options }, args),
    checkQueue: (name) => declareQueue(inner, name, { passive: true }),
    deleteQueue: async (name, options) => (await refusing(inner.queueDelete(name, options))).messageCount,
    purgeQueue: async (name) => (await refusing(inner.queuePurge(name))).messageCount,
    bindQueue: (queue, exchange, key, args) => refusing(inner.queueBind(queue, exchange, key, args)),
    unbindQueue: (queue, exchange, key, args) => refusing(inner.queueUnbind(queue, exchange, key, args)),
    declareExchange: (name, type, options) =>
      refusing(inner.exchangeDeclare(name, type, { durable: false, ...options })),
    checkExchange: (name) => refusing(inner.exchangeDeclare(name, '', { passive: true })),
    deleteExchange: (name, options) => refusing(inner.exchangeDelete(name, options)),
    bindExchange: (destination, source, key) => refusing(inner.exchangeBind(destination, source, key)),
    unbindExchange: (destination, source, key) => refusing(inner.exchangeUnbind(destination, source, key)),
    publish: async (exchange, key, body, { persistent, mandatory, ...properties } = {}) => {
      const deliveryMode = persistent ? { deliveryMode: 2 } : {};
      const all = { ...properties, ...deliveryMode } as AMQPProperties;
      await refusing(inner.basicPublish(exchange, key, body, all, mandatory));
    },
    onReturn: (listener) => {
      inner.onReturn = (message) =>
        listener({
          replyCode: message.replyCode!,
          replyText: message.replyText!,
          exchange: message.exchange,
          routingKey: message.routingKey,
          body: bytes(message),
        });
    },
    get: async (queue, options) => {
      const message = await refusing(inner.basicGet(queue, { noAck: false, ...options }));
      return message === null ? undefined : received(message);
    },
    consume: async (queue, onMessage, { consumerTag = '', ...options } = {}) => {
      const consumer = await refusing(
        inner.basicConsume(queue, { tag: consumerTag, noAck: false, ...options }, (message) =>
          onMessage(received(message)),
        ),
      );
      consumer.wait().catch((error: Error) => {
        if (error.message === 'Consumer cancelled by the server') onMessage(undefined);
      });
      return consumer.tag;
    },
    cancel: async (consumerTag) => {
      await refusing(inner.basicCancel(consumerTag));
    },
    ack: (deliveryTag, multiple) => unanswered(inner.basicAck(deliveryTag, multiple)),
    nack: (deliveryTag, { multiple, requeue }) => unanswered(inner.basicNack(deliveryTag, requeue, multiple)),
    reject: (deliveryTag, requeue) => unanswered(inner.basicReject(deliveryTag, requeue)),
    prefetch: (count, global) => refusing(inner.basicQos(count, 0, global)),
    recover: () => refusing(inner.basicRecover(true)),
    close: () => inner.close(),
  };
}

async function declareQueue(
  inner: AMQPChannel,
  name: string,
  options: Parameters<AMQPChannel['queueDeclare']>[1],
  args?: Record<string, unknown>,
): Promise<{ queue: string; messageCount: number; consumerCount: number }> {
  const { name: queue, ...counts } = await refusing(inner.queueDeclare(name, options, args));
  return { queue, ...counts };
}
