import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Client } from '../../src/broker/access/clients.ts';
import type { User } from '../../src/broker/access/user.ts';
import { DrivenClock, STEP_MS } from '../support/driven-clock.ts';
import { TestAdmin } from './test-admin.ts';

const COUNT = 3000;
/** In how many states others see it; two, if all were done in one piece. */
const STATES_MIN = 5;

/** How many states there are until the answer has come. */
async function statesUntil<T>(
  answer: Promise<T>,
  stateOf: () => string,
): Promise<{ seen: number; answer: T }> {
  const states = new Set([stateOf()]);
  let isOver = false;
  answer.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    await new Promise((resolve) => setImmediate(resolve));
    states.add(stateOf());
  }
  return { seen: states.size, answer: await answer };
}

describe('an administrator who takes away very much at once', () => {
  it('deletes a virtual host with its queues, streams, exchanges and bindings while others are served', async () => {
    await using admin = await TestAdmin.start({ clock: new DrivenClock(STEP_MS) });
    await admin.ask('PUT', '/api/vhosts/large');
    const vhost = admin.broker.vhosts.get('large');
    assert.ok(vhost !== undefined);
    for (let i = 0; i < COUNT; i++) {
      const common = { durable: true, autoDelete: false, arguments: {} };
      vhost.declareQueue({ name: `q${i}`, exclusive: false, ...common }, null);
      vhost.declareExchange({ name: `x${i}`, type: 'fanout', internal: false, ...common });
      vhost.bindQueue({ source: `x${i}`, destination: `q${i}`, routingKey: '', arguments: {} }, null);
    }
    for (let i = 0; i < 20; i++) {
      admin.broker.streams.create({ vhost: 'large', name: `s${i}`, partitions: 1, configs: new Map() });
    }
    const kinds: Record<string, () => number> = {
      queues: () => [...vhost.queues()].length,
      exchanges: () => vhost.exchangeCount,
    };
    const states = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, new Set<number>()]));
    const { answer } = await statesUntil(admin.ask('DELETE', '/api/vhosts/large'), () => {
      for (const [kind, count] of Object.entries(kinds)) states[kind]?.add(count());
      return '';
    });
    assert.equal(answer.status, 204);
    for (const [kind, seen] of Object.entries(states)) {
      assert.ok(seen.size >= STATES_MIN, `${seen.size} states of ${kind}`);
    }
    assert.equal(admin.broker.vhosts.get('large'), undefined);
    assert.deepEqual(admin.broker.streams.list('large').length, 0);
  });

  it('deletes a user, or a virtual host, with very many connections while others are served', async () => {
    await using admin = await TestAdmin.start({ clock: new DrivenClock(STEP_MS) });
    const { access } = admin.broker;
    for (const path of ['/api/users/busy', '/api/vhosts/busy']) {
      await admin.ask('PUT', '/api/users/busy', { tags: [] });
      await admin.ask('PUT', '/api/vhosts/busy');
      // What the interface gives is the user itself.
      const user = access.userNamed('busy') as User;
      let open = COUNT;
      const end = (client: Client): void => {
        access.clients.delete(client);
        open--;
      };
      for (let i = 0; i < COUNT; i++) {
        const client: Client = { user, vhost: 'busy', close: () => end(client) };
        access.clients.add(client);
      }
      const { seen, answer } = await statesUntil(admin.ask('DELETE', path), () => String(open));
      assert.equal(answer.status, 204);
      assert.equal(open, 0);
      assert.ok(seen >= STATES_MIN, `${seen} states`);
    }
  });
});
