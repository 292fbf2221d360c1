import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RawClient } from '../raw-client.ts';
import { TestServer } from '../test-server.ts';

async function wrongLogins(test: TestServer, count: number, localAddress: string): Promise<RawClient[]> {
  const clients: RawClient[] = [];
  for (let i = 0; i < count; i++) {
    const client = await RawClient.connect(test.server.port, localAddress);
    await client.login('ada', `wrong ${i}`);
    clients.push(client);
  }
  return clients;
}

describe('a first login', () => {
  for (const [where, localAddress] of [
    ['another address', '127.0.0.3'],
    ['the same address', '127.0.0.2'],
  ] as const) {
    it(`from ${where} is let in while 350 connections send wrong passwords`, async () => {
      await using test = await TestServer.start();
      const { access } = test.broker;
      await access.administration.addUser('ada', 'secret');
      const permissions = { configure: '.*', write: '.*', read: '.*' };
      await access.administration.setPermissions('ada', '/', permissions);
      const flood = await wrongLogins(test, 350, '127.0.0.2');
      using client = await RawClient.connect(test.server.port, localAddress);
      const answered = () => flood.filter(({ received, isClosed }) => received.length > 0 || isClosed).length;
      const before = answered();
      await client.handshake({}, {}, ['ada', 'secret']);
      assert.ok(answered() - before < 50, `${answered() - before} of the others came first`);
      for (const each of flood) each[Symbol.dispose]();
    });
  }

  it('does not time out while it waits for its turn', async () => {
    await using test = await TestServer.start({ handshakeTimeoutMs: 1000 });
    const { access } = test.broker;
    await access.administration.addUser('ada', 'secret');
    await access.administration.setPermissions('ada', '/', { configure: '', write: '', read: '' });
    // One login each from many addresses: a second and a half of work, on two cores.
    const others = Array.from({ length: 60 }, (_, i) =>
      access.authenticate('ada', `wrong ${i}`, true, { address: `10.0.0.${i}` }),
    );
    using client = await test.raw();
    await client.handshake({}, {}, ['ada', 'secret']);
    assert.deepEqual(new Set(await Promise.all(others)), new Set([null]));
  });
});
