import assert from 'node:assert/strict';
import { request } from 'node:http';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { connect } from 'amqplib';
import { BODY_BYTES_MAX } from '../../src/admin/request.ts';
import { type Answer, TestAdmin } from './test-admin.ts';

test('queues, exchanges and bindings are made, listed, and deleted with the paths of RabbitMQ', async () => {
  await using admin = await TestAdmin.start();
  assert.equal((await admin.ask('PUT', '/api/queues/%2F/a%2Fb', { arguments: { 'x-note': 1 } })).status, 201);
  assert.equal((await admin.ask('PUT', '/api/queues/%2F/a%2Fb', { arguments: { 'x-note': 1 } })).status, 204);
  assert.equal((await admin.ask('PUT', '/api/exchanges/%2F/x', { type: 'topic' })).status, 201);
  const path = '/api/bindings/%2F/e/x/q/a%2Fb';
  assert.equal((await admin.ask('POST', path, { routing_key: 'k.#', arguments: { n: 1 } })).status, 201);

  const { body: queue } = await admin.ask('GET', '/api/queues/%2F/a%2Fb');
  assert.deepEqual(
    [queue.name, queue.vhost, queue.durable, queue.auto_delete, queue.arguments, queue.state],
    ['a/b', '/', true, false, { 'x-note': 1 }, 'running'],
  );
  assert.deepEqual([queue.messages, queue.messages_ready, queue.messages_unacknowledged], [0, 0, 0]);
  assert.equal(queue.ledger.routed, 0);
  assert.equal(queue.latency_ms.publish_to_ack.count, 0);
  const { items: bindings } = await admin.ask('GET', '/api/queues/%2F/a%2Fb/bindings');
  assert.equal(bindings.length, 2);
  const binding = bindings.find((each) => String(each.source) === 'x')!;
  assert.deepEqual([binding.routing_key, binding.arguments], ['k.#', { n: 1 }]);
  const key = encodeURIComponent(String(binding.properties_key));
  assert.equal((await admin.ask('DELETE', `${path}/${key}`)).status, 204);
  assert.equal((await admin.ask('DELETE', `${path}/${key}`)).status, 404);
  assert.equal((await admin.ask('DELETE', '/api/exchanges/%2F/x?if-unused=true')).status, 204);
  assert.equal((await admin.ask('DELETE', '/api/queues/%2F/a%2Fb')).status, 204);
  // No name leads anywhere else.
  await admin.ask('PUT', '/api/queues/%2F/..');
  assert.deepEqual((await admin.ask('GET', '/api/queues/%2F/..')).body.name, '..');
  assert.equal((await admin.ask('DELETE', '/api/queues/%2F/..')).status, 204);
  const { body: left } = await admin.ask('GET', '/api/queues');
  assert.deepEqual(left, []);
});

test('what is refused is refused with a status, a word and a reason', async () => {
  await using admin = await TestAdmin.start();
  const refusals: readonly (readonly [string, string, unknown, number, string, RegExp])[] = [
    ['GET', '/api/queues/%2F/q', undefined, 404, 'not_found', /^no queue 'q' in vhost '\/'$/],
    ['GET', '/api/queues/nowhere', undefined, 404, 'not_found', /^no vhost 'nowhere'$/],
    ['GET', '/api/users/nobody', undefined, 404, 'not_found', /^no user 'nobody'$/],
    ['GET', '/else', undefined, 404, 'not_found', /^there is nothing at \/else$/],
    ['PATCH', '/api/queues', undefined, 405, 'method_not_allowed', /it takes GET$/],
    ['PUT', '/api/exchanges/%2F/x', {}, 400, 'bad_request', /^the body lacks 'type'/],
    ['PUT', '/api/exchanges/%2F/x', { type: 7 }, 400, 'bad_request', /^'type' has to be a string$/],
    ['PUT', '/api/exchanges/%2F/amq.x', { type: 'topic' }, 403, 'access_refused', /reserved prefix/],
    ['PUT', '/api/permissions/%2F/guest', { configure: '(', write: '', read: '' }, 400, 'bad_request', /./],
    ['PUT', '/api/vhost-limits/%2F/max-fun', { value: 1 }, 400, 'bad_request', /there is no limit 'max-fun'/],
    ['DELETE', '/api/connections/c', undefined, 404, 'not_found', /^no connection 'c'$/],
  ];
  for (const [method, path, body, status, error, reason] of refusals) {
    const answer = await admin.ask(method, path, body);
    assert.deepEqual([answer.status, answer.body.error], [status, error], `${method} ${path}`);
    assert.match(String(answer.body.reason), reason);
  }
  assert.equal((await admin.askRaw('PUT', '/api/queues/%2F/q', '{')).status, 400);
  assert.equal((await admin.askRaw('PUT', '/api/queues/%2F/q', '[1]')).status, 400);
  assert.equal((await admin.askRaw('PUT', '/api/queues/%2F/q', ' '.repeat(BODY_BYTES_MAX + 1))).status, 413);
  assert.equal((await admin.ask('PUT', '/api/queues/%2F/q')).status, 201);
});

test('users and what they may do are managed, and take effect', async () => {
  await using admin = await TestAdmin.start();
  assert.equal(
    (await admin.ask('PUT', '/api/users/al', { password: 'secret', tags: 'monitoring,ops' })).status,
    201,
  );
  const url = `amqp://al:secret@127.0.0.1:${admin.server.port}`;
  await assert.rejects(connect(url), /ConnectionClose/);
  const permissions = { configure: '.*', write: '.*', read: '^$' };
  assert.equal((await admin.ask('PUT', '/api/permissions/%2F/al', permissions)).status, 201);
  const connection = await connect(url);
  connection.on('error', () => undefined);
  assert.deepEqual((await admin.ask('GET', '/api/permissions/%2F/al')).body, {
    user: 'al',
    vhost: '/',
    ...permissions,
  });
  const { body: user } = await admin.ask('GET', '/api/users/al');
  assert.deepEqual([user.tags, user.has_password], [['monitoring', 'ops'], true]);
  assert.equal((await admin.ask('PUT', '/api/users/al', { tags: [] })).status, 204);
  assert.deepEqual((await admin.ask('GET', '/api/users/al')).body.tags, []);
  assert.equal((await admin.ask('PUT', '/api/user-limits/al/max-channels', { value: 1 })).status, 204);
  assert.deepEqual((await admin.ask('GET', '/api/user-limits/al')).body, [
    { user: 'al', value: { 'max-channels': 1 } },
  ]);
  const closed = new Promise((resolve) => connection.once('close', resolve));
  assert.equal((await admin.ask('DELETE', '/api/users/al')).status, 204);
  await closed;
  assert.deepEqual(JSON.stringify((await admin.ask('GET', '/api/permissions')).body).includes('"al"'), false);
});

test('connections, channels and consumers are shown, and connections closed', async () => {
  await using admin = await TestAdmin.start();
  const connection = await connect(`amqp://127.0.0.1:${admin.server.port}`);
  const closed = new Promise((resolve) => connection.once('close', resolve));
  const channel = await connection.createChannel();
  await channel.assertQueue('q');
  await channel.consume('q', () => undefined, { consumerTag: 'c' });
  const { items: connections } = await admin.ask('GET', '/api/connections');
  assert.equal(connections.length, 1);
  const { name, user, channels, client_properties } = connections[0];
  assert.deepEqual([user, channels, client_properties!.product], ['guest', 1, 'amqplib']);
  const encoded = encodeURIComponent(String(name));
  const { items: listed } = await admin.ask('GET', `/api/connections/${encoded}/channels`);
  assert.deepEqual([listed[0].name, listed[0].consumer_count], [`${name} (1)`, 1]);
  assert.equal((await admin.ask('GET', `/api/channels/${encodeURIComponent(`${name} (1)`)}`)).status, 200);
  const { items: consumers } = await admin.ask('GET', '/api/consumers/%2F');
  assert.deepEqual([consumers[0].consumer_tag, consumers[0].queue], ['c', { name: 'q', vhost: '/' }]);
  const { body: overview } = await admin.ask('GET', '/api/overview');
  assert.deepEqual(overview.object_totals, {
    connections: 1,
    channels: 1,
    consumers: 1,
    exchanges: 8,
    queues: 1,
  });

  assert.equal((await admin.ask('DELETE', `/api/connections/${encoded}?reason=enough`)).status, 204);
  assert.match(String(await closed), /320 \(CONNECTION-FORCED\).*enough/);
});

test('a queue is purged, also of messages that it has told nobody of', async () => {
  await using admin = await TestAdmin.start();
  const connection = await connect(`amqp://127.0.0.1:${admin.server.port}`);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue('q');
  for (let i = 0; i < 5; i++) channel.sendToQueue('q', Buffer.from('x'), { persistent: true });
  await channel.waitForConfirms();
  assert.deepEqual((await admin.ask('DELETE', '/api/queues/%2F/q/contents')).body, { messages: 5 });
  const { body: queue } = await admin.ask('GET', '/api/queues/%2F/q');
  assert.deepEqual([queue.messages, queue.ledger.routed, queue.ledger.purged], [0, 5, 5]);
  await connection.close();
});

test('events come as lines, those that were asked for, with who did it', async () => {
  await using admin = await TestAdmin.start();
  const { promise, resolve, reject } = Promise.withResolvers<string[]>();
  const path = '/api/events?pattern=*.created';
  const lines: string[] = [];
  const answers: Promise<Answer>[] = [];
  const asked = request({ socketPath: admin.socket.path, path, agent: false }, (answer) => {
    answers.push(admin.ask('PUT', '/api/queues/%2F/q'), admin.ask('PUT', '/api/users/u', { password: 'p' }));
    answer.on('error', () => undefined);
    createInterface(answer)
      .on('line', (line) => lines.push(line) === 2 && resolve(lines))
      .on('error', () => undefined);
  });
  asked.on('error', reject);
  asked.end();
  const events = (await promise).map((line) => JSON.parse(line));
  asked
    .off('error', reject)
    .on('error', () => undefined)
    .destroy();
  await Promise.all(answers);
  const seen = events.map((event) => [event.event, event.name, event.user_who_performed_action]).sort();
  assert.deepEqual(seen, [
    ['queue.created', 'q', 'tester'],
    ['user.created', 'u', 'tester'],
  ]);
});

test('virtual hosts come and go, with limits, and can be traced', async () => {
  await using admin = await TestAdmin.start();
  assert.equal((await admin.ask('PUT', '/api/vhosts/v')).status, 201);
  assert.equal((await admin.ask('PUT', '/api/vhosts/v', { tracing: true })).status, 204);
  assert.equal((await admin.ask('GET', '/api/vhosts/v')).body.tracing, true);
  assert.equal((await admin.ask('PUT', '/api/vhost-limits/v/max-queues', { value: 0 })).status, 204);
  assert.deepEqual((await admin.ask('GET', '/api/vhost-limits')).body, [
    { vhost: 'v', value: { 'max-queues': 0 } },
  ]);
  assert.equal((await admin.ask('PUT', '/api/queues/v/one-too-many')).status, 400);
  const use = (await admin.ask('GET', '/api/vhosts/v/objects')).body;
  assert.deepEqual(use[0], { kind: 'queues', used: 0, limit: 0 });
  assert.equal((await admin.ask('DELETE', '/api/vhost-limits/v/max-queues')).status, 204);
  assert.equal((await admin.ask('DELETE', '/api/vhosts/v')).status, 204);
  assert.equal((await admin.ask('GET', '/api/vhosts/v')).status, 404);
  assert.equal(admin.broker.tracing.of('v'), null);
});

test('policies are set, take effect, are told of and cleared', async () => {
  await using admin = await TestAdmin.start();
  const told: unknown[] = [];
  admin.broker.events.listen(({ name, fields }) => told.push([name, fields.name]));
  await admin.ask('PUT', '/api/queues/%2F/short.1');
  const policy = { pattern: '^short', definition: { 'max-length': 3 }, 'apply-to': 'queues', priority: 2 };
  assert.equal((await admin.ask('PUT', '/api/policies/%2F/shorten', policy)).status, 201);
  assert.deepEqual((await admin.ask('GET', '/api/policies')).body, [
    { vhost: '/', name: 'shorten', ...policy },
  ]);
  const limit = { pattern: '.*', definition: { 'max-length': 2 } };
  assert.equal((await admin.ask('PUT', '/api/operator-policies/%2F/limit', limit)).status, 201);
  const { body: queue } = await admin.ask('GET', '/api/queues/%2F/short.1');
  assert.deepEqual(
    [queue.policy, queue.operator_policy, queue.effective_policy_definition],
    ['shorten', 'limit', { 'max-length': 2 }],
  );
  const wrong = await admin.ask('PUT', '/api/policies/%2F/x', {
    pattern: '(',
    definition: { 'max-length': 1 },
  });
  assert.deepEqual([wrong.status, wrong.body.error], [400, 'bad_request']);
  assert.equal((await admin.ask('DELETE', '/api/policies/%2F/shorten')).status, 204);
  assert.equal((await admin.ask('DELETE', '/api/policies/%2F/shorten')).status, 404);
  assert.deepEqual(told.slice(1), [
    ['policy.set', 'shorten'],
    ['policy.set', 'limit'],
    ['policy.cleared', 'shorten'],
  ]);
});
