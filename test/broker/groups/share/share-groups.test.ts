import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GroupError } from '../../../../src/broker/groups/group-error.ts';
import { ACKNOWLEDGE } from '../../../../src/broker/groups/share/acknowledgement.ts';
import {
  LEAVE_EPOCH,
  type ShareGroup,
  type ShareHeartbeat,
} from '../../../../src/broker/groups/share/share-group.ts';
import type { Acquired, ShareReader } from '../../../../src/broker/groups/share/share-reader.ts';
import type { Partition } from '../../../../src/broker/streams/partition.ts';
import { forEachRecord } from '../../../../src/records/record-cursor.ts';
import { transactionEndBatch } from '../../../../src/records/transaction-marker.ts';
import { batchOf } from '../../streams/batches.ts';
import { TestBroker } from '../../test-broker.ts';

const LIMITS = { records: 500, bytes: 1024 * 1024, isExact: false };

function beat(memberId: string, epoch: number, subscribed: readonly string[] | null = ['s']): ShareHeartbeat {
  return { memberId, epoch, rackId: null, subscribed, clientId: 'test', host: '/127.0.0.1' };
}

/** A stream `s`, and a group `g` that reads it from the beginning. */
class Setting {
  readonly test: TestBroker;

  constructor(test: TestBroker) {
    this.test = test;
  }

  static async start(configs: Readonly<Record<string, string>> = {}, partitions = 1): Promise<Setting> {
    const setting = new Setting(await TestBroker.start());
    const { broker } = setting.test;
    broker.streams.create({ vhost: '/', name: 's', partitions, configs: new Map() });
    broker.groupConfigs.set(
      '/',
      'g',
      new Map(Object.entries({ 'share.auto.offset.reset': 'earliest', ...configs })),
    );
    setting.join('ada');
    return setting;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.test[Symbol.asyncDispose]();
  }

  get group(): ShareGroup {
    return this.test.broker.shareGroups.find('/', 'g')!;
  }

  join(memberId: string): void {
    this.test.broker.shareGroups.heartbeat('/', 'g', beat(memberId, 0));
  }

  partition(index = 0): Partition {
    return this.test.broker.streams.get('/', 's')!.ownPartitions[index];
  }

  reader(index = 0): ShareReader {
    return this.test.broker.shareGroups.reader(this.group, this.partition().stream.id, index)!;
  }

  async append(...batches: readonly Buffer[]): Promise<void> {
    for (const batch of batches) this.partition().append(batch, 0, batch.length);
    await this.test.flush();
  }

  async acquire(memberId: string, limits = LIMITS): Promise<Acquired> {
    return this.reader().acquire(memberId, limits);
  }

  acknowledge(memberId: string, first: number, last: number, type: number): Promise<void> | null {
    return this.reader().share.acknowledge(memberId, [
      { firstOffset: first, lastOffset: last, types: [type] },
    ]);
  }
}

/** '0-4#1': offsets and how often they were handed out. */
function textOf({ ranges }: Acquired): string {
  return ranges.firsts.map((first, i) => `${first}-${ranges.lasts[i]}#${ranges.deliveries[i]}`).join(' ');
}

function offsetsIn({ batches }: Acquired): number[] {
  const offsets: number[] = [];
  const bytes = Buffer.concat(batches);
  forEachRecord(bytes, 0, bytes.length, (offset) => offsets.push(offset));
  return offsets;
}

describe('a share group', () => {
  it('gives each record to one member, whole batches at a time, or not one more than was asked for', async () => {
    await using setting = await Setting.start();
    await setting.append(batchOf(['a', 'b', 'c']), batchOf(['d', 'e', 'f', 'g']));
    const first = await setting.acquire('ada', { ...LIMITS, records: 2 });
    assert.equal(textOf(first), '0-2#1');
    assert.deepEqual(offsetsIn(first), [0, 1, 2]);
    assert.equal(textOf(await setting.acquire('bob', { ...LIMITS, records: 2, isExact: true })), '3-4#1');
    assert.equal(textOf(await setting.acquire('ada')), '5-6#1');
    assert.equal(textOf(await setting.acquire('bob')), '');
  });

  it('gives what was released to others, and counts how often', async () => {
    await using setting = await Setting.start();
    await setting.append(batchOf(['a', 'b', 'c', 'd']));
    await setting.acquire('ada');
    setting.acknowledge('ada', 1, 1, ACKNOWLEDGE.accept);
    setting.acknowledge('ada', 2, 2, ACKNOWLEDGE.release);
    setting.test.broker.shareGroups.heartbeat('/', 'g', beat('ada', LEAVE_EPOCH));
    // Who leaves was not wrong about what it held.
    assert.equal(textOf(await setting.acquire('bob')), '0-0#1 2-2#2 3-3#1');
  });

  it('goes on after a stop where it was, record by record', async () => {
    await using setting = await Setting.start();
    await setting.append(batchOf(['a', 'b', 'c', 'd', 'e', 'f']));
    await setting.acquire('ada');
    setting.acknowledge('ada', 0, 1, ACKNOWLEDGE.accept);
    setting.acknowledge('ada', 3, 3, ACKNOWLEDGE.accept);
    setting.acknowledge('ada', 4, 4, ACKNOWLEDGE.release);
    for (let i = 0; i < 2; i++) {
      await setting.test.restart();
      assert.equal(setting.reader().share.startOffset, 2);
      assert.equal(textOf(await setting.acquire(`m${i}`)), '2-2#1 4-4#2 5-5#1');
    }
    assert.deepEqual(setting.reader().share.settled.state(), [3, 4]);
    assert.equal(setting.group.state, 'Empty');
  });

  it('moves what it gives up to the stream for dead records, with the reason', async () => {
    await using setting = await Setting.start({
      'sluice.dead.letter.topic': 'dead',
      'share.delivery.count.limit': '2',
    });
    await setting.append(batchOf(['a', 'b', 'c']));
    await setting.acquire('ada');
    await setting.acknowledge('ada', 0, 0, ACKNOWLEDGE.reject);
    setting.acknowledge('ada', 1, 2, ACKNOWLEDGE.release);
    assert.equal(textOf(await setting.acquire('ada')), '1-2#2');
    await setting.acknowledge('ada', 1, 1, ACKNOWLEDGE.release);
    assert.equal(setting.reader().share.startOffset, 2);
    await setting.test.flush();
    const dead = setting.test.broker.streams.get('/', 'dead')!.ownPartitions[0];
    const { bytes } = await dead.read(0, dead.highWatermark, 1024 * 1024);
    const found: string[] = [];
    forEachRecord(bytes, 0, bytes.length, (_offset, _ms, buffer, start, length) => {
      found.push(buffer.toString('latin1', start, start + length));
    });
    assert.equal(found.length, 2);
    assert.match(found[0], /a.*sluice\.dead\.reason.rejected.*sluice\.dead\.offset.0.*deliveries.1/s);
    assert.match(found[1], /b.*sluice\.dead\.reason.delivery_limit.*dead\.offset.1.*deliveries.2/s);
    await setting.test.restart();
    assert.equal(textOf(await setting.acquire('bob')), '2-2#2');
  });

  it('passes over control records, and what lies before the start of the partition', async () => {
    await using setting = await Setting.start();
    const end = { timestampMs: 1, producerId: 7, producerEpoch: 0, isCommit: true, coordinatorEpoch: 0 };
    await setting.append(
      batchOf(['a', 'b']),
      transactionEndBatch(end),
      batchOf(['d', 'e']),
      transactionEndBatch(end),
    );
    setting.partition().deleteBefore(1);
    const acquired = await setting.acquire('ada');
    assert.equal(textOf(acquired), '1-1#1 3-4#1');
    setting.acknowledge('ada', 1, 1, ACKNOWLEDGE.accept);
    setting.acknowledge('ada', 3, 4, ACKNOWLEDGE.accept);
    assert.equal(setting.reader().share.startOffset, 6);
  });

  it('holds no more records of a partition than it may', async () => {
    await using setting = await Setting.start({ 'share.partition.max.record.locks': '3' });
    await setting.append(batchOf(['a', 'b']), batchOf(['c', 'd']), batchOf(['e']));
    assert.equal(textOf(await setting.acquire('ada')), '0-3#1');
    assert.equal(textOf(await setting.acquire('bob')), '');
    setting.acknowledge('ada', 2, 3, ACKNOWLEDGE.accept);
    assert.equal(textOf(await setting.acquire('bob')), '4-4#1');
  });

  it('begins at the end, the beginning, or what is not too old, as it is told', async () => {
    await using test = await TestBroker.start();
    const { broker } = test;
    broker.streams.create({ vhost: '/', name: 's', partitions: 1, configs: new Map() });
    const setting = new Setting(test);
    const now = Date.now();
    await setting.append(batchOf(['old'], now - 3_600_000), batchOf(['new', 'newer'], now - 1000));
    const starts: Record<string, number> = {};
    for (const reset of ['latest', 'earliest', 'by_duration:PT10M']) {
      broker.groupConfigs.set('/', reset, new Map([['share.auto.offset.reset', reset]]));
      broker.shareGroups.heartbeat('/', reset, beat('ada', 0));
      await new Promise((resolve) => setTimeout(resolve, 20));
      const group = broker.shareGroups.find('/', reset)!;
      starts[reset] = broker.shareGroups.reader(group, setting.partition().stream.id, 0)!.share.startOffset;
    }
    assert.deepEqual(starts, { latest: 3, earliest: 0, 'by_duration:PT10M': 1 });
  });

  it('divides the partitions so that nobody is without one, and nothing is without a reader', async () => {
    await using setting = await Setting.start({}, 3);
    const { shareGroups } = setting.test.broker;
    const seen = new Map<string, readonly number[]>();
    const epochs = new Map<string, number>();
    const members = ['ada', 'bob', 'cy', 'dan', 'eve'];
    for (const [i, id] of members.entries()) {
      epochs.set(id, shareGroups.heartbeat('/', 'g', beat(id, 0)).epoch);
      for (const each of members.slice(0, i + 1)) {
        const { epoch, assignment } = shareGroups.heartbeat('/', 'g', beat(each, epochs.get(each)!, null));
        assert.ok(epoch >= epochs.get(each)!);
        epochs.set(each, epoch);
        if (assignment !== null) seen.set(each, [...assignment.values()].flat());
        else if (!seen.has(each))
          seen.set(each, [...setting.group.members.get(each)!.assignment.values()].flat());
      }
      assert.ok(
        [...seen.values()].every((partitions) => partitions.length > 0),
        'nobody is idle',
      );
      assert.deepEqual([...new Set([...seen.values()].flat())].sort(), [0, 1, 2]);
    }
  });

  it('tells a member that is not in it, or in another epoch, to come anew', async () => {
    await using setting = await Setting.start();
    const { shareGroups } = setting.test.broker;
    const kindOf = (request: ShareHeartbeat) => {
      try {
        shareGroups.heartbeat('/', 'g', request);
        return null;
      } catch (error) {
        return (error as GroupError).kind;
      }
    };
    assert.equal(kindOf(beat('bob', 1)), 'unknown-member');
    assert.equal(kindOf(beat('ada', 99)), 'fenced-epoch');
    assert.equal(kindOf(beat('ada', 1)), null);
    assert.throws(() => shareGroups.delete('/', 'g'), GroupError);
    shareGroups.heartbeat('/', 'g', beat('ada', LEAVE_EPOCH));
    shareGroups.delete('/', 'g');
    await setting.test.restart();
    assert.equal(setting.test.broker.shareGroups.find('/', 'g'), undefined);
  });

  it('is read as an older version wrote it, and is another one when it is made anew', async () => {
    await using test = await TestBroker.start();
    const { id: stream } = test.broker.streams.create({
      vhost: '/',
      name: 's',
      partitions: 1,
      configs: new Map(),
    });
    const start = {
      op: 'share.start',
      v: '/',
      g: 'g',
      stream,
      partition: 0,
      id: 7,
      head: 3,
      s: [5, 6],
      c: [],
    };
    const progress = { op: 'share.progress', id: 7, s: [3, 4], c: [] };
    for (const operation of [{ op: 'share.group', v: '/', g: 'g', epoch: 4 }, start, progress]) {
      test.broker.shareGroups.apply(Buffer.from(JSON.stringify(operation)));
    }
    const headOf = () =>
      test.broker.shareGroups.find('/', 'g')!.readers.get(stream)?.get(0)?.share.startOffset;
    for (let starts = 0; starts < 2; starts++) {
      assert.equal(test.broker.shareGroups.find('/', 'g')!.epoch, 4);
      assert.equal(headOf(), 4);
      // From a snapshot, then.
      await test.restart();
    }
    test.broker.shareGroups.delete('/', 'g');
    test.broker.shareGroups.ensure('/', 'g');
    await test.restart();
    const { epoch, incarnation } = test.broker.shareGroups.find('/', 'g')!;
    assert.equal(epoch, 0);
    assert.notEqual(incarnation, '');
    assert.equal(headOf(), undefined);
  });

  it('reads what is on disk, and does not read it twice for two members', async () => {
    await using test = await TestBroker.start({
      memoryLimitBytes: 4 * 1024 * 1024,
      journalFileBytes: 1024 * 1024,
      chunkBytes: 256 * 1024,
    });
    const { broker } = test;
    broker.streams.create({ vhost: '/', name: 's', partitions: 1, configs: new Map() });
    broker.groupConfigs.set(
      '/',
      'g',
      new Map([
        ['share.auto.offset.reset', 'earliest'],
        ['share.partition.max.record.locks', '100000'],
      ]),
    );
    const setting = new Setting(test);
    setting.join('ada');
    const value = Buffer.alloc(1000, 'x');
    for (let i = 0; i < 200; i++) await setting.append(batchOf(new Array<Buffer>(100).fill(value)));
    const [one, two] = [setting.reader().acquire('ada', LIMITS), setting.reader().acquire('bob', LIMITS)];
    assert.ok(one instanceof Promise, 'the oldest records are on disk');
    assert.equal(textOf(await two), '');
    const offsets = offsetsIn(await one);
    for (;;) {
      const more = offsetsIn(await setting.acquire('bob'));
      if (more.length === 0) break;
      offsets.push(...more);
    }
    assert.deepEqual(
      offsets,
      Array.from({ length: 20_000 }, (_, i) => i),
    );
  });
});
