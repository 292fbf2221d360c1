import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { until } from '../../support/until.ts';
import { TestBroker, TestConsumer } from '../test-broker.ts';

const KIB = 1024;
const MESSAGES = 400;

/** A queue `hurt` most of whose messages are in segments, in the middle of which a byte is wrong; and a queue `well`. */
async function damaged(errors: object[]): Promise<TestBroker> {
  const test = await TestBroker.start({
    memoryLimitBytes: 64 * KIB,
    chunkBytes: 16 * KIB,
    segmentBytes: 1024 * KIB,
    log: { info: () => undefined, warn: () => undefined, error: (fields) => errors.push(fields) },
  });
  const queue = test.queue('hurt', { autoDelete: true });
  test.queue('well');
  for (let i = 0; i < MESSAGES; i++) test.publish('hurt', `${i}`.padEnd(1000, '.'));
  test.publish('well', 'fine');
  await test.flush();
  while ((queue.log.segments?.bytes ?? 0) < 200_000) await new Promise((resolve) => setTimeout(resolve, 5));
  await test.broker.close();
  const [path] = globSync(join(test.directory, 'logs', String(queue.id), '*.log'));
  const file = await open(path!, 'r+');
  await file.write(Buffer.from('!'), 0, 1, 150_000);
  await file.close();
  await test.open();
  return test;
}

describe('a queue whose segment is damaged', () => {
  it('delivers what is before the damage, cancels its consumers, says where it is, and leaves others alone', async () => {
    const errors: object[] = [];
    await using test = await damaged(errors);
    const queue = test.queue('hurt', { autoDelete: true });
    const consumer = new TestConsumer(queue);
    await until(() => consumer.wasCancelled);
    const inOrder = consumer.bodies.map((body) => Number.parseInt(body, 10));
    assert.deepEqual(inOrder, [...inOrder.keys()]);
    assert.ok(inOrder.length > 0 && inOrder.length < 150, `${inOrder.length} messages came`);
    assert.equal(errors.length, 1);
    const { path, offset, queue: name } = errors[0] as { path: string; offset: number; queue: string };
    assert.equal(name, 'hurt');
    assert.match(path, /\.log$/);
    assert.ok(offset > 0 && offset <= 150_000);
    assert.throws(
      () => new TestConsumer(queue),
      /'hurt' in vhost '\/' delivers nothing: .*is damaged at byte/,
    );

    assert.throws(() => queue.assertReadable(), { kind: 'precondition-failed' });

    const other = new TestConsumer(test.queue('well'));
    test.publish('well', 'as ever');
    await until(() => other.messages.length === 2);
    assert.deepEqual(other.bodies, ['fine', 'as ever']);
    // What is published is kept for the day on which somebody has decided.
    const ready = queue.readyCount;
    test.publish('hurt', 'more');
    await test.flush();
    assert.equal(queue.readyCount, ready + 1);
  });

  it('is a queue like any other once it is purged', async () => {
    await using test = await damaged([]);
    const queue = test.queue('hurt', { autoDelete: true });
    const consumer = new TestConsumer(queue);
    await until(() => consumer.wasCancelled);
    consumer.unacknowledged.ack(0, true);
    queue.purge();
    assert.equal(queue.readyCount, 0);
    const next = new TestConsumer(queue);
    test.publish('hurt', 'new');
    await until(() => next.messages.length === 1);
    assert.deepEqual(next.bodies, ['new']);
  });
});
