import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TestServer } from '../servers/amqp091/test-server.ts';
import { allCases } from './cases/all.ts';
import { describeComparison } from './compare.ts';
import { readRecord } from './record.ts';
import { hold } from './run-all.ts';
import { setUpUsers } from './sluice.ts';

describe('whatever a client does wrong,', () => {
  it('it is answered as RabbitMQ 3.10 answered, but for what differs on purpose', async (t) => {
    await using test = await TestServer.start();
    await setUpUsers(test.broker);
    const target = { host: '127.0.0.1', port: test.server.port, quietMs: 150 };
    const comparison = await hold(allCases, target, await readRecord());
    const text = describeComparison(comparison);
    t.diagnostic(text.slice(text.lastIndexOf('\n') + 1));
    assert.equal(comparison.failures.length, 0, `\n${text}`);
    assert.equal(comparison.stale.length, 0, `what does not differ is not to be listed\n${text}`);
  });
});
