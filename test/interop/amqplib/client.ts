import { type ChannelModel, type ConfirmChannel, connect, type GetMessage, type Message } from 'amqplib';
import { type Channel, type Client, type Connection, type Received, Refusal } from '../client.ts';

/** amqplib has no transactions; everything else of the round it can do. */
export const amqplib: Client = {
  name: 'amqplib',
  lacks: 'transactions',
  hidesRefusedOpen: true,
  connect: async (url) => {
    try {
      return connection(await connect(url));
    } catch (error) {
      throw refusal(error);
    }
  },
};

/** `… 404 (NOT-FOUND) with message "NOT_FOUND - no queue 'q' in vhost '/'"`, with or without `code` beside it. */
function refusal(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const match = /(\d{3}) \([A-Z-]+\) with message "(.*)"/s.exec(error.message);
  return match === null ? error : new Refusal(Number(match[1]), match[2]);
}

/** Resolves with what an emitter reports as its error. */
function failure(emitter: {
  on(event: 'error', listener: (error: Error) => void): unknown;
}): Promise<Refusal> {
  return new Promise((resolve) => emitter.on('error', (error) => resolve(refusal(error) as Refusal)));
}

function connection(model: ChannelModel): Connection {
  return {
    failed: failure(model),
    channel: async () => channel((await model.createChannel()) as ConfirmChannel, false),
    confirmChannel: async () => channel(await model.createConfirmChannel(), true),
    close: () => model.close(),
  };
}

function received(message: Message | GetMessage): Received {
  const { fields, properties, content } = message;
  return {
    deliveryTag: fields.deliveryTag,
    exchange: fields.exchange,
    routingKey: fields.routingKey,
    redelivered: fields.redelivered,
    body: content,
    headers: properties.headers ?? {},
    correlationId: properties.correlationId,
    replyTo: properties.replyTo,
    expiration: properties.expiration,
    messageCount: 'messageCount' in fields ? fields.messageCount : undefined,
  };
}

function tagged(deliveryTag: number): Message {
  return { fields: { deliveryTag } } as Message;
}

function channel(inner: ConfirmChannel, confirms: boolean): Channel {
  return {
    failed: failure(inner),
    tx: undefined,
    declareQueue: (name, options) => inner.assertQueue(name, { durable: false, ...options }),
    checkQueue: (name) => inner.checkQueue(name),
    deleteQueue: async (name, options) => (await inner.deleteQueue(name, options)).messageCount,
    purgeQueue: async (name) => (await inner.purgeQueue(name)).messageCount,
    bindQueue: async (queue, exchange, key, args) => {
      await inner.bindQueue(queue, exchange, key, args);
    },
    unbindQueue: async (queue, exchange, key, args) => {
      await inner.unbindQueue(queue, exchange, key, args);
    },
    declareExchange: async (name, type, options) => {
      await inner.assertExchange(name, type, { durable: false, ...options });
    },
    checkExchange: async (name) => {
      await inner.checkExchange(name);
    },
    deleteExchange: async (name, options) => {
      await inner.deleteExchange(name, options);
    },
    bindExchange: async (destination, source, key) => {
      await inner.bindExchange(destination, source, key);
    },
    unbindExchange: async (destination, source, key) => {
      await inner.unbindExchange(destination, source, key);
    },
    publish: (exchange, key, body, options) =>
      new Promise((resolve, reject) => {
        const content = Buffer.from(body);
        if (!confirms) {
          inner.publish(exchange, key, content, { ...options });
          resolve();
          return;
        }
        inner.publish(exchange, key, content, { ...options }, (error) =>
          error === null || error === undefined ? resolve() : reject(refusal(error)),
        );
      }),
    onReturn: (listener) => {
      inner.on('return', ({ fields, content }) => {
        const { replyCode, replyText, exchange, routingKey } = fields as unknown as {
          replyCode: number;
          replyText: string;
          exchange: string;
          routingKey: string;
        };
        listener({ replyCode, replyText, exchange, routingKey, body: content });
      });
    },
    get: async (queue, options) => {
      const message = await inner.get(queue, options);
      return message === false ? undefined : received(message);
    },
    consume: async (queue, onMessage, options) => {
      const reply = await inner.consume(
        queue,
        (message) => onMessage(message === null ? undefined : received(message)),
        options,
      );
      return reply.consumerTag;
    },
    cancel: async (consumerTag) => {
      await inner.cancel(consumerTag);
    },
    ack: (deliveryTag, multiple) => inner.ack(tagged(deliveryTag), multiple),
    nack: (deliveryTag, { multiple, requeue }) => inner.nack(tagged(deliveryTag), multiple, requeue),
    reject: (deliveryTag, requeue) => inner.reject(tagged(deliveryTag), requeue),
    prefetch: async (count, global) => {
      await inner.prefetch(count, global);
    },
    recover: async () => {
      await inner.recover();
    },
    close: () => inner.close(),
  };
}
