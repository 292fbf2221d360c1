import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ACKNOWLEDGE } from '../../src/broker/groups/share/acknowledgement.ts';
import { AcquiredRanges } from '../../src/broker/groups/share/acquired-ranges.ts';
import { batchOf } from '../broker/streams/batches.ts';
import { ShardsAdmin } from './shards-admin.ts';
import { TestAdmin } from './test-admin.ts';

test('a share group is shown with what is left to do, told where to begin anew, and deleted', async () => {
  await using admin = await TestAdmin.start();
  const { shareGroups, streams, groupConfigs, shard } = admin.broker;
  const stream = streams.create({ vhost: '/', name: 's', partitions: 1, configs: new Map() });
  const batch = batchOf(['a', 'b', 'c', 'd', 'e']);
  stream.ownPartitions[0]?.append(batch, 0, batch.length);
  await shard.store.journal.flush();
  groupConfigs.set('/', 'g', new Map([['share.auto.offset.reset', 'earliest']]));
  const beat = (epoch: number) =>
    shareGroups.heartbeat('/', 'g', {
      memberId: 'ada',
      epoch,
      rackId: null,
      subscribed: ['s'],
      clientId: 'work',
      host: '/127.0.0.1',
    });
  beat(0);
  const share = shareGroups.find('/', 'g')?.readers.get(stream.id)?.get(0)?.share;
  assert.ok(share !== undefined);
  share.acquire('ada', 0, 3, 4, 4, new AcquiredRanges());
  share.acknowledge('ada', [{ firstOffset: 1, lastOffset: 2, types: [ACKNOWLEDGE.accept] }]);

  const { items } = await admin.ask('GET', '/api/groups');
  assert.deepEqual(items, [
    { name: 'g', vhost: '/', type: 'share', state: 'Stable', protocol_type: 'share', members: 1, lag: 3 },
  ]);
  const path = '/api/groups/%2F/g';
  const { body } = await admin.ask('GET', path);
  assert.deepEqual(body.offsets, [
    { stream: 's', partition: 0, offset: 0, end_offset: 5, lag: 3, in_flight: 2 },
  ]);
  assert.equal((await admin.ask('POST', `${path}/offsets`, { stream: 's', to: '4' })).status, 409);
  assert.equal((await admin.ask('DELETE', path)).status, 409);
  beat(-1);
  const moved = await admin.ask('POST', `${path}/offsets`, { stream: 's', to: '4' });
  assert.deepEqual(moved.items, [{ stream: 's', partition: 0, offset: 4, previous_offset: 0 }]);
  assert.equal(share.startOffset, 4);
  assert.equal((await admin.ask('DELETE', path)).status, 204);
  assert.equal((await admin.ask('GET', path)).status, 404);
});

test('a share group is shown with its partitions in all shards, and told there where to begin anew', async () => {
  await using admin = await ShardsAdmin.start();
  const { brokers } = admin.shards;
  const [first] = brokers;
  assert.ok(first !== undefined);
  first.streams.create({ vhost: '/', name: 's', partitions: 3, configs: new Map(), shards: 'spread' });
  first.shareGroups.ensure('/', 'g');
  await first.metadataIsSafe();
  for (const { streams, shard } of brokers) {
    const batch = batchOf(['a', 'b', 'c']);
    for (const partition of streams.get('/', 's')?.ownPartitions ?? [])
      partition.append(batch, 0, batch.length);
    await shard.durable();
  }
  const path = '/api/groups/%2F/g';
  const rows = (offset: number, previous: number | null, partitions = [0, 1, 2]) =>
    partitions.map((partition) => ({ stream: 's', partition, offset, previous_offset: previous }));
  const reset = async (body: object) =>
    (await admin.ask('POST', `${path}/offsets`, { stream: 's', ...body })).items;
  assert.deepEqual(await reset({ to: '2', dry_run: true }), rows(2, null));
  assert.deepEqual((await admin.ask('GET', path)).body.offsets, []);
  assert.deepEqual(await reset({ to: '2' }), rows(2, null));
  assert.deepEqual(await reset({ to: '-1', partition: 2 }), rows(1, 2, [2]));
  const { body } = await admin.ask('GET', path);
  assert.deepEqual(
    body.offsets,
    [2, 2, 1].map((offset, partition) => ({
      stream: 's',
      partition,
      offset,
      end_offset: 3,
      lag: 3 - offset,
      in_flight: 0,
    })),
  );
  assert.equal((await admin.ask('GET', '/api/groups')).items[0]?.lag, 4);
});
