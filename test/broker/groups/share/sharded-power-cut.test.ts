import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Broker } from '../../../../src/broker/broker.ts';
import { ACKNOWLEDGE } from '../../../../src/broker/groups/share/acknowledgement.ts';
import type { Acquired, ShareReader } from '../../../../src/broker/groups/share/share-reader.ts';
import type { Partition } from '../../../../src/broker/streams/partition.ts';
import type { PartitionSlice } from '../../../../src/broker/streams/readable-partition.ts';
import { batchBytes } from '../../../../src/records/batch-view.ts';
import { RecordCursor } from '../../../../src/records/record-cursor.ts';
import { SimulatedShards } from '../../../crash/shards/simulated-shards.ts';
import { SimulatedTime } from '../../../crash/simulated-time.ts';
import { seededRandom } from '../../../support/seeded-random.ts';
import { batchOf } from '../../streams/batches.ts';

const { accept: ACCEPT, release: RELEASE, reject: REJECT } = ACKNOWLEDGE;
const KIB = 1024;
const LIMIT = 3;
const PLACES = [0, 1, 2, 1];
const PATIENCE_MS = 600_000;

interface Said {
  readonly offset: number;
  readonly type: number;
}

/** What the group has done with one partition since it was made. */
class Expected {
  readonly accepted = new Set<number>();
  readonly rejected = new Set<number>();
  readonly deliveries = new Map<number, number>();
  /** What the group may not hand out again. */
  readonly confirmed = new Set<number>();
}

/**
 * A share group works on a stream with partitions in three shards, which stop, are killed and lose their power, all at once, also
 * while the group is deleted. What was said of a record and confirmed holds as long as there is the group; of the records that are
 * done with those that were given up, and no others, come to the stream for dead records, each once; and a group that is
 * made anew begins anew.
 */
class Bench {
  readonly #random: () => number;
  readonly #time: SimulatedTime;
  readonly #shards: SimulatedShards;
  #error: Error | null = null;
  #expected: Expected[] = [];
  #incarnation = '';
  /** Each group has a stream of its own for dead records. */
  #life = 0;
  confirmedCount = 0;
  deadCount = 0;
  deletedCount = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
    this.#time = new SimulatedTime(this.#random);
    this.#shards = new SimulatedShards(this.#time, {
      count: 3,
      ringBytes: 64 * KIB,
      options: {
        chunkBytes: this.#between(1, 4) * 4 * KIB,
        journalFileBytes: this.#between(1, 4) * 8 * KIB,
        journalLimitBytes: this.#between(4, 8) * 8 * KIB,
        memoryLimitBytes: this.#between(2, 8) * 8 * KIB,
        segmentBytes: this.#between(1, 2) * 8 * KIB,
        reclaimMs: this.#between(1, 100),
        durability: { mode: 'sync' },
        diskFreeLimitBytes: 0,
      },
      onFailure: (shard, error) => {
        this.#error ??= new Error(`shard ${shard} fails`, { cause: error });
      },
      note: () => undefined,
    });
  }

  async run(rounds: number): Promise<void> {
    await this.#until(this.#shards.open());
    const { streams } = this.#first;
    const spec = { vhost: '/', name: 's', partitions: PLACES.length, configs: new Map<string, string>() };
    streams.create({ ...spec, shards: PLACES });
    await this.#begin();
    for (let round = 0; round < rounds; round++) {
      for (let i = this.#between(1, 25); i > 0; i--) await this.#operate();
      if (this.#random() < 0.3) await this.#delete();
      await this.#end();
      await this.#until(this.#shards.open());
      await this.#check();
      if (this.#first.shareGroups.find('/', 'g') === undefined) await this.#begin();
      else await this.#join();
    }
    await this.#until(this.#shards.close());
  }

  get #first(): Broker {
    return this.#shards.brokers[0];
  }

  get #deadName(): string {
    return `dead-${this.#life}`;
  }

  #between(low: number, high: number): number {
    return low + Math.floor(this.#random() * (high - low + 1));
  }

  #pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.#random() * values.length)];
  }

  #until<T>(promise: Promise<T>): Promise<T> {
    return this.#time.outcomeOf(promise, 'what is awaited', PATIENCE_MS, () => this.#error);
  }

  /** There is a new group. */
  async #begin(): Promise<void> {
    this.#life++;
    this.#expected = PLACES.map(() => new Expected());
    const { groupConfigs, streams, shareGroups } = this.#first;
    const configs = {
      'share.auto.offset.reset': 'earliest',
      'share.delivery.count.limit': String(LIMIT),
      'sluice.dead.letter.topic': this.#deadName,
    };
    groupConfigs.set('/', 'g', new Map(Object.entries(configs)));
    const shards = this.#pick([null, [0], [2], [0, 1, 2]]);
    if (shards !== null) {
      const spec = { vhost: '/', name: this.#deadName, partitions: shards.length, configs: new Map() };
      streams.create({ ...spec, shards });
    }
    await this.#join();
    this.#incarnation = shareGroups.find('/', 'g')!.incarnation;
    await this.#until(this.#first.metadataIsSafe());
  }

  async #join(): Promise<void> {
    const request = { memberId: 'ada', epoch: 0, rackId: null, subscribed: ['s'], clientId: '', host: '' };
    const { shareGroups, shard } = this.#first;
    const outcome = shareGroups.heartbeat('/', 'g', request);
    const divided = shard.turnTime.run(shareGroups.divided('/', 'g', request, outcome));
    const { assignment } = await this.#until(Promise.resolve(divided));
    assert.deepEqual([...(assignment?.values() ?? [])], [PLACES.map((_, index) => index)]);
  }

  #reader(index: number): ShareReader {
    const { streams, shareGroups } = this.#shards.brokers[PLACES[index]];
    return shareGroups.reader(shareGroups.find('/', 'g')!, streams.get('/', 's')!.id, index)!;
  }

  async #operate(): Promise<void> {
    const what = this.#random();
    const index = this.#between(0, PLACES.length - 1);
    if (what < 0.4) {
      const { streams, shard } = this.#shards.brokers[PLACES[index]];
      const values = Array.from({ length: this.#between(1, 6) }, () =>
        Buffer.alloc(this.#between(1, 300), 'v'),
      );
      const batch = batchOf(values, this.#time.now());
      streams.get('/', 's')!.own(index).append(batch, 0, batch.length);
      // A block at a time: a batch that is lost would be another one later, under the same offsets.
      await this.#until(shard.durable());
    } else if (what < 0.9) await this.#work(index);
    else for (let i = this.#between(1, 25); i > 0; i--) await this.#time.step();
  }

  async #work(index: number): Promise<void> {
    const { confirmed, deliveries, accepted, rejected } = this.#expected[index];
    const reader = this.#reader(index);
    const limits = { records: this.#between(1, 10), bytes: 100_000, isExact: true };
    const { ranges }: Acquired = await this.#until(Promise.resolve(reader.acquire('ada', limits)));
    const said: Said[] = [];
    ranges.firsts.forEach((first, i) => {
      for (let offset = first; offset <= ranges.lasts[i]; offset++) {
        assert.equal(confirmed.has(offset), false, `${index}:${offset} was done with, and comes again`);
        deliveries.set(offset, ranges.deliveries[i]);
        if (this.#random() < 0.9) said.push({ offset, type: this.#pick([ACCEPT, ACCEPT, RELEASE, REJECT]) });
      }
    });
    const isGivenUp = ({ offset, type }: Said): boolean =>
      type === REJECT || (type === RELEASE && deliveries.get(offset)! >= LIMIT);
    for (const each of said) {
      if (each.type === ACCEPT) accepted.add(each.offset);
      if (isGivenUp(each)) rejected.add(each.offset);
    }
    const leaving = reader.share.acknowledge(
      'ada',
      said.map(({ offset, type }) => ({ firstOffset: offset, lastOffset: offset, types: [type] })),
    );
    // Mostly the member waits until it is told that all of it is safe.
    if (this.#random() < 0.3) return;
    if (leaving !== null) await this.#until(leaving);
    await this.#until(this.#shards.brokers[PLACES[index]].shard.durable());
    for (const each of said) {
      if (each.type !== ACCEPT && !isGivenUp(each)) continue;
      confirmed.add(each.offset);
      this.confirmedCount++;
    }
    reader.share.release('ada');
  }

  /** Perhaps nobody is told any more that it is. */
  async #delete(): Promise<void> {
    const { shareGroups } = this.#first;
    shareGroups.heartbeat('/', 'g', { ...LEAVING, memberId: 'ada' });
    shareGroups.delete('/', 'g');
    if (this.#random() < 0.5) await this.#until(this.#first.metadataIsSafe());
    else for (let i = this.#between(0, 40); i > 0; i--) await this.#time.step();
  }

  async #end(): Promise<void> {
    const how = this.#random();
    if (how < 0.25) {
      await this.#until(this.#shards.close());
      await this.#time.forget();
    } else if (how < 0.6) await this.#shards.end((disk) => disk.kill(this.#random));
    else await this.#shards.end((disk) => disk.crash(this.#random));
  }

  async #check(): Promise<void> {
    const group = this.#first.shareGroups.find('/', 'g');
    for (const { shareGroups } of this.#shards.brokers) {
      assert.equal(shareGroups.find('/', 'g')?.incarnation, group?.incarnation);
    }
    if (group === undefined) this.deletedCount++;
    if (group?.incarnation !== this.#incarnation) return;
    const dead = await this.#dead();
    for (const [index, { confirmed, rejected, accepted }] of this.#expected.entries()) {
      const { settled } = this.#reader(index).share;
      for (const offset of confirmed) {
        assert.ok(settled.has(offset), `${index}:${offset} was confirmed as done with`);
        if (!rejected.has(offset) || accepted.has(offset)) continue;
        assert.ok(
          dead.has(`${index}:${offset}`),
          `${index}:${offset} was confirmed as given up, and is gone`,
        );
      }
    }
    for (const place of dead) {
      const [index, offset] = place.split(':').map(Number);
      assert.ok(this.#expected[index].rejected.has(offset), `${place} was never given up`);
      const { settled } = this.#reader(index).share;
      assert.ok(settled.has(offset), `${place} is among the dead, and still to be handed out`);
    }
    this.deadCount += dead.size;
  }

  /** All that have left for the stream of dead records. */
  async #dead(): Promise<Set<string>> {
    const isIdle = (): boolean =>
      this.#shards.brokers.every(({ shard }) => shard.store.journal.isIdle) && !this.#time.isBusy;
    // What is in outboxes arrives within the time that they ask each other again.
    await this.#until(this.#pause(5000));
    assert.ok(await this.#time.runUntil(isIdle, PATIENCE_MS));
    const places = new Set<string>();
    for (const { streams } of this.#shards.brokers) {
      for (const partition of streams.get('/', this.#deadName)?.ownPartitions ?? []) {
        await this.#readDead(partition, places);
      }
    }
    return places;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#time.after(ms, resolve));
  }

  async #readDead(partition: Partition, places: Set<string>): Promise<void> {
    let from = partition.startOffset;
    while (from < partition.highWatermark) {
      const slice: PartitionSlice = await this.#until(partition.read(from, partition.highWatermark, 65_536));
      const bytes: Buffer = slice.bytes;
      for (let at = 0; at < bytes.length; at += batchBytes(bytes, at)) {
        const records = new RecordCursor().open(bytes, at);
        while (records.next()) {
          if (records.offset < from) continue;
          const text = bytes.toString('latin1', records.recordStart, records.contentEnd);
          const index = /sluice\.dead\.partition.(\d+)/s.exec(text)?.[1];
          const place = `${index}:${/sluice\.dead\.offset.(\d+)/s.exec(text)?.[1]}`;
          assert.equal(places.has(place), false, `${place} is there twice`);
          places.add(place);
        }
      }
      from = slice.nextOffset;
    }
  }
}

const LEAVING = { epoch: -1, rackId: null, subscribed: null, clientId: '', host: '' };

describe('what was said of the records of a share group over several shards', () => {
  it('holds over stops, kills and power cuts of all, and what was given up is where it belongs, once', async () => {
    const counts = { confirmed: 0, dead: 0, deleted: 0 };
    for (let seed = 1; seed <= 12; seed++) {
      const bench = new Bench(seed);
      try {
        await bench.run(6);
      } catch (error) {
        throw new Error(`with seed ${seed}: ${(error as Error).message}`, { cause: error });
      }
      counts.confirmed += bench.confirmedCount;
      counts.dead += bench.deadCount;
      counts.deleted += bench.deletedCount;
    }
    const { confirmed, dead, deleted } = counts;
    assert.ok(confirmed > 200 && dead > 60 && deleted > 5, JSON.stringify(counts));
  });
});
