import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemScheduler } from '../../src/base/scheduler.ts';
import { BatchOpener } from '../../src/records/opening/batch-opener.ts';
import { OpenedBatches } from '../../src/records/opening/opened-batches.ts';
import { OpenedBytes } from '../../src/records/opening/opened-bytes.ts';
import { batchOf } from '../broker/streams/bindings/records.ts';

const DEMANDS = { wantsKeys: false, compression: -1, level: undefined };

describe('memory of batches that are opened, or wait for it', () => {
  it('is refused to the owner who has his part of it, and not to others', () => {
    const account = new OpenedBytes(1000, { owner: 0.5, common: 0.75 });
    assert.ok(account.tryReserve(400, 'ada'));
    assert.equal(account.tryReserve(101, 'ada'), false);
    assert.ok(account.tryReserve(100, 'ada'));
    assert.ok(account.tryReserve(200, 'bob'));
    // Those who have something leave the rest to those who have nothing.
    assert.equal(account.tryReserve(100, 'bob'), false);
    assert.ok(account.tryReserve(300, 'eve'));
    assert.equal(account.tryReserve(1, 'dan'), false);
    account.release(500, 'ada');
    assert.deepEqual([account.bytes, account.bytesOf('ada'), account.largestOwner], [500, 0, 'eve']);
  });

  it('is all of one owner alone, however large', () => {
    const account = new OpenedBytes(1000, { owner: 0.5, common: 0.75 });
    assert.ok(account.tryReserve(5000, 'ada'));
    assert.equal(account.tryReserve(1, 'ada'), false);
  });

  it('that is kept for readers goes from who has most of it when there is no more', () => {
    const opened = new OpenedBatches(1000, systemScheduler);
    const batch = batchOf([{ key: 'k', value: 'v' }], 'none');
    const key = (log: number) => `${log}:0:${batch.readUInt32BE(17)}`;
    opened.put(key(1), Buffer.alloc(200), 'bob');
    for (let log = 2; log < 12; log++) opened.put(key(log), Buffer.alloc(300), 'ada');
    assert.ok(opened.get(1, batch, 0) !== null, 'what bob reads is there still');
    assert.equal(opened.get(2, batch, 0), null);
    assert.ok(opened.get(11, batch, 0) !== null);
    opened.clear();
    assert.equal(opened.account.bytes, 0);
  });
});

it('large batches of one owner are validated after one of another who comes later', async () => {
  const opener = new BatchOpener(systemScheduler);
  const batch = batchOf(
    Array.from({ length: 20_000 }, (_, i) => ({ key: `k${i}`, value: 'the same text again, '.repeat(4) })),
    'gzip',
  );
  const order: string[] = [];
  const validate = async (owner: string, count: number): Promise<void> => {
    const batches = Array.from({ length: count }, () => ({ bytes: Buffer.from(batch), demands: DEMANDS }));
    for (const { bytes } of batches) assert.ok(opener.waiting.tryReserve(bytes.length, owner));
    const validated = await opener.validate(batches, owner);
    assert.equal(validated.length, count);
    assert.ok(validated.every(({ fault }) => fault === null));
    order.push(owner);
  };
  await Promise.all([validate('ada', 12), validate('ada', 12), validate('bob', 1)]);
  assert.deepEqual(order, ['bob', 'ada', 'ada']);
  assert.equal(opener.waiting.bytes, 0);
  await opener.close();
});
