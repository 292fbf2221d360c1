import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OwnCopier } from './own-copier.ts';
import { runTransactionalCopies } from './transactional-copies.ts';

test('records that are copied in transactions, while the broker is killed, are there once', async () => {
  const records = 6000;
  const copier = (job: ConstructorParameters<typeof OwnCopier>[0]) => new OwnCopier(job);
  const { offsets } = await runTransactionalCopies({ kills: 3, records, seed: 1, copier });
  assert.ok(offsets > records, 'transactions were aborted');
});
