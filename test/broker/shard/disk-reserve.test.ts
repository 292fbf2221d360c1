import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Broker } from '../../../src/broker/broker.ts';
import { GroupError } from '../../../src/broker/groups/group-error.ts';
import { Publisher } from '../../../src/broker/publishing/publisher.ts';
import type { Queue } from '../../../src/broker/queues/queue.ts';
import { bareMessage } from '../../../src/broker/topology/routing.ts';
import { SimulatedFileSystem } from '../../support/simulated-filesystem/simulated-filesystem.ts';
import { until } from '../../support/until.ts';
import { fillView, TestConsumer } from '../test-broker.ts';

const MIB = 2 ** 20;
const LIMIT_BYTES = 4 * MIB;
const QUEUE = { name: 'q', durable: true, exclusive: false, autoDelete: false, arguments: {} };

/** A broker on a disk of this size. */
class SmallDisk {
  readonly fs: SimulatedFileSystem;
  broker!: Broker;
  #publisher!: Publisher;

  constructor(bytes: number) {
    this.fs = new SimulatedFileSystem({ capacityBytes: bytes });
  }

  async start(): Promise<void> {
    this.broker = await Broker.open({
      dataDirectory: '/data',
      fileSystem: this.fs,
      diskFreeLimitBytes: LIMIT_BYTES,
      journalFileBytes: MIB,
      journalLimitBytes: 2 * MIB,
      memoryLimitBytes: 8 * MIB,
    });
    this.#publisher = new Publisher(this.broker.shard, this.broker.deadLettering);
  }

  get queue(): Queue {
    return this.broker.vhosts.get('/')?.findQueue('q') as Queue;
  }

  free(): Promise<number> {
    return this.fs.freeBytes('/data');
  }

  /** As a server does it: nothing while publishers are blocked. Returns how many were published. */
  async publishWhileAllowed(): Promise<number> {
    const { shard, vhosts } = this.broker;
    const vhost = vhosts.get('/');
    assert.ok(vhost);
    let count = 0;
    const body = Buffer.alloc(60_000, 'x');
    while (!shard.alarms.isBlocking && count < 10_000) {
      shard.turn.touch();
      const mayGoOn = () => !shard.alarms.isBlocking && !shard.backPressure.mustPause([this.queue.log]);
      // As much as comes in one turn.
      for (let n = 0; n < 4 && mayGoOn(); n++, count++) {
        fillView(this.#publisher.messageView, 'q', body);
        this.#publisher.publish(vhost.route(vhost.defaultExchange, 'q', bareMessage), true);
      }
      shard.turn.schedule();
      await new Promise((resolve) => setImmediate(resolve));
    }
    return count;
  }
}

describe('while disk space is short', () => {
  it('a fast writer is stopped before the reserve is used, and everything can be consumed and deleted', async () => {
    const disk = new SmallDisk(24 * MIB);
    await disk.start();
    const { broker } = disk;
    broker.vhosts.get('/')?.declareQueue(QUEUE, null);
    const published = await disk.publishWhileAllowed();
    assert.ok(published > 100, `${published}`);
    await broker.shard.store.journal.flush();
    const free = await disk.free();
    assert.ok(free > LIMIT_BYTES / 4 && free < 2 * LIMIT_BYTES, `${free} bytes are free`);
    assert.ok([...broker.shard.alarms.raised].includes('disk'));
    assert.throws(() => broker.vhosts.get('/')?.declareQueue({ ...QUEUE, name: 'r' }, null), {
      kind: 'resource-short',
    });
    const consumer = new TestConsumer(disk.queue);
    let acknowledged = 0;
    await until(() => {
      for (; acknowledged < consumer.messages.length; acknowledged++) {
        consumer.unacknowledged.ack(consumer.messages[acknowledged].tag, false);
      }
      return acknowledged === published;
    });
    broker.vhosts.get('/')?.deleteQueue('q', { ifUnused: false, ifEmpty: false }, null);
    await until(() => !broker.shard.alarms.isBlocking);
    broker.vhosts.get('/')?.declareQueue(QUEUE, null);
    await broker.close();
    await disk.start();
    assert.equal(disk.queue.readyCount, 0);
    await disk.broker.close();
  });

  it('the files of a deleted queue go first where the journal cannot be retired for want of space', async () => {
    const disk = new SmallDisk(24 * MIB);
    await disk.start();
    const { broker } = disk;
    broker.vhosts.get('/')?.declareQueue(QUEUE, null);
    await disk.publishWhileAllowed();
    await broker.shard.store.journal.flush();
    assert.ok(broker.shard.storageUse.journalFileBytes > 2 * MIB, 'the journal is longer than it may be');
    disk.fs.capacityBytes -= await disk.free();
    broker.vhosts.get('/')?.deleteQueue('q', { ifUnused: false, ifEmpty: false }, null);
    await until(() => !broker.shard.alarms.isBlocking);
    await broker.close();
  });

  it('nothing but acknowledgements and deletions is written once the reserve is reached', async () => {
    const disk = new SmallDisk(24 * MIB);
    await disk.start();
    const { broker } = disk;
    broker.vhosts.get('/')?.declareQueue(QUEUE, null);
    const stream = broker.streams.create({ vhost: '/', name: 's', partitions: 1, configs: new Map() });
    const commit = () =>
      broker.groups.commit({
        vhost: '/',
        group: 'g',
        memberId: '',
        instanceId: null,
        generation: -1,
        knowsEpochs: false,
        rows: { [stream.id]: [[0, 1]] },
      });
    const initialize = () =>
      broker.transactions.initialize({ vhost: '/', id: 'x', timeoutMs: 1000, identity: null });
    commit();
    initialize();
    const used = (await disk.fs.freeBytes('/data')) - LIMIT_BYTES / 2;
    // Others have filled the disk.
    disk.fs.capacityBytes -= used + 1000;
    await until(() => broker.shard.alarms.isDiskReserved);
    assert.throws(commit, (error: unknown) => error instanceof GroupError && error.kind === 'unavailable');
    assert.throws(initialize, { kind: 'unavailable' });
    assert.throws(() => broker.transactions.newProducer(), { kind: 'unavailable' });
    assert.throws(() => broker.streams.configure(stream, new Map()), { kind: 'resource-short' });
    broker.vhosts.get('/')?.deleteQueue('q', { ifUnused: false, ifEmpty: false }, null);
    broker.groups.delete('/', 'g');
    broker.streams.delete(stream);
    await broker.shard.durable();
    disk.fs.capacityBytes += used + 1000;
    await until(() => !broker.shard.alarms.isBlocking);
    initialize();
    await broker.close();
  });

  it('a start knows it before anybody can write', async () => {
    const disk = new SmallDisk(24 * MIB);
    await disk.start();
    await disk.broker.close();
    disk.fs.capacityBytes -= (await disk.free()) - LIMIT_BYTES + 1000;
    await disk.start();
    assert.ok(disk.broker.shard.alarms.isBlocking);
    await disk.broker.close();
  });
});
