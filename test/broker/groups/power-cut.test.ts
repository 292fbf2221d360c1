import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ConsumerGroup } from '../../../src/broker/groups/consumer/consumer-group.ts';
import { GroupError } from '../../../src/broker/groups/group-error.ts';
import { NO_PARTITIONS, overlaps, type PartitionSet } from '../../../src/broker/groups/partition-sets.ts';
import { SimulatedBroker } from '../transactions/simulated-broker.ts';
import { firstHeartbeat } from './test-groups.ts';

const PARTITIONS = 6;

/** What one member was told for sure. */
interface Confirmed {
  readonly epoch: number;
  readonly owned: PartitionSet;
}

/**
 * Groups over stops, kills and power cuts. A commit that was confirmed is there, or a later one; a member that was told
 * its epoch is still in the group, which has not gone back behind it; and what one was told that it has, nobody else has.
 */
class Bench {
  readonly sim: SimulatedBroker;
  /** By partition: what was said, in order, and how many of that for sure. */
  readonly #said = Array.from({ length: PARTITIONS }, (): number[] => []);
  readonly #sure = new Array<number>(PARTITIONS).fill(0);
  readonly #members = new Map<string, Confirmed>();
  #groupEpoch = 0;
  confirmedCount = 0;

  constructor(seed: number) {
    this.sim = new SimulatedBroker(seed);
  }

  async run(rounds: number): Promise<void> {
    const { sim } = this;
    await sim.start();
    sim.broker.streams.create({ vhost: '/', name: 's', partitions: PARTITIONS, configs: new Map() });
    await sim.until(sim.broker.shard.store.journal.flush());
    for (let round = 0; round < rounds; round++) {
      const operations = sim.between(1, 25);
      for (let i = 0; i < operations; i++) await this.#operate();
      const how = sim.random();
      if (how < 0.25) await sim.stop();
      else if (how < 0.6) await sim.kill();
      else await sim.cutPower();
      await sim.start();
      this.#check();
    }
    await sim.stop();
  }

  get #group(): ConsumerGroup | null {
    const membership = this.sim.broker.groups.find('/', 'g')?.membership;
    return membership?.type === 'consumer' ? membership : null;
  }

  async #operate(): Promise<void> {
    const { sim } = this;
    const what = sim.random();
    if (what < 0.4) await this.#commit();
    else if (what < 0.9) await this.#beat(sim.pick(['ada', 'bob', 'eve']));
    else for (let i = sim.between(1, 5); i > 0; i--) await sim.step();
  }

  async #commit(): Promise<void> {
    const { sim } = this;
    const partition = sim.between(0, PARTITIONS - 1);
    const said = this.#said[partition];
    const offset = said.length + 1;
    const { id } = sim.broker.streams.get('/', 's')!;
    sim.broker.groups.commit({
      vhost: '/',
      group: 'offsets',
      memberId: '',
      instanceId: null,
      generation: -1,
      knowsEpochs: true,
      rows: { [id]: [[partition, offset]] },
    });
    said.push(offset);
    if (sim.random() < 0.5) return;
    await sim.until(sim.broker.shard.store.journal.flush());
    this.#sure[partition] = offset;
    this.confirmedCount++;
  }

  /** A member that has always done what it was told last. */
  async #beat(memberId: string): Promise<void> {
    const { sim } = this;
    const known = this.#members.get(memberId);
    const leaves = known !== undefined && sim.random() < 0.1;
    const isNew = known === undefined;
    this.#members.delete(memberId);
    try {
      const { epoch, assigned } = sim.broker.groups.consumerHeartbeat('/', 'g', {
        ...firstHeartbeat,
        memberId,
        epoch: leaves ? -1 : (known?.epoch ?? 0),
        owned: known?.owned ?? NO_PARTITIONS,
      });
      if (leaves) return;
      // The answer goes out when what it shows is safe; some do not wait for it.
      if (sim.random() < 0.3) return;
      await sim.until(sim.broker.shard.store.journal.flush());
      const owned = assigned ?? known?.owned ?? NO_PARTITIONS;
      for (const [other, { owned: theirs }] of this.#members) {
        assert.ok(!overlaps(owned, theirs), `${memberId} is given what ${other} was told that it has`);
      }
      this.#members.set(memberId, { epoch, owned });
      this.#groupEpoch = Math.max(this.#groupEpoch, epoch);
    } catch (error) {
      if (!(error instanceof GroupError) || isNew) throw error;
      assert.ok(error.kind === 'fenced-epoch' || error.kind === 'unknown-member', error.kind);
    }
  }

  #check(): void {
    const { broker } = this.sim;
    const { id } = broker.streams.get('/', 's')!;
    const { offsets } = broker.groups.find('/', 'offsets') ?? {};
    for (const [partition, sure] of this.#sure.entries()) {
      const present = offsets?.get(id, partition)?.offset ?? 0;
      assert.ok(present >= sure, `partition ${partition}: ${sure} was confirmed, and ${present} is there`);
      // What was said after it, and is lost, is said again with the next number.
      this.#said[partition] = this.#said[partition].slice(0, present);
      this.#sure[partition] = present;
    }
    const group = this.#group;
    assert.ok((group?.epoch ?? 0) >= this.#groupEpoch, 'the epoch of the group went back');
    for (const [memberId, { epoch }] of this.#members) {
      const member = group?.members.get(memberId);
      assert.ok(member !== undefined, `${memberId} was told its epoch ${epoch}, and is gone`);
      assert.ok(member.epoch >= epoch, `${memberId} was told its epoch ${epoch}, and has ${member.epoch}`);
    }
    for (const [memberId, { owned }] of this.#members) {
      for (const other of group?.members.values() ?? []) {
        if (other.id === memberId) continue;
        assert.ok(!overlaps(owned, other.owned), `${other.id} has what ${memberId} was told that it has`);
      }
    }
  }
}

describe('groups over stops, kills and power cuts', () => {
  for (const seed of [1, 2, 3, 4]) {
    it(`keep what was confirmed: seed ${seed}`, async () => {
      const bench = new Bench(seed);
      await bench.run(30);
      assert.ok(bench.confirmedCount > 20);
    });
  }
});
