import assert from 'node:assert/strict';
import { test } from 'node:test';
import { batchOf } from '../broker/streams/batches.ts';
import { TestAdmin } from './test-admin.ts';

async function withStream(admin: TestAdmin) {
  const stream = admin.broker.streams.create({ vhost: '/', name: 's', partitions: 2, configs: new Map() });
  for (const partition of stream.ownPartitions) {
    for (const [count, timestampMs] of [
      [4, 1000],
      [6, 1004],
    ] as const) {
      const batch = batchOf(
        Array.from({ length: count }, () => 'value'),
        timestampMs,
      );
      partition.append(batch, 0, batch.length);
    }
  }
  await admin.broker.shard.store.journal.flush();
  return stream;
}

function commit(admin: TestAdmin, streamId: string, offset: number): void {
  admin.broker.groups.commit({
    vhost: '/',
    group: 'g',
    memberId: '',
    instanceId: null,
    generation: -1,
    knowsEpochs: true,
    rows: { [streamId]: [[0, offset, 0, 'here']] },
  });
}

test('groups are listed and described, with how far they are behind', async () => {
  await using admin = await TestAdmin.start();
  const { id } = await withStream(admin);
  commit(admin, id, 4);
  const { items } = await admin.ask('GET', '/api/groups');
  assert.deepEqual(items, [
    { name: 'g', vhost: '/', type: 'classic', state: 'Empty', protocol_type: '', members: 0, lag: 6 },
  ]);
  const { body } = await admin.ask('GET', '/api/groups/%2F/g');
  const { committed_at: committedAt, ...offset } =
    (body.offsets as unknown as Record<string, unknown>[])[0] ?? {};
  assert.match(String(committedAt), /^\d{4}-/);
  assert.deepEqual(offset, {
    stream: 's',
    partition: 0,
    offset: 4,
    end_offset: 10,
    lag: 6,
    leader_epoch: 0,
    metadata: 'here',
  });
  assert.equal((await admin.ask('GET', '/api/groups/%2F/none')).status, 404);
});

test('a group without members is told where to read on, or is deleted', async () => {
  await using admin = await TestAdmin.start();
  const { id } = await withStream(admin);
  const path = '/api/groups/%2F/g/offsets';
  const offsets = async (body: object) => {
    const { status, items } = await admin.ask('POST', path, { stream: 's', ...body });
    assert.equal(status, 200);
    return items.map((each) => each.offset);
  };
  assert.deepEqual(await offsets({ to: 'latest' }), [10, 10]);
  assert.deepEqual(await offsets({ to: '-3', partition: 1 }), [7]);
  assert.deepEqual(await offsets({ to: '+100', dry_run: true }), [10, 10]);
  assert.deepEqual(await offsets({ to: new Date(1004).toISOString() }), [4, 4]);
  assert.deepEqual(await offsets({ to: '99', partition: 0 }), [10]);
  const { offsets: kept } = admin.broker.groups.find('/', 'g') ?? {};
  assert.deepEqual([kept?.get(id, 0)?.offset, kept?.get(id, 1)?.offset], [10, 4]);
  assert.equal((await admin.ask('POST', path, { stream: 's', to: 'soon' })).status, 400);
  assert.equal((await admin.ask('POST', path, { stream: 'none', to: 'latest' })).status, 404);
  assert.equal((await admin.ask('POST', path, { stream: 's', to: 'latest', partition: 2 })).status, 404);
  assert.equal((await admin.ask('DELETE', '/api/groups/%2F/g')).status, 204);
  assert.equal((await admin.ask('DELETE', '/api/groups/%2F/g')).status, 404);
});

test('a group with members is left alone', async () => {
  await using admin = await TestAdmin.start();
  await withStream(admin);
  admin.broker.groups.consumerHeartbeat('/', 'g', {
    memberId: 'one',
    epoch: 0,
    instanceId: null,
    rackId: null,
    rebalanceMs: 1000,
    names: ['s'],
    expression: null,
    assignor: null,
    owned: new Map(),
    clientId: 'client',
    host: '/127.0.0.1',
    maySee: () => true,
    classic: null,
  });
  const { body } = await admin.ask('GET', '/api/groups/%2F/g');
  assert.deepEqual(
    [body.type, body.state, body.assignor, body.member_details],
    [
      'consumer',
      'Stable',
      'uniform',
      [
        {
          id: 'one',
          instance_id: null,
          client_id: 'client',
          host: '/127.0.0.1',
          epoch: 1,
          partitions: [{ stream: 's', partitions: [0, 1] }],
        },
      ],
    ],
  );
  assert.equal((await admin.ask('DELETE', '/api/groups/%2F/g')).status, 409);
  const { status } = await admin.ask('POST', '/api/groups/%2F/g/offsets', { stream: 's', to: 'latest' });
  assert.equal(status, 409);
});
