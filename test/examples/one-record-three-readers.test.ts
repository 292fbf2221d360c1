import assert from 'node:assert/strict';
import { test } from 'node:test';
import { oneRecordThreeReaders } from '../../examples/one-record-three-readers/demo.ts';
import { AmqpServer } from '../../src/servers/amqp091/server.ts';
import { KafkaTestServer } from '../servers/kafka/test-server.ts';

test('a record is read by a Kafka group, acknowledged in a queue, and replayed into another, all from one log', async () => {
  await using kafka = await KafkaTestServer.start();
  const amqp = await AmqpServer.listen(kafka.broker, { host: '127.0.0.1', port: 0, closeTimeoutMs: 500 });
  const lines: string[] = [];
  const { kafkaGroup, queue, lateQueue } = await oneRecordThreeReaders(
    { amqp: `amqp://127.0.0.1:${amqp.port}`, kafka: kafka.address },
    (line) => lines.push(line),
  );
  await amqp.close();
  const all = Array.from({ length: 10 }, (_, i) => `order ${i}`);
  assert.deepEqual(
    kafkaGroup,
    all.map((order, offset) => `${offset}: ${order}`),
  );
  assert.deepEqual(lateQueue, all);
  assert.deepEqual(
    queue,
    [0, 2, 4, 6, 8].map((i) => `eu.customer-${i}: order ${i}`),
  );
  assert.equal(lines.length, 7);
});
