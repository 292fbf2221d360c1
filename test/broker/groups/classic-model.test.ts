import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ClassicClient, TestGroups } from './test-groups.ts';

const SESSION_MS = 10_000;

/** A client that does what clients do: heartbeats, and whatever the answers ask for. */
class LiveClient {
  readonly client: ClassicClient;
  isAlive = true;

  constructor(test: TestGroups, instanceId: string | null) {
    this.client = new ClassicClient(test, instanceId);
  }

  /** Its next request, unless it waits for an answer. */
  step(): void {
    const { client } = this;
    if (!this.isAlive || client.isWaiting) return;
    if (client.joined === null) client.join({ requiresKnownId: client.instanceId === null });
    else if (client.joined.error !== null) this.#joinAfter(client.joined.error);
    else if (client.synced === null) client.sync();
    else if (client.synced.error !== null) this.#joinAfter(client.synced.error);
    else this.#heartbeat();
  }

  /** The broker was started again: what the client waits for does not come. */
  reconnect(): void {
    if (this.client.isWaiting) this.client.forget();
  }

  #heartbeat(): void {
    const error = this.client.heartbeat();
    if (error !== null) {
      this.#joinAfter(error);
      return;
    }
    this.check();
  }

  /** What it has is what the leader of its generation gave to it. */
  check(): void {
    const { client } = this;
    const { membership } = client.test.groups.find('/', 'g') ?? {};
    assert.equal(membership?.type, 'classic');
    assert.equal(membership.generation, client.generation);
    const [generation, id] = client.synced?.assignment.toString().split(' ') ?? [];
    assert.equal(Number(generation), client.generation);
    if (client.instanceId === null) assert.equal(id, client.id);
  }

  #joinAfter(error: string): void {
    if (error === 'unknown-member' || error === 'fenced-instance') this.client.id = '';
    this.client.join({ requiresKnownId: this.client.instanceId === null });
  }
}

type Command =
  | { readonly do: 'step' | 'die' | 'leave' | 'wish'; readonly who: number }
  | { readonly do: 'add'; readonly instanceId: string | null }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'restart'; readonly fromSnapshot: boolean };

const who = fc.nat(5);
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('step' as const), who }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('die' as const, 'leave' as const), who }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wish' as const), who }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('add' as const),
      instanceId: fc.constantFrom(null, null, 'a', 'b'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.nat(4_000) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), fromSnapshot: fc.boolean() }) },
);

function run(commands: readonly Command[], initialRebalanceDelayMs: number): void {
  const test = new TestGroups({ initialRebalanceDelayMs });
  const clients: LiveClient[] = [];
  let generation = 0;
  const at = (index: number) => clients[index % clients.length];
  for (const each of commands) {
    switch (each.do) {
      case 'step':
        at(each.who)?.step();
        break;
      case 'die':
        clients.splice(each.who % Math.max(clients.length, 1), 1);
        break;
      case 'leave':
        at(each.who)?.client.leave();
        clients.splice(each.who % Math.max(clients.length, 1), 1);
        break;
      case 'wish': {
        const live = at(each.who);
        if (live !== undefined && !live.client.isWaiting) {
          live.client.wishes += 'x';
          live.client.join();
        }
        break;
      }
      case 'add': {
        // Whoever has the name gives way.
        const former = clients.findIndex(
          ({ client }) => each.instanceId !== null && client.instanceId === each.instanceId,
        );
        if (former >= 0) clients.splice(former, 1);
        if (clients.length < 6) clients.push(new LiveClient(test, each.instanceId));
        break;
      }
      case 'pass':
        test.time.pass(each.ms);
        break;
      case 'restart':
        test.restart(each);
        for (const live of clients) live.reconnect();
        generation = 0;
    }
    const { membership } = test.groups.find('/', 'g') ?? {};
    if (membership?.type !== 'classic') continue;
    assert.ok(membership.generation >= generation);
    generation = membership.generation;
  }
  settle(test, clients);
}

/** After a while without changes, all who live are in, and nobody else; each has its part. */
function settle(test: TestGroups, clients: readonly LiveClient[]): void {
  for (let i = 0; i < 60; i++) {
    for (const live of clients) live.step();
    test.time.pass(SESSION_MS / 10);
  }
  const group = test.groups.find('/', 'g');
  assert.equal(group?.state ?? 'Empty', clients.length === 0 ? 'Empty' : 'Stable');
  for (const live of clients) live.check();
  const members = group?.membership.type === 'classic' ? [...group.membership.roster.members.keys()] : [];
  assert.deepEqual(members.sort(), clients.map(({ client }) => client.id).sort());
}

describe('a classic group, whatever happens', () => {
  it('comes to a generation in which all who live have what their leader gave them', () => {
    const runs = fc.property(
      fc.array(command, { maxLength: 80, size: 'max' }),
      fc.constantFrom(0, 3_000),
      run,
    );
    fc.assert(runs, { numRuns: 150 });
  });
});
