import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodeOutboxOperation } from '../../../src/broker/shards/outbox/outbox-operations.ts';
import { LogOwners } from '../../../src/cli/doctor/log-owners.ts';

describe('whom a log of a data directory belongs to', () => {
  it('an outbox, by the journal or by the snapshot, belongs to what is on its way to another shard', () => {
    const owners = new LogOwners();
    owners.readSnapshot({
      metadata: [],
      parts: [Buffer.from(encodeOutboxOperation({ op: 'outbox.open', to: 1, id: 7 })).toString()],
    });
    owners.apply(Buffer.from(encodeOutboxOperation({ op: 'outbox.open', to: 2, id: 2 ** 31 + 1 })));
    owners.apply(Buffer.from(encodeOutboxOperation({ op: 'outbox.received', from: 2, next: 4 })));
    assert.deepEqual(
      [...owners.byLog],
      [
        [7, 'messages on their way to shard 1'],
        [2 ** 31 + 1, 'messages on their way to shard 2'],
      ],
    );
  });
});
