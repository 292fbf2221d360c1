import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Clients } from '../../../src/broker/access/clients.ts';
import { RateLimit } from '../../../src/broker/access/rate-limit.ts';
import type { User } from '../../../src/broker/access/user.ts';
import { Budget } from '../../../src/broker/budget/budget.ts';
import { ClientMemory } from '../../../src/broker/budget/client-memory.ts';
import type { CountedTogether } from '../../../src/broker/budget/counted-together.ts';
import { LargeRequests } from '../../../src/broker/budget/large-requests.ts';
import { ObjectQuotas } from '../../../src/broker/budget/object-quotas.ts';
import { SharedAddressRates } from '../../../src/broker/budget/shared-address-rates.ts';
import { SharedBudget } from '../../../src/broker/budget/shared-budget.ts';
import { allocateSharedBudget } from '../../../src/broker/budget/shared-memory.ts';
import { ConnectionCount } from '../../../src/servers/listener/connection-limits.ts';

function shards(count: number): CountedTogether[] {
  const memory = allocateSharedBudget(count);
  return Array.from({ length: count }, (_, number) => new SharedBudget({ number, count }, memory));
}

/** Notes what it is told. */
class Noted {
  readonly told: string[] = [];
  memoryPaused(): void {
    this.told.push('paused');
  }
  memoryResumed(): void {
    this.told.push('resumed');
  }
  memoryRefused(): void {
    this.told.push('refused');
  }
}

describe('descriptors of several shards', () => {
  const descriptors = { limit: 400, inUse: 30 };

  it('are those of the process: files of all are left room for, and connections counted together', () => {
    const budgets = shards(3).map((together) => new Budget({ descriptors, together }).descriptors);
    const [first, second, third] = budgets as [(typeof budgets)[0], (typeof budgets)[0], (typeof budgets)[0]];
    const { connectionsMax } = first;
    assert.ok(connectionsMax < new Budget({ descriptors }).descriptors.connectionsMax);
    let taken = 0;
    while ([first, second, third][taken % 3]?.takeForConnection()) taken++;
    assert.equal(taken, connectionsMax);
    assert.deepEqual([first.connections, third.connections], [connectionsMax, connectionsMax]);
    second.giveBack();
    assert.ok(third.takeForConnection());
    assert.ok(!first.takeForConnection());
  });

  it('are for nobody while a file of any shard waits for one', () => {
    const [first, second] = shards(2).map((together) => new Budget({ descriptors, together }).descriptors);
    assert.ok(first && second);
    first.isShort = true;
    assert.ok(!second.takeForConnection());
    first.isShort = false;
    assert.ok(second.takeForConnection());
  });
});

describe('connections to several shards', () => {
  it('are as many as the limits of the listener say, in all and from one address, whichever shards take them', () => {
    const step = fc.record({
      shard: fc.nat(2),
      address: fc.constantFrom('a', 'b', 'c'),
      isGone: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const limits = { maxConnections: 8, maxConnectionsPerAddress: 4 };
        const counts = shards(3).map((together) => new ConnectionCount(limits, 'amqp', together));
        const open: { shard: number; address: string }[] = [];
        for (const { shard, address, isGone } of steps) {
          const count = counts[shard] as ConnectionCount;
          const found = open.findIndex((each) => each.shard === shard && each.address === address);
          if (isGone && found >= 0) {
            open.splice(found, 1);
            count.removeFrom(address);
            count.remove();
            continue;
          }
          const hasRoom = open.length < limits.maxConnections;
          assert.equal(count.add(), hasRoom);
          if (!hasRoom) continue;
          const mayCome =
            open.filter((each) => each.address === address).length < limits.maxConnectionsPerAddress;
          assert.equal(count.addFrom(address), mayCome);
          if (mayCome) open.push({ shard, address });
          else count.remove();
        }
      }),
      { numRuns: 50 },
    );
  });

  it('are counted for their user and virtual host in all of them', () => {
    const [first, second] = shards(2).map(({ connections }) => new Clients(connections)) as [
      Clients,
      Clients,
    ];
    // Each shard has its own copy of the user.
    const users = [{ name: 'ada' } as User, { name: 'ada' } as User] as const;
    const clientIn = (shard: 0 | 1) => ({ user: users[shard], vhost: '/', close: () => undefined });
    const [here, there] = [clientIn(0), clientIn(1)];
    first.add(here);
    first.add(clientIn(0));
    second.add(there);
    assert.deepEqual([first.countOfUser(here.user), first.countInVhost('/')], [3, 3]);
    assert.deepEqual([second.countOfUser(there.user), second.ofUser(there.user).size], [3, 1]);
    second.delete(there);
    second.delete(there);
    assert.deepEqual([second.countOfUser(there.user), first.countInVhost('/')], [2, 2]);
  });

  it('come from an address as often as the rate says, and are refused sooner where they fail', () => {
    const memory = SharedAddressRates.memory();
    let nowMs = 1e9;
    const [first, second] = [0, 1].map(() => new SharedAddressRates(memory, () => nowMs)) as [
      SharedAddressRates,
      SharedAddressRates,
    ];
    const come = (address: string, tries: number) =>
      Array.from({ length: tries }, (_, i) => (i % 2 ? first : second).use(address, 1, 10, 300)).filter(
        Boolean,
      ).length;
    assert.equal(come('10.0.0.1', 500), 300);
    nowMs += 1000;
    assert.equal(come('10.0.0.1', 500), 10);
    assert.equal(come('10.0.0.2', 100), 100);
    for (let i = 0; i < 100; i++) first.useUp('10.0.0.3', 40, 10, 300);
    assert.ok(!second.use('10.0.0.3', 1, 10, 300));
    nowMs += 30_000;
    assert.equal(come('10.0.0.3', 500), 300);
  });

  it('come as often as they should from a thousand addresses at once', () => {
    const rates = new SharedAddressRates(SharedAddressRates.memory(), () => 5000);
    for (let address = 0; address < 1000; address++) {
      const came = Array.from({ length: 12 }, () => rates.use(`address ${address}`, 1, 1, 10)).filter(
        Boolean,
      );
      assert.equal(came.length, 10);
    }
  });
});

describe('the memory of clients of several shards', () => {
  const limits = { bytesMax: 1000, userBytesMax: 250, pausedMsMax: 60_000 };

  it('is held against the limits of the process and of the user, wherever it is', () => {
    const [first, second] = shards(2).map((together) => new ClientMemory(limits, together)) as [
      ClientMemory,
      ClientMemory,
    ];
    const [a, b, c] = [new Noted(), new Noted(), new Noted()];
    const ofA = first.open('ada', a);
    const ofB = second.open('ada', b);
    const ofC = second.open('ada', c);
    ofA.add(200);
    ofB.add(100);
    assert.equal(second.bytesOf('ada'), 300);
    assert.equal(first.bytes, 300);
    assert.deepEqual([first.bytesHere, second.bytesHere], [200, 100]);
    ofC.add(10);
    // One of each shard may go on: `b` was the first to grow beyond the share in its.
    assert.deepEqual([b.told, c.told], [[], ['paused']]);
    assert.match(ofC.shortage, /ada holds 310 bytes/);
    ofA.close();
    second.check(500);
    assert.deepEqual(c.told, ['paused', 'resumed']);
    for (const each of [ofB, ofC]) each.close();
    assert.deepEqual([first.bytes, second.bytes, first.bytesOf('ada')], [0, 0, 0]);
  });

  it('is given back by whoever holds most of all, in whichever shard that is, while somebody of another one waits', () => {
    const wide = { ...limits, userBytesMax: 700 };
    const [first, second] = shards(2).map((together) => new ClientMemory(wide, together)) as [
      ClientMemory,
      ClientMemory,
    ];
    const [greedy, modest] = [new Noted(), new Noted()];
    first.open('eve', greedy).add(650);
    const ofModest = second.open('bob', modest);
    ofModest.add(300);
    ofModest.add(100);
    assert.deepEqual(modest.told, ['paused']);
    for (let nowMs = 0; nowMs <= 11_000; nowMs += 500) for (const each of [first, second]) each.check(nowMs);
    assert.ok(greedy.told.includes('refused'), String(greedy.told));
    assert.ok(!modest.told.includes('refused'), String(modest.told));
  });
});

describe('objects of several shards', () => {
  const deps = {
    limits: { user: { channels: 10, queues: 5 }, administrator: {}, vhost: { consumers: 4 } },
    ofUser: () => ({ isAdministrator: false, limits: {} }),
    ofVhost: () => undefined,
    shortOf: () => new Set<string>(),
    isDiskReserved: () => false,
    nowMs: () => 0,
  };

  it('are limited together where they are in one shard, and by each where all have a copy', () => {
    const [first, second] = shards(2).map(({ objects }) => new ObjectQuotas({ ...deps, rows: objects })) as [
      ObjectQuotas,
      ObjectQuotas,
    ];
    for (let i = 0; i < 6; i++) first.change('channels', first.account('ada'), '/', 1);
    assert.ok(second.hasRoomFor('channels', second.account('ada'), '/', 4));
    assert.ok(!second.hasRoomFor('channels', second.account('ada'), '/', 5));
    for (const each of [first, second]) each.change('queues', each.account('ada'), '/', 5);
    assert.equal(second.count('queues', { user: 'ada' }), 5);
    // In a virtual host of which this shard has nothing.
    first.change('consumers', null, 'other', 4);
    assert.equal(second.refusal('consumers', null, 'other')?.kind, 'limit-reached');
    first.change('consumers', null, 'other', -1);
    assert.equal(second.refusal('consumers', null, 'other'), null);
  });

  it('of a user who is deleted count for nobody who comes under the same name, in no shard', () => {
    const [first, second] = shards(2).map(({ objects }) => new ObjectQuotas({ ...deps, rows: objects })) as [
      ObjectQuotas,
      ObjectQuotas,
    ];
    const before = first.account('ada');
    first.change('channels', before, '/', 7);
    assert.equal(second.count('channels', { user: 'ada' }), 7);
    for (const each of [first, second]) each.userDeleted('ada');
    assert.equal(second.count('channels', { user: 'ada' }), 0);
    first.change('channels', first.account('ada'), '/', 2);
    first.change('channels', before, '/', -7);
    assert.equal(second.count('channels', { user: 'ada' }), 2);
  });
});

describe('large requests to several shards', () => {
  it('have one limit, and in each shard one may always go on', async () => {
    const [first, second] = shards(2).map((together) => new LargeRequests(100, together)) as [
      LargeRequests,
      LargeRequests,
    ];
    assert.equal(first.enter(90, 'ada'), null);
    assert.equal(second.enter(60, 'bob'), null);
    const waits = second.enter(30, 'bob');
    assert.notEqual(waits, null);
    first.leave(90);
    assert.equal(first.enter(20, 'ada'), null);
    assert.notEqual(first.enter(30, 'ada'), null);
    second.leave(60);
    await waits;
  });
});

describe('rates of several shards', () => {
  it('are those of the process: what one uses is used for all', () => {
    const limits = shards(3).map(({ rates }) => new RateLimit(100, 0, 10, rates.claim('user ada')));
    const [first, second, third] = limits as [RateLimit, RateLimit, RateLimit];
    assert.equal(first.use(600, 0), 0);
    assert.equal(second.use(400, 0), 0);
    assert.equal(third.use(100, 0), 1000);
    assert.equal(first.use(0, 0), 1000);
    assert.equal(second.use(50, 500), 1000);
    assert.equal(third.use(0, 1500), 0);
  });

  it('come to what is allowed, over a long time, whichever shard is used', () => {
    const limits = shards(2).map(({ rates }) => new RateLimit(1000, 0, 10, rates.claim('user ada')));
    let nowMs = 0;
    let used = 0;
    for (let i = 0; nowMs < 100_000; i++) {
      nowMs += limits[i % 2]!.use(700, nowMs) || 1;
      used += 700;
    }
    assert.ok(used > 109_000 && used < 113_000, `${used} in 100 s, 10 s of them at once`);
  });

  it('are not gained from a shard that begins later, nor from one that forgets', () => {
    const together = shards(3);
    const limitOf = (shard: number) => new RateLimit(100, 0, 10, together[shard]!.rates.claim('user ada'));
    const [first, second] = [limitOf(0), limitOf(1)];
    first.use(700, 0);
    second.use(5000, 0);
    // All that was used before is used.
    const third = limitOf(2);
    assert.equal(third.use(10, 0), 100);
    assert.equal(first.use(0, 0), 47_100);
    second.close();
    assert.equal(first.use(0, 0), 47_100);
    first.close();
    third.close();
    assert.equal(limitOf(0).use(1000, 0), 0);
  });
});
