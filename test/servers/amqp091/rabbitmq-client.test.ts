import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Connection } from 'rabbitmq-client';
import { TestServer } from './test-server.ts';

it('rabbitmq-client publishes with confirms, consumes with acknowledgements', async () => {
  await using test = await TestServer.start();
  const rabbit = new Connection(`amqp://guest:guest@127.0.0.1:${test.server.port}`);
  const got: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const consumer = rabbit.createConsumer(
    {
      queue: 'events',
      queueOptions: { durable: true },
      qos: { prefetchCount: 2 },
      exchanges: [{ exchange: 'events', type: 'topic' }],
      queueBindings: [{ exchange: 'events', routingKey: 'user.*' }],
    },
    async (message) => {
      got.push(`${message.routingKey} ${message.body.n}`);
      if (got.length === 10) resolve();
    },
  );
  await new Promise((ready) => consumer.on('ready', () => ready(undefined)));
  const publisher = rabbit.createPublisher({ confirm: true });
  for (let n = 0; n < 10; n++) {
    await publisher.send({ exchange: 'events', routingKey: 'user.new', durable: true }, { n });
  }
  await promise;
  assert.deepEqual(
    got,
    Array.from({ length: 10 }, (_, n) => `user.new ${n}`),
  );
  await publisher.close();
  await consumer.close();
  await rabbit.close();
});
