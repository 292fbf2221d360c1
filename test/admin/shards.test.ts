import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { request } from 'node:http';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type ChannelModel, connect } from 'amqplib';
import { until } from '../support/until.ts';
import { ShardsAdmin } from './shards-admin.ts';
import type { Fields } from './test-admin.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const SHARDS = [0, 1, 2];

/** A queue in each shard, `q0` to `q2`, with messages: as many as the shard's number, and one that is not acknowledged. */
async function withMessages(admin: ShardsAdmin): Promise<ChannelModel[]> {
  const connections: ChannelModel[] = [];
  for (const shard of SHARDS) {
    const path = `/api/queues/%2F/q${shard}`;
    assert.equal((await admin.ask('PUT', path, { arguments: { 'x-shard': shard } })).status, 201);
    const connection = await connect(admin.urlOf(shard));
    connection.on('error', () => undefined);
    const channel = await connection.createConfirmChannel();
    channel.on('error', () => undefined);
    for (let i = 0; i <= shard; i++) channel.sendToQueue(`q${shard}`, Buffer.from('x'), { persistent: true });
    await channel.waitForConfirms();
    await channel.prefetch(1);
    await channel.consume(`q${shard}`, () => undefined, { consumerTag: `c${shard}` });
    connections.push(connection);
  }
  await until(async () => {
    const { items } = await admin.ask('GET', '/api/queues');
    return items.every((each) => Number(each.messages_unacknowledged) === 1);
  });
  return connections;
}

async function closeAll(connections: readonly ChannelModel[]): Promise<void> {
  for (const connection of connections) await connection.close().catch(() => undefined);
}

describe('the administration of several shards', () => {
  it('shows the partitions of a stream wherever they are, the lag of groups, and sets their offsets', async () => {
    await using admin = await ShardsAdmin.start();
    const [home] = admin.shards.brokers;
    home?.streams.create({ vhost: '/', name: 't', partitions: 3, configs: new Map(), shards: 'spread' });
    await home?.metadataIsSafe();
    const connection = await connect(admin.urlOf(1));
    const channel = await connection.createConfirmChannel();
    for (let i = 0; i < 9; i++)
      channel.publish('t', '', Buffer.from('m'), { headers: { 'x-partition': i % 3 }, persistent: true });
    await channel.waitForConfirms();
    const { body } = await admin.ask('GET', '/api/streams/%2F/t');
    assert.equal(body.messages, 9);
    const partitions = body.partitions as unknown as readonly Fields[];
    for (const [index, partition] of partitions.entries()) {
      const { shard, start_offset, high_watermark, damaged, bytes } = partition;
      assert.deepEqual([shard, start_offset, high_watermark, damaged], [index, 0, 3, false]);
      assert.ok(Number(bytes) > 0);
    }
    const { items } = await admin.ask('GET', '/api/streams');
    assert.deepEqual(
      items.map(({ name, messages }) => [name, messages]),
      [['t', 9]],
    );
    const { status } = await admin.ask('POST', '/api/groups/%2F/g/offsets', { stream: 't', to: '1' });
    assert.equal(status, 200);
    const group = await admin.ask('GET', '/api/groups/%2F/g');
    assert.equal(group.body.lag, 6);
    const at = new Date(Date.now() - 60_000).toISOString();
    const moved = await admin.ask('POST', '/api/groups/%2F/g/offsets', { stream: 't', to: at });
    assert.deepEqual(
      (moved.body as unknown as readonly Fields[]).map((each) => each.offset),
      [0, 0, 0],
    );
    const overview = await admin.ask('GET', '/api/overview');
    assert.deepEqual(overview.body.stream_totals, { streams: 1, partitions: 3 });
    assert.deepEqual(
      (overview.body.shards as unknown as readonly Fields[]).map((each) => each.partitions),
      [1, 1, 1],
    );
    const binding = { routing_key: '#' };
    await admin.ask('PUT', '/api/queues/%2F/q', { arguments: { 'x-shard': 2 } });
    assert.equal((await admin.ask('POST', '/api/bindings/%2F/e/t/q/q', binding)).status, 201);
    channel.publish('t', '', Buffer.from('m'), { headers: { 'x-partition': 1 }, persistent: true });
    await channel.waitForConfirms();
    await until(async () => ((await admin.ask('GET', '/api/queues/%2F/q')).body.messages as unknown) === 1);
    await connection.close();
  });

  it('shows a queue of another shard as that shard shows it', async () => {
    await using admin = await ShardsAdmin.start();
    const connections = await withMessages(admin);
    const { items } = await admin.ask('GET', '/api/queues/%2F');
    assert.deepEqual(
      items.map((each) => [each.name, each.shard, each.messages, each.messages_ready, each.consumers]),
      SHARDS.map((shard) => [`q${shard}`, shard, shard + 1, shard, 1]),
    );
    for (const shard of SHARDS) {
      const path = `/api/queues/%2F/q${shard}`;
      const { body } = await admin.ask('GET', path);
      assert.deepEqual(body, (await admin.askOf(shard, 'GET', path)).body);
      assert.deepEqual(body, items[shard]);
      assert.equal(body.ledger.routed, shard + 1);
      assert.equal(body.latency_ms.publish_to_deliver.count, 1);
    }
    await closeAll(connections);
  });

  it('tells of the single active consumer of a queue in another shard', async () => {
    await using admin = await ShardsAdmin.start();
    const settings = { arguments: { 'x-shard': 2, 'x-single-active-consumer': true } };
    await admin.ask('PUT', '/api/queues/%2F/q', settings);
    const connection = await connect(admin.urlOf(2));
    const channel = await connection.createChannel();
    for (const consumerTag of ['a', 'b']) await channel.consume('q', () => undefined, { consumerTag });
    const { body } = await admin.ask('GET', '/api/queues/%2F/q');
    assert.deepEqual([body.single_active_consumer_tag, body.consumers], ['a', 2]);
    await connection.close();
  });

  it('asks a shard for many queues at once', async () => {
    await using admin = await ShardsAdmin.start();
    const [first] = admin.shards.brokers;
    for (let i = 0; i < 900; i++) {
      const name = `many${i}`;
      const args = { 'x-shard': i % 3 };
      const declaration = { name, durable: true, exclusive: false, autoDelete: false, arguments: args };
      admin.shards.vhost(0).declareQueue(declaration, null);
    }
    await first.metadataIsSafe();
    const door = async (): Promise<number> =>
      Number((await first.allShards.figures())[0].doors.find(({ peer }) => peer === 1)?.sent.frames);
    const before = await door();
    const { items } = await admin.ask('GET', '/api/queues');
    const frames = (await door()) - before;
    assert.equal(items.length, 900);
    for (const [i, item] of items.entries()) assert.deepEqual([item.name, item.shard], [`many${i}`, i % 3]);
    assert.ok(frames < 20, `${frames} frames`);
  });

  it('sums up what there is in all shards, and says what each of them has', async () => {
    await using admin = await ShardsAdmin.start();
    const connections = await withMessages(admin);
    const { body } = await admin.ask('GET', '/api/overview');
    assert.deepEqual(body.object_totals, {
      connections: 3,
      channels: 3,
      consumers: 3,
      exchanges: 8,
      queues: 3,
    });
    assert.deepEqual(body.queue_totals, { messages: 6, messages_ready: 3, messages_unacknowledged: 3 });
    assert.deepEqual(body.message_stats, { publish: 6, ack: 0, deliver_get: 3, redeliver: 0 });
    const shards = body.shards as unknown as Fields[];
    assert.deepEqual(
      shards.map((each) => [each.shard, each.connections, each.channels, each.queues, each.messages]),
      SHARDS.map((shard) => [shard, 1, 1, 1, shard + 1]),
    );
    const journals = shards.map((each) => Number(each.journal_bytes));
    assert.ok(journals.every((bytes) => bytes > 0));
    assert.equal(
      Number(body.journal_bytes),
      journals.reduce((sum, bytes) => sum + bytes),
    );
    for (const each of shards) {
      assert.ok(Number(each.durable_block) > 0);
      const doors = each.doors as unknown as Fields[];
      assert.deepEqual(
        doors.map((door) => door.shard),
        SHARDS.filter((shard) => shard !== Number(each.shard)),
      );
      const ofMetadata = doors.find((door) => Number(door.shard) === 0);
      if (ofMetadata !== undefined) assert.ok(Number(ofMetadata.received_bytes) > 0);
    }
    admin.shards.brokers[2].shard.setAlarm('disk', true);
    const { body: blocked } = await admin.ask('GET', '/api/overview');
    assert.deepEqual(blocked.blocked_reasons, ['disk']);
    assert.deepEqual(
      (blocked.shards as unknown as Fields[]).map((each) => each.blocked_reasons),
      [[], [], ['disk']],
    );
    admin.shards.brokers[2].shard.setAlarm('disk', false);
    const { items: vhosts } = await admin.ask('GET', '/api/vhosts');
    assert.deepEqual(
      vhosts.map(({ name, queues, connections: count, messages }) => [name, queues, count, messages]),
      [['/', 3, 3, 6]],
    );
    await closeAll(connections);
  });

  it('lists, describes and closes the connections of all shards', async () => {
    await using admin = await ShardsAdmin.start();
    const connections = await withMessages(admin);
    const { items } = await admin.ask('GET', '/api/connections');
    assert.deepEqual(
      items.map((each) => each.shard),
      SHARDS,
    );
    assert.equal(new Set(items.map((each) => each.id)).size, 3);
    for (const shard of SHARDS) {
      const { name } = items[shard];
      const encoded = encodeURIComponent(String(name));
      const { body } = await admin.ask('GET', `/api/connections/${encoded}`);
      assert.deepEqual(body.client_properties, items[shard].client_properties);
      assert.equal(body.client_properties.product, 'amqplib');
      const { items: channels } = await admin.ask('GET', `/api/connections/${encoded}/channels`);
      assert.deepEqual(
        channels.map((each) => [each.name, each.shard, each.messages_unacknowledged]),
        [[`${name} (1)`, shard, 1]],
      );
      const path = `/api/channels/${encodeURIComponent(`${name} (1)`)}`;
      assert.deepEqual((await admin.ask('GET', path)).body, channels[0]);
    }
    const { items: channels } = await admin.ask('GET', '/api/vhosts/%2F/channels');
    assert.equal(channels.length, 3);
    const { items: consumers } = await admin.ask('GET', '/api/consumers');
    assert.deepEqual(
      consumers.map((each) => [each.consumer_tag, each.shard]),
      SHARDS.map((shard) => [`c${shard}`, shard]),
    );
    const closed = new Promise((resolve) => connections[2].once('close', resolve));
    const path = `/api/connections/${encodeURIComponent(String(items[2].name))}`;
    assert.equal((await admin.ask('DELETE', `${path}?reason=enough`)).status, 204);
    assert.match(String(await closed), /320 \(CONNECTION-FORCED\).*enough/);
    await until(async () => (await admin.ask('DELETE', path)).status === 404);
    assert.equal((await admin.ask('GET', path)).status, 404);
    await closeAll(connections.slice(0, 2));
  });

  it('lists connections and channels in pages, as many as there are', async () => {
    await using admin = await ShardsAdmin.start();
    const { connections } = admin.shards.brokers[1];
    for (let i = 0; i < 350; i++) {
      const name = `c${i}`;
      const channels = () => Array.from({ length: 30 }, (_, number) => ({ name: `${name} (${number})` }));
      const close = (): void => undefined;
      const described = { name, clientProperties: { n: 1n }, peer: {}, local: {}, tls: null };
      connections.add({
        name,
        user: 'u',
        vhost: i < 300 ? '/' : 'v',
        describe: () => described as never,
        channels: channels as never,
        consumers: () => [],
        trace: close,
        close,
      });
    }
    const { items } = await admin.ask('GET', '/api/vhosts/%2F/connections');
    assert.deepEqual(
      items.map((each) => each.name),
      Array.from({ length: 300 }, (_, i) => `c${i}`),
    );
    assert.deepEqual(items[0].client_properties, { n: 1 });
    const { items: channels } = await admin.ask('GET', '/api/channels');
    assert.equal(new Set(channels.map((each) => each.name)).size, 350 * 30);
  });

  it('deletes and purges queues of any shard, and refuses as their shard refuses', async () => {
    await using admin = await ShardsAdmin.start();
    const connections = await withMessages(admin);
    const path = '/api/queues/%2F/q2';
    const refused = await admin.ask('DELETE', `${path}?if-unused=true`);
    assert.deepEqual([refused.status, refused.body.error], [400, 'bad_request']);
    assert.deepEqual((await admin.ask('DELETE', `${path}/contents`)).body, { messages: 2 });
    assert.equal((await admin.ask('GET', path)).body.ledger.purged, 2);
    const binding = '/api/bindings/%2F/e/amq.topic/q/q2';
    assert.equal((await admin.ask('POST', binding, { routing_key: 'k' })).status, 201);
    for (const shard of SHARDS) {
      const bound = admin.shards.vhost(shard).listBindings({ source: 'amq.topic' });
      assert.deepEqual(
        bound.map((each) => [each.destination, each.routingKey]),
        [['q2', 'k']],
      );
    }
    assert.equal((await admin.ask('DELETE', path)).status, 204);
    for (const shard of SHARDS) assert.equal(admin.shards.vhost(shard).findQueue('q2'), undefined);
    assert.equal((await admin.ask('GET', path)).status, 404);
    await closeAll(connections);
  });

  it('deletes an exclusive queue of a connection in another shard', async () => {
    await using admin = await ShardsAdmin.start();
    const connection = await connect(admin.urlOf(1));
    const channel = await connection.createChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    const path = `/api/queues/%2F/${queue}`;
    const { body } = await admin.ask('GET', path);
    assert.deepEqual([body.exclusive, body.shard], [true, 1]);
    assert.equal((await admin.ask('DELETE', path)).status, 204);
    for (const shard of SHARDS) assert.equal(admin.shards.vhost(shard).findQueue(queue), undefined);
    await connection.close();
  });

  it('has policies, users, permissions and limits in effect in all shards when it answers', async () => {
    await using admin = await ShardsAdmin.start();
    await admin.ask('PUT', '/api/queues/%2F/q', { arguments: { 'x-shard': 1 } });
    const policy = { pattern: '^q$', definition: { 'max-length': 7 } };
    assert.equal((await admin.ask('PUT', '/api/policies/%2F/p', policy)).status, 201);
    for (const shard of SHARDS) {
      const queue = admin.shards.vhost(shard).findQueue('q');
      assert.equal(queue?.settings.maxLength, 7);
    }
    const { body } = await admin.ask('GET', '/api/queues/%2F/q');
    assert.deepEqual([body.policy, body.effective_policy_definition], ['p', { 'max-length': 7 }]);
    assert.equal((await admin.ask('PUT', '/api/users/al', { password: 'secret', tags: '' })).status, 201);
    const rights = { configure: '.*', write: '.*', read: '^$' };
    assert.equal((await admin.ask('PUT', '/api/permissions/%2F/al', rights)).status, 201);
    assert.equal((await admin.ask('PUT', '/api/user-limits/al/max-channels', { value: 1 })).status, 204);
    for (const shard of SHARDS) {
      const { access } = admin.shards.brokers[shard];
      const user = await access.authenticate('al', 'secret', true);
      assert.ok(user?.may('write', '/', 'q'));
      assert.deepEqual(user?.limits, { 'max-channels': 1 });
    }
  });

  it('closes the connections of a user, and of a virtual host, in all shards when it is deleted', async () => {
    await using admin = await ShardsAdmin.start();
    await admin.ask('PUT', '/api/vhosts/v');
    const rights = { configure: '.*', write: '.*', read: '.*' };
    for (const user of ['al', 'bo']) {
      await admin.ask('PUT', `/api/users/${user}`, { password: 'secret', tags: '' });
      for (const vhost of ['%2F', 'v']) await admin.ask('PUT', `/api/permissions/${vhost}/${user}`, rights);
    }
    const ends: Promise<unknown>[] = [];
    const open = async (url: string): Promise<void> => {
      const connection = await connect(url);
      connection.on('error', () => undefined);
      ends.push(new Promise((resolve) => connection.once('close', resolve)));
    };
    for (const shard of SHARDS) await open(admin.urlOf(shard, 'al:secret'));
    assert.equal((await admin.ask('DELETE', '/api/users/al')).status, 204);
    await Promise.all(ends);

    for (const shard of SHARDS) {
      await open(admin.urlOf(shard, 'bo:secret', '/v'));
      await admin.ask('PUT', `/api/queues/v/q${shard}`, { arguments: { 'x-shard': shard } });
    }
    assert.equal((await admin.ask('GET', '/api/vhosts/v')).body.connections, 3);
    assert.equal((await admin.ask('DELETE', '/api/vhosts/v')).status, 204);
    await Promise.all(ends);
    for (const { vhosts } of admin.shards.brokers) assert.equal(vhosts.get('v'), undefined);
    assert.deepEqual((await admin.ask('GET', '/api/connections')).body, []);
  });

  it('traces messages in all shards', async () => {
    await using admin = await ShardsAdmin.start();
    assert.equal((await admin.ask('PUT', '/api/vhosts/%2F', { tracing: true })).status, 204);
    for (const { tracing } of admin.shards.brokers) assert.ok(tracing.of('/') !== null);
    await admin.ask('PUT', '/api/queues/%2F/tap', { arguments: { 'x-shard': 2 } });
    await admin.ask('POST', '/api/bindings/%2F/e/amq.rabbitmq.trace/q/tap', { routing_key: '#' });
    const connection = await connect(admin.urlOf(2));
    const channel = await connection.createConfirmChannel();
    channel.publish('amq.fanout', 'k', Buffer.from('traced'));
    await channel.waitForConfirms();
    await until(async () => Number((await admin.ask('GET', '/api/queues/%2F/tap')).body.messages) === 1);
    assert.equal((await admin.ask('PUT', '/api/vhosts/%2F', { tracing: false })).status, 204);
    for (const { tracing } of admin.shards.brokers) assert.equal(tracing.of('/'), null);
    await connection.close();
  });

  it('prints a line for each shard under the overview', async () => {
    await using admin = await ShardsAdmin.start();
    await admin.ask('PUT', '/api/queues/%2F/q', { arguments: { 'x-shard': 1 } });
    const sluice = async (...words: string[]): Promise<string> => {
      const args = ['--disable-warning=ExperimentalWarning', MAIN, ...words];
      const env = { ...process.env, SLUICE_DATA_DIR: admin.shards.directoryOf(0) };
      return (await promisify(execFile)(process.execPath, args, { env })).stdout;
    };
    const overview = (await sluice('overview')).split('\n');
    const at = overview.findIndex((line) => line.startsWith('SHARD '));
    assert.deepEqual(
      overview.slice(at + 1, at + 4).map((line) => line.trim().split(/\s+/).slice(0, 4)),
      SHARDS.map((shard) => [String(shard), '0', '0', shard === 1 ? '1' : '0']),
    );
    assert.match(await sluice('queues', 'list'), /SHARD\n.* q .* 1\n$/);
  });
});

describe('events of several shards', () => {
  /** The lines of `/api/events`, and how to stop reading them. */
  async function follow(
    admin: ShardsAdmin,
    pattern: string,
    isRead = true,
  ): Promise<{ readonly lines: Fields[]; resume(): void; stop(): void }> {
    const lines: Fields[] = [];
    const { promise, resolve, reject } = Promise.withResolvers<() => void>();
    const path = `/api/events?pattern=${pattern}`;
    const asked = request({ socketPath: admin.socketPath, path, agent: false }, (answer) => {
      answer.on('error', () => undefined);
      const read = (): void => {
        createInterface(answer)
          .on('line', (line) => lines.push(JSON.parse(line)))
          .on('error', () => undefined);
      };
      if (isRead) read();
      resolve(read);
    });
    asked.on('error', reject);
    asked.end();
    const resume = await promise;
    const stop = (): void => {
      asked
        .off('error', reject)
        .on('error', () => undefined)
        .destroy();
    };
    return { lines, resume, stop };
  }

  it('come in one stream, each once, with the shard that they happened in', async () => {
    await using admin = await ShardsAdmin.start();
    const { lines, stop } = await follow(admin, '*.created');
    const connections: ChannelModel[] = [];
    for (const shard of SHARDS) {
      connections.push(await connect(admin.urlOf(shard)));
      await admin.ask('PUT', `/api/queues/%2F/q${shard}`, { arguments: { 'x-shard': shard } });
    }
    await until(() => lines.length >= 6);
    const seen = lines.map((each) => [each.event, each.shard]).sort();
    assert.deepEqual(seen, [
      ...SHARDS.map((shard) => ['connection.created', shard]),
      ...SHARDS.map(() => ['queue.created', 0]),
    ]);
    assert.equal(lines.find((each) => Number(each.shard) === 2)?.client_properties.product, 'amqplib');
    stop();
    // Nobody listens any more: nothing is sent.
    const isHeard = (): boolean => admin.shards.brokers.some(({ events }) => events.isHeard);
    await until(() => !isHeard());
    await closeAll(connections);
  });

  it('are lost, and counted, where too many come for a listener, and hold no shard up', async () => {
    await using admin = await ShardsAdmin.start();
    const { lines, resume, stop } = await follow(admin, '#', false);
    const { events } = admin.shards.brokers[1];
    const COUNT = 30_000;
    // More than wait in a shard, and more than the answer holds.
    for (let i = 0; i < COUNT; i++) events.emit('policy.set', { n: i, text: 'x'.repeat(200) });
    assert.equal((await admin.ask('GET', '/api/overview')).status, 200);
    resume();
    const told = (): number => lines.filter((each) => String(each.event) === 'policy.set').length;
    const lost = (): number =>
      lines
        .filter((each) => String(each.event) === 'events.lost')
        .reduce((sum, each) => sum + Number(each.count), 0);
    await until(() => {
      events.emit('policy.set', { n: -1 });
      return lost() > 0 && told() + lost() >= COUNT;
    });
    assert.ok(told() < COUNT);
    stop();
  });
});
