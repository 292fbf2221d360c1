import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ACKNOWLEDGE } from '../../../../src/broker/groups/share/acknowledgement.ts';
import type { Acquired, ShareReader } from '../../../../src/broker/groups/share/share-reader.ts';
import type { PartitionSlice } from '../../../../src/broker/streams/readable-partition.ts';
import { batchBytes } from '../../../../src/records/batch-view.ts';
import { RecordCursor } from '../../../../src/records/record-cursor.ts';
import { batchOf } from '../../streams/batches.ts';
import { SimulatedBroker } from '../../transactions/simulated-broker.ts';

const { ACCEPT, RELEASE, REJECT } = {
  ACCEPT: ACKNOWLEDGE.accept,
  RELEASE: ACKNOWLEDGE.release,
  REJECT: ACKNOWLEDGE.reject,
};
const LIMIT = 3;

interface Said {
  readonly offset: number;
  readonly type: number;
}

/**
 * A share group that works on a stream while the broker stops, is killed and loses its power. What was said of a record
 * and confirmed holds ever after; and of the records that are done with, those that were given up, and no others, are
 * in the stream for dead records, each once.
 */
class Bench {
  readonly sim: SimulatedBroker;
  readonly #accepted = new Set<number>();
  readonly #rejected = new Set<number>();
  readonly #deliveries = new Map<number, number>();
  /** What the group may not hand out again. */
  readonly #confirmed = new Set<number>();
  confirmedCount = 0;
  deadCount = 0;

  constructor(seed: number) {
    this.sim = new SimulatedBroker(seed);
  }

  async run(rounds: number): Promise<void> {
    const { sim } = this;
    await sim.start();
    sim.broker.streams.create({ vhost: '/', name: 's', partitions: 1, configs: new Map() });
    sim.broker.groupConfigs.set(
      '/',
      'g',
      new Map([
        ['share.auto.offset.reset', 'earliest'],
        ['share.delivery.count.limit', String(LIMIT)],
        ['sluice.dead.letter.topic', 'dead'],
      ]),
    );
    this.#join();
    await sim.until(sim.broker.shard.store.journal.flush());
    for (let round = 0; round < rounds; round++) {
      const operations = sim.between(1, 25);
      for (let i = 0; i < operations; i++) await this.#operate();
      await this.#end();
      await sim.start();
      this.#join();
      await this.#check();
    }
    await sim.stop();
  }

  get #reader(): ShareReader {
    const { streams, shareGroups } = this.sim.broker;
    return shareGroups.reader(shareGroups.find('/', 'g')!, streams.get('/', 's')!.id, 0)!;
  }

  #join(): void {
    const request = { memberId: 'ada', epoch: 0, rackId: null, subscribed: ['s'], clientId: '', host: '' };
    this.sim.broker.shareGroups.heartbeat('/', 'g', request);
  }

  async #operate(): Promise<void> {
    const { sim } = this;
    const what = sim.random();
    if (what < 0.4) {
      const partition = sim.broker.streams.get('/', 's')!.ownPartitions[0];
      const values = Array.from({ length: sim.between(1, 6) }, () => Buffer.alloc(sim.between(1, 300), 'v'));
      const batch = batchOf(values, sim.time.now());
      partition.append(batch, 0, batch.length);
      // A block at a time: a batch that is lost would be another one later, under the same offsets.
      await sim.until(sim.broker.shard.store.journal.flush());
    } else if (what < 0.9) {
      await this.#work();
    } else {
      for (let i = sim.between(1, 5); i > 0; i--) await sim.step();
    }
  }

  async #work(): Promise<void> {
    const { sim } = this;
    const reader = this.#reader;
    const found = reader.acquire('ada', { records: sim.between(1, 10), bytes: 100_000, isExact: true });
    const { ranges }: Acquired = found instanceof Promise ? await sim.until(found) : found;
    const said: Said[] = [];
    ranges.firsts.forEach((first, i) => {
      for (let offset = first; offset <= ranges.lasts[i]; offset++) {
        assert.equal(this.#confirmed.has(offset), false, `${offset} was done with, and comes again`);
        this.#deliveries.set(offset, ranges.deliveries[i]);
        if (sim.random() < 0.9) said.push({ offset, type: sim.pick([ACCEPT, ACCEPT, RELEASE, REJECT]) });
      }
    });
    for (const { offset, type } of said) {
      if (type === ACCEPT) this.#accepted.add(offset);
      if (type === REJECT || (type === RELEASE && this.#deliveries.get(offset)! >= LIMIT))
        this.#rejected.add(offset);
    }
    const leaving = reader.share.acknowledge(
      'ada',
      said.map(({ offset, type }) => ({ firstOffset: offset, lastOffset: offset, types: [type] })),
    );
    // Mostly the member waits until it is told that all of it is safe.
    if (sim.random() < 0.3) return;
    if (leaving !== null) await sim.until(leaving);
    await sim.until(sim.broker.shard.store.journal.flush());
    for (const { offset, type } of said) {
      const isDone = type !== RELEASE || this.#deliveries.get(offset)! >= LIMIT;
      if (!isDone) continue;
      this.#confirmed.add(offset);
      this.confirmedCount++;
    }
    reader.share.release('ada');
  }

  async #end(): Promise<void> {
    const { sim } = this;
    const how = sim.random();
    if (how < 0.25) await sim.stop();
    else if (how < 0.6) await sim.kill();
    else await sim.cutPower();
  }

  async #check(): Promise<void> {
    const { share } = this.#reader;
    const dead = await this.#dead();
    for (const offset of this.#confirmed) {
      assert.ok(share.settled.has(offset), `${offset} was confirmed as done with`);
      if (this.#rejected.has(offset) && !this.#accepted.has(offset)) {
        assert.ok(dead.has(offset), `${offset} was confirmed as given up, and is gone`);
      }
    }
    for (const offset of dead) {
      assert.ok(this.#rejected.has(offset), `${offset} was never given up`);
      assert.ok(share.settled.has(offset), `${offset} is among the dead, and still to be handed out`);
    }
    this.deadCount = dead.size;
  }

  async #dead(): Promise<Set<number>> {
    const partition = this.sim.broker.streams.get('/', 'dead')?.ownPartitions[0];
    const offsets = new Set<number>();
    if (partition === undefined) return offsets;
    let from = partition.startOffset;
    while (from < partition.highWatermark) {
      const slice: PartitionSlice = await this.sim.until(
        partition.read(from, partition.highWatermark, 65_536),
      );
      const bytes: Buffer = slice.bytes;
      for (let at = 0; at < bytes.length; at += batchBytes(bytes, at)) {
        const records = new RecordCursor().open(bytes, at);
        while (records.next()) {
          if (records.offset < from) continue;
          const text: string = bytes.toString('latin1', records.recordStart, records.contentEnd);
          const offset: number = Number(/sluice\.dead\.offset.(\d+)/s.exec(text)?.[1]);
          assert.equal(offsets.has(offset), false, `${offset} is there twice`);
          offsets.add(offset);
        }
      }
      from = slice.nextOffset;
    }
    return offsets;
  }
}

describe('what was said of the records of a share group', () => {
  it('holds over stops, kills and power cuts, and what was given up is where it belongs, once', async () => {
    let confirmed = 0;
    let dead = 0;
    for (let seed = 1; seed <= 15; seed++) {
      const bench = new Bench(seed);
      try {
        await bench.run(8);
      } catch (error) {
        throw new Error(`with seed ${seed}: ${(error as Error).message}`, { cause: error });
      }
      confirmed += bench.confirmedCount;
      dead += bench.deadCount;
    }
    assert.ok(confirmed > 300 && dead > 60, `${confirmed} confirmed, ${dead} dead`);
  });
});
