import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Broker } from '../../../src/broker/broker.ts';
import { BrokerError } from '../../../src/broker/errors.ts';
import { GroupError } from '../../../src/broker/groups/group-error.ts';
import { asLocal } from '../../../src/broker/queues/any-queue.ts';
import type { Partition } from '../../../src/broker/streams/partition.ts';
import { RandomChoices } from '../../support/random-choices.ts';
import { batchOf } from '../streams/batches.ts';
import { TestBroker } from '../test-broker.ts';
import { counted, recounted } from './object-recount.ts';

const USERS = ['u0', 'u1', 'u2'];
const VHOSTS = ['/', 'other'];
const UNCONDITIONALLY = { ifUnused: false, ifEmpty: false };
const SEEDS = 12;
const OPERATIONS = 250;

describe('what users have made', () => {
  it('is counted right whatever comes and goes, over restarts and deleted users and virtual hosts', async () => {
    for (let seed = 1; seed <= SEEDS; seed++) await run(seed);
  });

  it('counts for the virtual host alone where an older version has not said who made it', async () => {
    await using test = await TestBroker.start();
    test.queue('q');
    assert.equal(test.broker.quotas.count('queues', { vhost: '/' }), 1);
    await test.restart();
    assert.deepEqual(counted(test.broker, USERS, VHOSTS), { 'vhost / queues': 1 });
  });
});

describe('a limit', () => {
  it('refuses what is one too many, and names itself and its setting; deleting makes room', async () => {
    await using test = await TestBroker.start({ objectLimits: { user: { queues: 2 } } });
    const vhost = vhostOf(test.broker, '/');
    const declare = (name: string) => vhost.declareQueue(queue(name, 'u0'), null);
    declare('a');
    declare('b');
    assert.throws(() => declare('c'), {
      kind: 'limit-reached',
      message: "user 'u0' has reached the limit of 2 queues; it is set by 'user-limits'",
    });
    declare('b');
    vhost.declareQueue(queue('c', 'u1'), null);
    vhost.deleteQueue('a', { ifUnused: false, ifEmpty: false }, null);
    declare('d');
  });

  it('holds for partitions together, also for those that are added later', async () => {
    await using test = await TestBroker.start({ objectLimits: { user: { partitions: 10 } } });
    const { streams } = test.broker;
    const spec = { vhost: '/', configs: new Map<string, string>(), user: 'u0' };
    const stream = streams.create({ ...spec, name: 's', partitions: 6 });
    assert.throws(() => streams.create({ ...spec, name: 't', partitions: 5 }), { kind: 'limit-reached' });
    assert.throws(() => streams.addPartitions(stream, 11), { kind: 'limit-reached' });
    streams.addPartitions(stream, 10);
  });

  it('of memory holds for all kinds together', async () => {
    await using test = await TestBroker.start({ objectLimits: { user: { memory: 100_000 } } });
    const vhost = vhostOf(test.broker, '/');
    const fill = () => {
      for (let i = 0; ; i++) vhost.declareQueue(queue(`q${i}`, 'u0'), null);
    };
    assert.throws(fill, /'u0' has reached the limit of 100000 bytes of memory for objects/);
    assert.throws(
      () =>
        test.broker.streams.create({ vhost: '/', name: 's', partitions: 2, configs: new Map(), user: 'u0' }),
      { kind: 'limit-reached' },
    );
  });

  it('can be set for one user, and for a virtual host; that of administrators is higher', async () => {
    await using test = await TestBroker.start({
      objectLimits: { user: { queues: 1 }, vhost: { queues: 4 } },
    });
    const { administration } = test.broker.access;
    await administration.addUser('u0', 'secret');
    await administration.setUserLimits('u0', { 'max-queues': 2 });
    const vhost = vhostOf(test.broker, '/');
    for (const name of ['a', 'b']) vhost.declareQueue(queue(name, 'u0'), null);
    assert.throws(() => vhost.declareQueue(queue('c', 'u0'), null), /limit of 2 queues/);
    for (const name of ['c', 'd']) vhost.declareQueue(queue(name, 'guest'), null);
    assert.throws(() => vhost.declareQueue(queue('e', 'guest'), null), {
      message: "vhost '/' has reached the limit of 4 queues; it is set by 'vhost-limits'",
    });
    await administration.setVhostLimits('/', { 'max-queues': 5 });
    vhost.declareQueue(queue('e', 'guest'), null);
  });

  it('holds for groups, members, offsets and transactional ids', async () => {
    await using test = await TestBroker.start({
      objectLimits: { user: { groups: 2, members: 3, offsets: 3, 'transactional-ids': 1 } },
    });
    const { broker } = test;
    const stream = broker.streams.create({ vhost: '/', name: 's', partitions: 4, configs: new Map() });
    commit(broker, '/', 'g0', 'u0', stream.id, [0, 1]);
    commit(broker, '/', 'g1', 'u0', stream.id, [0]);
    commit(broker, '/', 'g1', 'u0', stream.id, [0]);
    const isLimit = (error: unknown) => error instanceof GroupError && error.kind === 'limit-reached';
    assert.throws(() => commit(broker, '/', 'g1', 'u0', stream.id, [1]), isLimit);
    assert.throws(() => commit(broker, '/', 'g2', 'u0', stream.id, [0]), isLimit);
    assert.deepEqual(
      ['g0', 'g0', 'g1', 'g1', 'g3'].map((group) => join(broker, '/', group, 'u0')),
      ['member-id-required', 'member-id-required', 'member-id-required', 'limit-reached', 'limit-reached'],
    );
    begin(broker, '/', 'x', 'u0');
    begin(broker, '/', 'x', 'u0');
    assert.throws(() => begin(broker, '/', 'y', 'u0'), { kind: 'too-many' });
  });
});

describe('what is forgotten at a limit, and not refused', () => {
  it('are the producers that were silent for longest', async () => {
    await using test = await TestBroker.start({ objectLimits: { user: { producers: 20 } } });
    const spec = { vhost: '/', name: 's', partitions: 2, configs: new Map<string, string>(), user: 'u0' };
    const { ownPartitions: partitions } = test.broker.streams.create(spec);
    for (let id = 0; id < 100; id++) produceBy(partitions[id % 2], id);
    assert.ok(test.broker.quotas.count('producers', { user: 'u0' }) <= 20);
    assert.notEqual(partitions[1].producers.get(99), undefined);
  });

  it('are the oldest names by which a queue knows messages again', async () => {
    await using test = await TestBroker.start({ objectLimits: { user: { 'deduplication-names': 3 } } });
    const args = { 'x-message-deduplication': true };
    const { deduplicator } = asLocal(
      vhostOf(test.broker, '/').declareQueue({ ...queue('q', 'u0'), arguments: args }, null),
    )!;
    for (const name of ['a', 'b', 'c', 'd', 'd']) deduplicator?.rememberUntil(name, 0, 1000, true);
    assert.deepEqual(
      deduplicator?.recentKept(0).map(([name]) => name),
      ['b', 'c', 'd'],
    );
  });
});

describe('while memory is short', () => {
  it('nothing is made, and everything can be consumed and deleted', async () => {
    let residentBytes = 0;
    await using test = await TestBroker.start({
      memoryHighWaterBytes: 1_000_000,
      residentBytes: () => residentBytes,
    });
    const { broker } = test;
    const vhost = vhostOf(broker, '/');
    vhost.declareQueue(queue('q', 'u0'), null);
    const stream = broker.streams.create({ vhost: '/', name: 's', partitions: 1, configs: new Map() });
    commit(broker, '/', 'g', 'u0', stream.id, [0]);
    residentBytes = 2_000_000;
    broker.shard.setAlarm('memory', true);
    const message = 'no queues are made while memory is short: consume or delete something, and try again';
    assert.throws(() => vhost.declareQueue(queue('r', 'u0'), null), { kind: 'resource-short', message });
    assert.throws(
      () => broker.streams.create({ vhost: '/', name: 't', partitions: 1, configs: new Map() }),
      (error: unknown) => error instanceof BrokerError && error.kind === 'resource-short',
    );
    assert.equal(join(broker, '/', 'new', 'u0'), 'unavailable');
    assert.throws(() => begin(broker, '/', 'x', 'u0'), { kind: 'unavailable' });
    vhost.declareQueue(queue('q', 'u0'), null);
    commit(broker, '/', 'g', 'u0', stream.id, [0]);
    assert.equal(join(broker, '/', 'g', 'u0'), 'member-id-required');
    vhost.deleteQueue('q', { ifUnused: false, ifEmpty: false }, null);
    broker.streams.delete(stream);
    broker.shard.setAlarm('memory', false);
    vhost.declareQueue(queue('r', 'u0'), null);
  });
});

async function run(seed: number): Promise<void> {
  const random = new RandomChoices(seed);
  await using test = await TestBroker.start();
  for (const user of USERS) await test.broker.access.administration.addUser(user, null);
  await test.broker.access.administration.createVhost('other');
  for (let i = 0; i < OPERATIONS; i++) {
    const what = await step(test, random);
    const where = `seed ${seed}, operation ${i}: ${what}`;
    assert.deepEqual(counted(test.broker, USERS, VHOSTS), recounted(test.broker), where);
  }
}

/** Does one thing at random; what is not possible is refused, and changes nothing. */
async function step(test: TestBroker, random: RandomChoices): Promise<string> {
  const { broker } = test;
  const user = random.of(USERS);
  const name = `n${random.below(6)}`;
  const vhostName = random.of(VHOSTS);
  const vhost = vhostOf(broker, vhostName);
  const streams = broker.streams.list(vhostName);
  const { administration } = broker.access;
  const actions: readonly (readonly [string, () => unknown])[] = [
    [
      'declare a queue',
      () => vhost.declareQueue({ ...queue(name, user), durable: random.below(3) > 0 }, null),
    ],
    ['declare an exclusive queue', () => vhost.declareQueue({ ...queue(name, user), exclusive: true }, test)],
    ['end exclusive queues', () => vhost.removeExclusiveQueues(test)],
    [
      'use an auto-delete queue',
      () => vhost.removeQueue(vhost.declareQueue({ ...queue(name, user), autoDelete: true }, null)),
    ],
    [
      'remember a name',
      () => {
        const args = { 'x-message-deduplication': true, 'x-cache-size': 3 };
        const deduplicating = { ...queue(`d${name}`, user), arguments: args };
        const { deduplicator } = asLocal(vhost.declareQueue(deduplicating, null))!;
        deduplicator?.rememberUntil(`k${random.below(9)}`, 0, Number.MAX_SAFE_INTEGER, true);
      },
    ],
    ['delete a deduplicating queue', () => vhost.deleteQueue(`d${name}`, UNCONDITIONALLY, null)],
    ['delete a queue', () => vhost.deleteQueue(name, { ifUnused: false, ifEmpty: false }, test)],
    ['declare an exchange', () => vhost.declareExchange(exchange(name, user, random.below(2) === 0))],
    ['delete an exchange', () => vhost.deleteExchange(name)],
    ['bind', () => vhost.bindQueue({ ...binding(name, random), user }, test)],
    ['bind exchanges', () => vhost.bindExchange({ ...binding(name, random), user })],
    ['unbind', () => vhost.unbindQueue(binding(name, random), test)],
    [
      'set a policy',
      () => vhost.setPolicy({ name, pattern: '.*', definition: { 'max-length': 5 } } as never),
    ],
    ['clear a policy', () => vhost.clearPolicy(name)],
    [
      'create a stream',
      () =>
        broker.streams.create({
          vhost: vhostName,
          name: `s${name}`,
          partitions: 1 + random.below(3),
          configs: new Map(),
          user,
        }),
    ],
    ['extend a stream', () => streams[0] && broker.streams.addPartitions(streams[0], 5)],
    ['produce', () => streams[0] && produceBy(streams[0].ownPartitions[0], random.below(5))],
    ['delete a stream', () => streams[0] && broker.streams.delete(streams[0])],
    [
      'commit offsets',
      () => streams[0] && commit(broker, vhostName, name, user, streams[0].id, [random.below(5)]),
    ],
    ['join a group', () => join(broker, vhostName, `c${name}`, user)],
    ['join a consumer group', () => beat(broker, vhostName, `k${name}`, user, 0, random)],
    ['leave a consumer group', () => beat(broker, vhostName, `k${name}`, user, -1, random)],
    ['join a share group', () => share(broker, vhostName, `h${name}`, user, 0, streams[0]?.name)],
    ['leave a share group', () => share(broker, vhostName, `h${name}`, user, -1, undefined)],
    ['delete a share group', () => broker.shareGroups.delete(vhostName, `h${name}`)],
    ['delete a group', () => broker.groups.delete(vhostName, name)],
    ['begin with a transactional id', () => begin(broker, vhostName, name, user)],
    ['restart', () => random.below(3) === 0 && test.restart()],
    [
      'replace a user',
      async () => {
        await administration.deleteUser(user);
        await administration.addUser(user, null);
      },
    ],
    [
      'replace the virtual host',
      async () => {
        if (random.below(3) > 0) return;
        await administration.deleteVhost('other');
        await administration.createVhost('other');
      },
    ],
  ];
  const [what, act] = random.of(actions);
  try {
    await act();
  } catch (error) {
    if (!(error instanceof BrokerError || error instanceof GroupError)) throw error;
  }
  return what;
}

function vhostOf(broker: Broker, name: string) {
  const vhost = broker.vhosts.get(name);
  assert.ok(vhost);
  return vhost;
}

function queue(name: string, user: string) {
  return { name, durable: true, exclusive: false, autoDelete: false, arguments: {}, user };
}

function exchange(name: string, user: string, durable: boolean) {
  return { name, type: 'topic', durable, autoDelete: !durable, internal: false, arguments: {}, user };
}

function binding(name: string, random: RandomChoices) {
  return {
    source: `n${random.below(6)}`,
    destination: name,
    routingKey: `k${random.below(2)}`,
    arguments: {},
  };
}

function commit(
  broker: Broker,
  vhost: string,
  group: string,
  user: string,
  streamId: string,
  partitions: readonly number[],
): void {
  broker.groups.commit({
    vhost,
    group,
    memberId: '',
    instanceId: null,
    generation: -1,
    knowsEpochs: false,
    rows: { [streamId]: partitions.map((partition) => [partition, 1] as const) },
    user,
  });
}

/** The error that the client is told; of one that may join, that it has to come again with its id. */
function join(broker: Broker, vhost: string, group: string, user: string): string | null {
  let error: string | null = null;
  const request = {
    memberId: '',
    instanceId: null,
    clientId: 'c',
    host: '/h',
    sessionMs: 30_000,
    rebalanceMs: 30_000,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.alloc(8) }],
    requiresKnownId: true,
    canSkipAssignment: true,
    user,
  };
  broker.groups.join(vhost, group, request, (outcome) => {
    error = outcome.error;
  });
  return error;
}

function beat(
  broker: Broker,
  vhost: string,
  group: string,
  user: string,
  epoch: number,
  random: RandomChoices,
): void {
  broker.groups.consumerHeartbeat(vhost, group, {
    memberId: `m${random.below(3)}`,
    epoch,
    instanceId: null,
    rackId: null,
    rebalanceMs: 30_000,
    names: ['s'],
    expression: null,
    assignor: null,
    owned: new Map(),
    clientId: 'c',
    host: '/h',
    classic: null,
    maySee: () => true,
    user,
  });
}

function share(
  broker: Broker,
  vhost: string,
  group: string,
  user: string,
  epoch: number,
  stream: string | undefined,
): void {
  broker.shareGroups.heartbeat(vhost, group, {
    memberId: 'm',
    epoch,
    rackId: null,
    subscribed: stream === undefined ? null : [stream],
    clientId: 'c',
    host: '/h',
    user,
  });
}

/** A batch of the producer with this id is shown to the partition. */
function produceBy({ producers }: Partition, id: number): void {
  const bytes = batchOf(['a']);
  bytes.writeBigInt64BE(BigInt(id), 43);
  bytes.writeInt16BE(0, 51);
  bytes.writeInt32BE(0, 53);
  producers.appended(bytes, 0, 0, id);
}

function begin(broker: Broker, vhost: string, id: string, user: string): void {
  broker.transactions.initialize({ vhost, id, timeoutMs: 60_000, identity: null, user });
}
