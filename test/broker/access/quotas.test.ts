import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Access } from '../../../src/broker/access/access.ts';
import type { ClientQuota } from '../../../src/broker/access/client-quota.ts';
import { RateLimit } from '../../../src/broker/access/rate-limit.ts';
import { DrivenClock } from '../../support/driven-clock.ts';
import { TestBroker } from '../test-broker.ts';

/** Far more than may be used at once: it has to wait for the rest, some seconds. */
const MUCH = 1_000_000;

async function quotaOf(access: Access, user: string, clientId: string): Promise<ClientQuota> {
  if (!access.hasUser(user)) await access.administration.addUser(user, null);
  return access.clientQuota(user, clientId);
}

describe('a limited rate', () => {
  it('may be exceeded at once by one who used little, and not for long', () => {
    const limit = new RateLimit(100, 0);
    assert.equal(limit.use(1000, 0), 0);
    assert.equal(limit.use(50, 0), 500);
    assert.equal(limit.use(0, 250), 250);
    assert.equal(limit.use(0, 500), 0);
    assert.equal(limit.use(100, 1500), 0);
    assert.equal(limit.use(1, 1500), 10);
  });

  it('comes to what is allowed, over a long time', () => {
    const limit = new RateLimit(1000, 0);
    let nowMs = 0;
    let used = 0;
    while (nowMs < 100_000) {
      nowMs += limit.use(700, nowMs) || 1;
      used += 700;
    }
    assert.ok(used > 109_000 && used < 112_000, `${used} in 100 s, 10 s of them at once`);
  });
});

describe('quotas', () => {
  it('cost nobody anything until there are some', async () => {
    await using test = await TestBroker.start({ clock: new DrivenClock(0) });
    const quota = await quotaOf(test.broker.access, 'ada', 'app');
    assert.ok(!quota.isOn);
    assert.equal(quota.recordProduced(MUCH), 0);
    await test.broker.access.quotas.alter({ user: 'ada' }, { producer_byte_rate: 1000 });
    assert.ok(quota.isOn);
    assert.ok(quota.recordProduced(MUCH) > 900_000);
    assert.equal(quota.recordFetched(MUCH), 0);
    await test.broker.access.quotas.alter({ user: 'ada' }, { producer_byte_rate: null });
    assert.ok(!quota.isOn);
    assert.equal(quota.recordProduced(MUCH), 0);
  });

  it('count in the order of how exact they are', async () => {
    await using test = await TestBroker.start({ clock: new DrivenClock(0) });
    const { quotas } = test.broker.access;
    // From the least exact on: each one hides those before it.
    const entities = [
      { clientId: null },
      { clientId: 'app' },
      { user: null },
      { user: null, clientId: null },
      { user: null, clientId: 'app' },
      { user: 'ada' },
      { user: 'ada', clientId: null },
      { user: 'ada', clientId: 'app' },
    ];
    let rate = 1000;
    for (const entity of entities) {
      rate *= 2;
      await quotas.alter(entity, { consumer_byte_rate: rate });
      const quota = await quotaOf(test.broker.access, 'ada', 'app');
      const waitMs = quota.recordFetched(MUCH + 10 * rate);
      assert.equal(waitMs, Math.ceil((MUCH / rate) * 1000), JSON.stringify(entity));
    }
  });

  it('are shared by those for whom the same one counts, and by no others', async () => {
    await using test = await TestBroker.start({ clock: new DrivenClock(0) });
    const { access } = test.broker;
    await access.quotas.alter({ user: 'ada' }, { producer_byte_rate: 1000 });
    await access.quotas.alter({ user: null, clientId: null }, { producer_byte_rate: 1000 });
    const [one, other] = [await quotaOf(access, 'ada', 'a'), await quotaOf(access, 'ada', 'b')];
    assert.equal(one.recordProduced(10_000), 0);
    assert.ok(other.recordProduced(1000) >= 900);
    const [bobs, bobsOther] = [await quotaOf(access, 'bob', 'a'), await quotaOf(access, 'bob', 'b')];
    assert.equal(bobs.recordProduced(10_000), 0);
    assert.equal(bobsOther.recordProduced(10_000), 0);
  });

  it('limit the time that is spent on requests, in percent', async () => {
    await using test = await TestBroker.start({ clock: new DrivenClock(0) });
    const { access } = test.broker;
    const quota = await quotaOf(access, 'ada', 'a');
    await access.quotas.alter({ clientId: 'a' }, { request_percentage: 10 });
    assert.ok(quota.isWorkLimited);
    assert.equal(quota.recordWork(900), 0);
    assert.ok(quota.recordWork(200) >= 900);
  });

  it('limit how often an address may connect', async () => {
    await using test = await TestBroker.start({ clock: new DrivenClock(0) });
    const { quotas } = test.broker.access;
    await quotas.alter({ ip: null }, { connection_creation_rate: 5 });
    await quotas.alter({ ip: '10.0.0.2' }, { connection_creation_rate: 100 });
    for (let count = 0; count < 5; count++) assert.equal(quotas.connected('10.0.0.1'), 0);
    assert.ok(quotas.connected('10.0.0.1') > 100);
    for (let count = 0; count < 50; count++) assert.equal(quotas.connected('10.0.0.2'), 0);
    assert.equal(quotas.connected('10.0.0.3'), 0);
  });

  it('survive a restart, and those of a user go with the user', async () => {
    await using test = await TestBroker.start({ clock: new DrivenClock(0) });
    await quotaOf(test.broker.access, 'ada', 'a');
    await test.broker.access.quotas.alter({ user: 'ada' }, { producer_byte_rate: 1, consumer_byte_rate: 2 });
    await test.broker.access.quotas.alter({ ip: '10.0.0.1' }, { connection_creation_rate: 3 });
    await test.broker.access.quotas.alter({ user: 'ada' }, { producer_byte_rate: null });
    await test.restart();
    const address = { entity: { ip: '10.0.0.1' }, values: { connection_creation_rate: 3 } };
    assert.deepEqual(test.broker.access.quotas.list(), [
      { entity: { user: 'ada' }, values: { consumer_byte_rate: 2 } },
      address,
    ]);
    await test.broker.access.administration.deleteUser('ada');
    await test.restart();
    assert.deepEqual(test.broker.access.quotas.list(), [address]);
  });

  it('are refused if they make no sense', async () => {
    await using test = await TestBroker.start({ clock: new DrivenClock(0) });
    const { quotas } = test.broker.access;
    await assert.rejects(quotas.alter({}, { producer_byte_rate: 1 }), /for a user, a client id/);
    await assert.rejects(quotas.alter({ user: 'a', ip: '10.0.0.1' }, {}), /for nothing else/);
    await assert.rejects(
      quotas.alter({ ip: 'host' }, { connection_creation_rate: 1 }),
      /'host' is no address/,
    );
    await assert.rejects(quotas.alter({ user: 'a' }, { producer_byte_rate: 0 }), /above 0/);
    await assert.rejects(quotas.alter({ user: 'a' }, { connection_creation_rate: 1 }), /no quota/);
    await assert.rejects(quotas.alter({ user: 'a' }, { nonsense: null }), /no quota 'nonsense'/);
    assert.deepEqual(quotas.list(), []);
  });
});
