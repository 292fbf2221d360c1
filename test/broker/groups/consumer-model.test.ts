import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { JoinOutcome, SyncOutcome } from '../../../src/broker/groups/classic/requests.ts';
import type { ConsumerGroup } from '../../../src/broker/groups/consumer/consumer-group.ts';
import { GroupError } from '../../../src/broker/groups/group-error.ts';
import {
  countOf,
  equals,
  intersect,
  NO_PARTITIONS,
  overlaps,
  type PartitionSet,
  PartitionSetBuilder,
} from '../../../src/broker/groups/partition-sets.ts';
import type { NamedPartitions } from '../../../src/broker/groups/ports.ts';
import { firstHeartbeat, TestGroups, textCodec } from './test-groups.ts';

let nextId = 1;

/** A client of KIP-848: it lets go of what it shall not have, says so, and only then takes what is new. */
class LiveClient {
  readonly id = `member-${nextId++}`;
  readonly test: TestGroups;
  readonly instanceId: string | null;
  names: string[];
  epoch = 0;
  owned: PartitionSet = NO_PARTITIONS;
  /** What it shall have, as it was told. */
  assigned: PartitionSet = NO_PARTITIONS;
  #isToTell = false;
  #isWhole = true;

  constructor(test: TestGroups, names: string[], instanceId: string | null) {
    this.test = test;
    this.names = names;
    this.instanceId = instanceId;
  }

  /** One heartbeat. If the answer is lost, it says everything again with the next one. */
  beat(isLost: boolean): void {
    const isWhole = this.#isWhole || this.epoch === 0;
    try {
      const answer = this.test.groups.consumerHeartbeat('/', 'g', {
        ...firstHeartbeat,
        memberId: this.id,
        instanceId: this.instanceId,
        epoch: this.epoch,
        rebalanceMs: isWhole ? 20_000 : -1,
        names: isWhole ? this.names : null,
        owned: this.epoch === 0 ? NO_PARTITIONS : isWhole || this.#isToTell ? this.owned : null,
      });
      this.#isWhole = isLost;
      if (isLost) {
        // What it said that it has not got yet may be another's now: the protocol has no way to tell it.
        this.assigned = intersect(this.owned, this.assigned);
        return;
      }
      this.#isToTell = false;
      assert.ok(answer.epoch >= this.epoch, 'the epoch of a member does not go back');
      this.epoch = answer.epoch;
      if (answer.assigned !== null) this.assigned = answer.assigned;
    } catch (error) {
      if (!(error instanceof GroupError)) throw error;
      assert.ok(
        ['fenced-epoch', 'unknown-member', 'group-not-found', 'unreleased-instance'].includes(error.kind),
        error.kind,
      );
      // It was taken for dead: it lets go of all, and joins again.
      this.epoch = 0;
      this.owned = NO_PARTITIONS;
      this.assigned = NO_PARTITIONS;
    }
  }

  /** It has done what it was told. */
  reconcile(): void {
    if (equals(this.owned, this.assigned)) return;
    const kept = intersect(this.owned, this.assigned);
    // What is new is taken only after what is old has been let go of.
    this.owned = equals(kept, this.owned) ? this.assigned : kept;
    this.#isToTell = true;
  }

  subscribe(names: string[]): void {
    this.names = names;
    this.#isWhole = true;
  }

  leave(epoch: -1 | -2): void {
    this.owned = NO_PARTITIONS;
    const { id: memberId, instanceId } = this;
    try {
      this.test.groups.consumerHeartbeat('/', 'g', { ...firstHeartbeat, memberId, instanceId, epoch });
    } catch (error) {
      if (!(error instanceof GroupError)) throw error;
    }
  }
}

/** A client of the classic protocol, of the kind that lets go of all before it joins; if it leads, it divides. */
class ClassicLiveClient {
  readonly test: TestGroups;
  names: string[];
  owned: PartitionSet = NO_PARTITIONS;
  epoch = -1;
  id = '';
  #joined: JoinOutcome | null = null;
  #synced: SyncOutcome | null = null;
  #isWaiting = false;
  /** What it wanted, and what there was, when it joined. */
  #told = '';
  /** Answers to what was asked before are not for it any more. */
  #round = 0;

  constructor(test: TestGroups, names: string[]) {
    this.test = test;
    this.names = names;
  }

  beat(): void {
    if (this.#isWaiting) return;
    const error = this.#joined?.error ?? this.#synced?.error ?? null;
    if (this.#joined === null || error !== null || this.#told !== this.#world()) this.#join(error);
    else if (this.#synced === null) this.#sync(this.#joined);
    else this.#heartbeat();
  }

  reconcile(): void {}

  subscribe(names: string[]): void {
    this.names = names;
    if (!this.#isWaiting) this.#join(null);
  }

  leave(): void {
    this.owned = NO_PARTITIONS;
    this.test.groups.leave('/', 'g', [{ memberId: this.id, instanceId: null }]);
  }

  reconnect(): void {
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    this.#joined = null;
    this.#round++;
  }

  #heartbeat(): void {
    const error = this.test.groups.heartbeat('/', 'g', {
      memberId: this.id,
      instanceId: null,
      generation: this.epoch,
    });
    if (error !== null) this.#join(error);
  }

  #join(error: string | null): void {
    this.owned = NO_PARTITIONS;
    if (error === 'unknown-member') this.id = '';
    this.#told = this.#world();
    this.#joined = null;
    this.#synced = null;
    const done = this.#answered<JoinOutcome>((outcome) => {
      this.#joined = outcome;
      this.epoch = outcome.generation;
      if (outcome.memberId !== '') this.id = outcome.memberId;
    });
    this.test.groups.join(
      '/',
      'g',
      {
        memberId: this.id,
        instanceId: null,
        clientId: 'classic',
        host: '/127.0.0.1',
        sessionMs: 45_000,
        rebalanceMs: 60_000,
        protocolType: 'consumer',
        protocols: [{ name: 'range', metadata: Buffer.from(this.names.join(',')) }],
        requiresKnownId: true,
        canSkipAssignment: true,
      },
      done,
    );
  }

  #sync({ members }: JoinOutcome): void {
    const done = this.#answered<SyncOutcome>((outcome) => {
      this.#synced = outcome;
      if (outcome.error === null) this.owned = this.#read(outcome.assignment);
    });
    const parts = new Map<string, NamedPartitions[]>(members.map(({ id }) => [id, []]));
    for (const { name: topic, partitions } of this.test.streams.list()) {
      const readers = members.filter(({ metadata }) => metadata.toString().split(',').includes(topic));
      for (let partition = 0; partition < partitions.length && readers.length > 0; partition++) {
        const { id } = readers[partition % readers.length];
        parts.get(id)?.push({ topic, partitions: [partition] });
      }
    }
    this.test.groups.sync(
      '/',
      'g',
      {
        memberId: this.id,
        instanceId: null,
        generation: this.epoch,
        protocolType: 'consumer',
        protocol: 'range',
        assignments: Array.from(parts, ([memberId, assignment]) => ({
          memberId,
          assignment: Buffer.from(JSON.stringify(assignment)),
        })),
      },
      done,
    );
  }

  #world(): string {
    // Of all streams: whoever leads divides what others read.
    const counts = this.test.streams.list().map(({ id, partitions }) => `${id}:${partitions.length}`);
    return `${this.names} ${counts}`;
  }

  #read(assignment: Buffer): PartitionSet {
    const builder = new PartitionSetBuilder();
    for (const { topic, partitions } of textCodec.readAssignment('consumer', assignment)) {
      const stream = this.test.streams.get('/', topic);
      if (stream !== undefined) for (const each of partitions) builder.add(stream.id, each);
    }
    return builder.set;
  }

  #answered<T>(take: (outcome: T) => void): (outcome: T) => void {
    this.#isWaiting = true;
    const round = ++this.#round;
    return (outcome) => {
      if (round !== this.#round) return;
      this.#isWaiting = false;
      take(outcome);
    };
  }
}

type Command =
  | { readonly do: 'classic'; readonly names: string[] }
  | { readonly do: 'beat'; readonly who: number; readonly isLost: boolean }
  | { readonly do: 'reconcile' | 'die' | 'leave'; readonly who: number }
  | { readonly do: 'subscribe'; readonly who: number; readonly names: string[] }
  | { readonly do: 'add'; readonly names: string[]; readonly instanceId: string | null }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'stream'; readonly name: string; readonly partitions: number }
  | { readonly do: 'restart'; readonly fromSnapshot: boolean };

const who = fc.nat(5);
const names = fc.constantFrom<string[]>(['s'], ['s'], ['s', 't'], ['t'], ['t', 'u']);
const instanceId = fc.constantFrom(null, null, 'a', 'b');
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('beat' as const),
      who,
      isLost: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('reconcile' as const), who }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('die' as const, 'leave' as const), who }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('subscribe' as const), who, names }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('add' as const), names, instanceId }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('classic' as const), names }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.nat(3_000) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('stream' as const),
      name: fc.constantFrom('s', 't', 'u'),
      partitions: fc.nat(6),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), fromSnapshot: fc.boolean() }) },
);

class Model {
  readonly test = new TestGroups();
  readonly clients: (LiveClient | ClassicLiveClient)[] = [];
  #epoch = 0;

  constructor() {
    this.test.createStream('s', 4);
    this.test.createStream('t', 3);
  }

  get group(): ConsumerGroup | null {
    const membership = this.test.groups.find('/', 'g')?.membership;
    return membership?.type === 'consumer' ? membership : null;
  }

  run(each: Command): void {
    const client = 'who' in each ? this.clients[each.who % this.clients.length] : undefined;
    switch (each.do) {
      case 'beat':
        client?.beat(each.isLost);
        break;
      case 'reconcile':
        client?.reconcile();
        break;
      case 'die':
      case 'leave':
        if (each.do === 'leave') client?.leave(-1);
        if (client !== undefined) this.clients.splice(this.clients.indexOf(client), 1);
        break;
      case 'subscribe':
        client?.subscribe(each.names);
        break;
      case 'add':
        this.#add(each.names, each.instanceId);
        break;
      case 'classic':
        if (this.clients.length < 6) this.clients.push(new ClassicLiveClient(this.test, each.names));
        break;
      case 'pass':
        this.test.time.pass(each.ms);
        break;
      case 'stream':
        if (each.partitions === 0) this.test.deleteStream(each.name);
        else this.#growStream(each.name, each.partitions);
        break;
      case 'restart':
        this.test.restart(each);
        for (const live of this.clients) if (live instanceof ClassicLiveClient) live.reconnect();
        if (this.group === null) this.#epoch = 0;
    }
    this.#check();
  }

  /** After a while without changes, each partition that anybody reads has one owner, who knows it. */
  settle(): void {
    for (let i = 0; i < 60; i++) {
      for (const client of this.clients) {
        client.beat(false);
        client.reconcile();
        client.reconcile();
      }
      this.test.time.pass(3_000);
      this.#check();
    }
    const state = this.test.groups.find('/', 'g')?.state ?? 'Empty';
    assert.equal(state, this.clients.length === 0 ? 'Empty' : 'Stable');
    const isNew = this.clients.some((client) => client instanceof LiveClient);
    if (this.clients.length > 0) assert.equal(this.group !== null, isNew);
    const read = new Set(this.clients.flatMap((client) => client.names));
    let partitions = 0;
    for (const { name, partitions: all } of this.test.streams.list())
      if (read.has(name)) partitions += all.length;
    let owned = 0;
    for (const client of this.clients) {
      owned += countOf(client.owned);
      if (this.group !== null) assert.equal(client.epoch, this.group.epoch);
    }
    assert.equal(owned, partitions);
  }

  /** Nobody has what another has; those who died without a word are not asked. */
  #check(): void {
    for (const [index, client] of this.clients.entries()) {
      for (const other of this.clients.slice(index + 1)) {
        assert.ok(!overlaps(client.owned, other.owned), `${client.id} and ${other.id} have the same`);
      }
    }
    const { group } = this;
    if (group === null) {
      // A classic group goes on where the other one was.
      return;
    }
    assert.ok(group.epoch >= this.#epoch, 'the epoch of the group does not go back');
    this.#epoch = group.epoch;
    const members = [...group.members.values()];
    for (const [index, member] of members.entries()) {
      for (const other of members.slice(index + 1)) {
        assert.ok(
          !overlaps(member.owned, other.owned),
          `the broker gave the same to ${member.id} and ${other.id}`,
        );
      }
    }
  }

  #add(subscription: string[], name: string | null): void {
    const former = this.clients.findIndex(
      (client) => client instanceof LiveClient && name !== null && client.instanceId === name,
    );
    if (former >= 0) this.clients.splice(former, 1)[0]?.leave(-2);
    if (this.clients.length < 6) this.clients.push(new LiveClient(this.test, subscription, name));
  }

  #growStream(name: string, partitions: number): void {
    const present = this.test.streams.get('/', name)?.partitions.length ?? 0;
    if (partitions > present) this.test.createStream(name, partitions);
  }
}

describe('a consumer group, whatever happens', () => {
  it('gives no partition to two members, and comes to an end in which all are given', () => {
    const runs = fc.property(fc.array(command, { maxLength: 100, size: 'max' }), (commands) => {
      const model = new Model();
      for (const each of commands) model.run(each);
      model.settle();
    });
    fc.assert(runs, { numRuns: 150 });
  });
});
