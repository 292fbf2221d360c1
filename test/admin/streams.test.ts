import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from 'amqplib';
import { TestAdmin } from './test-admin.ts';

test('streams are made, described, changed and deleted, with their exchanges', async () => {
  await using admin = await TestAdmin.start();
  const path = '/api/streams/%2F/s';
  const configs = { 'retention.ms': '3600000' };
  assert.equal((await admin.ask('PUT', path, { partitions: 2, configs })).status, 201);
  assert.equal((await admin.ask('PUT', path, { partitions: 3 })).status, 204);
  assert.equal((await admin.ask('PUT', '/api/queues/%2F/q')).status, 201);
  const binding = { routing_key: '#', arguments: { 'x-replay-from': 'first' } };
  assert.equal((await admin.ask('POST', '/api/bindings/%2F/e/s/q/q', binding)).status, 201);

  const { body } = await admin.ask('GET', path);
  assert.deepEqual(
    [body.name, body.vhost, body.partition_count, body.configs, body.exchange_type, body.bindings],
    ['s', '/', 3, configs, 'x-stream', 1],
  );
  assert.deepEqual([body.messages, body.messages_to_feed, body.queue_arguments], [0, 0, null]);
  const partitions = body.partitions as unknown as readonly { readonly index: number }[];
  assert.deepEqual(
    partitions.map(({ index }) => index),
    [0, 1, 2],
  );
  const { items } = await admin.ask('GET', '/api/streams');
  assert.deepEqual(
    items.map(({ name }) => name as unknown),
    ['s'],
  );

  assert.equal((await admin.ask('DELETE', path)).status, 204);
  assert.equal((await admin.ask('GET', path)).status, 404);
  assert.equal((await admin.ask('GET', '/api/exchanges/%2F/s')).status, 404);
});

test('a queue of type stream is a stream', async () => {
  await using admin = await TestAdmin.start();
  const args = { 'x-queue-type': 'stream', 'x-max-age': '1D' };
  assert.equal((await admin.ask('PUT', '/api/queues/%2F/s', { arguments: args })).status, 201);
  assert.equal((await admin.ask('PUT', '/api/queues/%2F/s', { arguments: args })).status, 204);
  const { body } = await admin.ask('GET', '/api/streams/%2F/s');
  assert.deepEqual(body.queue_arguments, args);
  const { items } = await admin.ask('GET', '/api/queues');
  assert.deepEqual(
    items.map(({ name, type, messages }) => [name, type, messages] as unknown),
    [['s', 'stream', 0]],
  );
  assert.deepEqual((await admin.ask('GET', '/api/queues/%2F/s')).body.arguments, args);
  assert.equal((await admin.ask('DELETE', '/api/queues/%2F/s/contents')).status, 404);
  assert.deepEqual(body.configs, { 'retention.ms': '86400000', 'max.message.bytes': '99614720' });
  assert.equal((await admin.ask('DELETE', '/api/queues/%2F/s')).status, 204);
  assert.equal((await admin.ask('GET', '/api/streams/%2F/s')).status, 404);
});

test('what a stream cannot be is refused with a reason', async () => {
  await using admin = await TestAdmin.start();
  await admin.ask('PUT', '/api/exchanges/%2F/x', { type: 'topic' });
  const policy = { pattern: '^m$', definition: { remember: true } };
  await admin.ask('PUT', '/api/policies/%2F/p', policy);
  await admin.ask('PUT', '/api/exchanges/%2F/m', { type: 'fanout' });
  const refusals: readonly (readonly [string, string, unknown, number, RegExp])[] = [
    ['PUT', 's', { partitions: 0 }, 400, /cannot have 0 partitions/],
    ['PUT', 's', { configs: { 'retention.ms': 'x' } }, 400, /Invalid value x for configuration retention.ms/],
    ['PUT', 's', { configs: { nonsense: '1' } }, 400, /Unknown topic config name: nonsense/],
    ['PUT', 'x', {}, 400, /there is an exchange 'x' in vhost '\/'/],
    ['PUT', 'amq.s', {}, 403, /reserved prefix/],
    ['DELETE', 'none', undefined, 404, /no stream 'none'/],
    ['DELETE', 'm', undefined, 400, /is what its exchange remembers by a policy/],
  ];
  for (const [method, name, body, status, reason] of refusals) {
    const answer = await admin.ask(method, `/api/streams/%2F/${name}`, body);
    assert.equal(answer.status, status, `${method} ${name}: ${JSON.stringify(answer.body)}`);
    assert.match(String(answer.body.reason), reason);
  }
  assert.equal((await admin.ask('DELETE', '/api/exchanges/%2F/m')).status, 204);
  assert.equal((await admin.ask('GET', '/api/streams/%2F/m')).status, 404);
});

test('who reads a stream is listed with the consumers of queues', async () => {
  await using admin = await TestAdmin.start();
  const args = { 'x-queue-type': 'stream', 'x-single-active-consumer': true };
  await admin.ask('PUT', '/api/queues/%2F/s', { arguments: args });
  const connection = await connect(`amqp://127.0.0.1:${admin.server.port}`);
  const channel = await connection.createChannel();
  await channel.prefetch(5);
  for (const consumerTag of ['one', 'two']) {
    await channel.consume('s', () => undefined, { consumerTag, arguments: { 'x-stream-offset': 'first' } });
  }
  const { items } = await admin.ask('GET', '/api/consumers');
  const seen = items.map(({ consumer_tag, queue, prefetch_count, active }) => [
    consumer_tag,
    queue?.name,
    prefetch_count,
    active,
  ]) as unknown;
  assert.deepEqual(seen, [
    ['one', 's', 5, true],
    ['two', 's', 5, false],
  ]);
  assert.deepEqual((await admin.ask('GET', '/api/queues/%2F/s')).body.consumers, 2);
  await connection.close();
});
