import { inspect, isDeepStrictEqual } from 'node:util';
import { ACKNOWLEDGE } from '../../../src/broker/groups/share/acknowledgement.ts';
import { LEAVE_EPOCH } from '../../../src/broker/groups/share/share-group.ts';
import type { ShareReader } from '../../../src/broker/groups/share/share-reader.ts';
import { ownPartition } from '../../../src/broker/streams/any-partition.ts';
import type { Partition } from '../../../src/broker/streams/partition.ts';
import { everyPartition, type KnownPartition } from '../../broker/shards/partition-contents.ts';
import { ShardProducer } from '../../broker/shards/shard-producer.ts';
import { producedBatch } from '../../broker/streams/producers/produced-batch.ts';
import { HistoryError } from '../expected-queue.ts';
import type { MoveDisk } from './move-disk.ts';

const LIMITS = { records: 8, bytes: 1024 * 1024, isExact: true };
const PRODUCER_ID = 5000;

export interface MoveStreamsWorld {
  readonly disk: MoveDisk;
  readonly random: () => number;
  until<T>(promise: Promise<T>, what: string): Promise<T>;
}

/** Streams with partitions in all shards, and everything that a partition can have; what has to be there wherever they are. */
export class MoveStreams {
  readonly #world: MoveStreamsWorld;
  readonly #partitions: number;
  /** Of the next batch of each partition. */
  readonly #sequences: number[] = [];
  #expected: ReadonlyMap<string, KnownPartition> = new Map();
  #epochs: readonly number[] = [];

  constructor(world: MoveStreamsWorld) {
    this.#world = world;
    this.#partitions = 2 + Math.floor(world.random() * 5);
  }

  async fill(): Promise<void> {
    const { disk, until } = this.#world;
    const [first] = disk.brokers;
    const configs = new Map<string, string>();
    first.streams.create({ vhost: '/', name: 's', partitions: this.#partitions, configs, shards: 'spread' });
    first.groupConfigs.set('/', 'g', new Map([['share.auto.offset.reset', 'earliest']]));
    await until(first.metadataIsSafe(), 'a stream');
    for (let index = 0; index < this.#partitions; index++) this.#send(index);
    const producer = new ShardProducer('orders', () => disk.brokers);
    await until(producer.initialize(), 'an id');
    for (const isCommit of [false, true]) {
      for (let index = 0; index < this.#partitions; index++)
        if (index === 0 || this.#world.random() < 0.6)
          await until(producer.produce(this.#partition(index), { sequence: 0 }), 'a transaction');
      await until(producer.end(isCommit), 'its end');
    }
    for (let index = 0; index < this.#partitions; index++) {
      this.#touch(index);
      if (this.#world.random() < 0.5) this.#partition(index).deleteBefore(this.#below(10));
    }
    await this.#share();
  }

  async capture(): Promise<void> {
    this.#expected = await this.#world.until(everyPartition(this.#world.disk.brokers), 'reading streams');
    this.#epochs = this.#leaderEpochs();
  }

  async compare(): Promise<void> {
    const found = await this.#world.until(everyPartition(this.#world.disk.brokers), 'reading streams');
    for (const [key, expected] of this.#expected) {
      const own = found.get(key);
      if (own === undefined) throw new HistoryError(`partition ${key} is gone`);
      for (const [field, value] of Object.entries(expected)) {
        const its = own[field as keyof KnownPartition];
        if (isDeepStrictEqual(its, value)) continue;
        throw new HistoryError(`partition ${key}: ${field} is ${inspect(its)} instead of ${inspect(value)}`);
      }
    }
    if (found.size > this.#expected.size) throw new HistoryError(`there are ${found.size} partitions`);
    this.#compareEpochs();
  }

  /** The last batch of each is known still, and the next one is taken. */
  goOn(): void {
    for (let index = 0; index < this.#partitions; index++) {
      const sequence = this.#sequences[index];
      if (this.#append(index, sequence - 1) !== 'duplicate')
        throw new HistoryError(`partition ${index} takes a batch twice`);
      if (this.#append(index, sequence) !== 'new')
        throw new HistoryError(`partition ${index} does not take the next batch`);
    }
  }

  /** Clients refuse a lower one than they have seen. */
  #compareEpochs(): void {
    const epochs = this.#leaderEpochs();
    for (const [index, epoch] of epochs.entries())
      if (epoch < this.#epochs[index])
        throw new HistoryError(
          `the leader epoch of partition ${index} is ${epoch} after ${this.#epochs[index]}`,
        );
    this.#epochs = epochs;
  }

  #leaderEpochs(): number[] {
    return Array.from({ length: this.#partitions }, (_, index) => this.#partition(index).leaderEpoch);
  }

  #send(index: number): void {
    const count = 1 + this.#below(40);
    for (let sequence = 0; sequence < count; sequence++) this.#append(index, sequence);
    this.#sequences[index] = count;
  }

  #append(index: number, sequence: number): string {
    const partition = this.#partition(index);
    const value = `${index} ${sequence}`.padEnd(this.#below(600), '.');
    const by = { producerId: PRODUCER_ID + index, epoch: 0, sequence };
    const batch = producedBatch([value], by);
    const check = partition.producers.check(batch, 0);
    if (check !== 'new') return check;
    this.#touch(index);
    partition.append(batch, 0, batch.length);
    this.#sequences[index] = sequence + 1;
    return check;
  }

  /** A member has some records, settles some of them, and leaves. */
  async #share(): Promise<void> {
    const { disk, until, random } = this.#world;
    const [{ shareGroups, shard }] = disk.brokers;
    const client = { rackId: null, clientId: 'test', host: '/127.0.0.1' };
    const beat = { memberId: 'ada', epoch: 0, subscribed: ['s'], ...client };
    const outcome = shareGroups.heartbeat('/', 'g', beat);
    const division = shard.turnTime.run(shareGroups.divided('/', 'g', beat, outcome));
    await until(Promise.resolve(division), 'a division');
    await until(shard.durable(), 'a group');
    for (let index = 0; index < this.#partitions; index++) {
      const reader = this.#reader(index);
      if (reader === undefined) throw new HistoryError(`a group has not begun on partition ${index}`);
      const { ranges } = await until(Promise.resolve(reader.acquire('ada', LIMITS)), 'records');
      for (const [i, first] of ranges.firsts.entries()) {
        for (let offset = first; offset <= ranges.lasts[i]; offset++) {
          const type = random() < 0.5 ? ACKNOWLEDGE.accept : ACKNOWLEDGE.release;
          if (random() < 0.7)
            reader.share.acknowledge('ada', [{ firstOffset: offset, lastOffset: offset, types: [type] }]);
        }
      }
    }
    shareGroups.heartbeat('/', 'g', { ...beat, epoch: LEAVE_EPOCH, subscribed: null });
  }

  #reader(index: number): ShareReader | undefined {
    const { shard, stream } = this.#partition(index);
    const { shareGroups } = this.#world.disk.brokers[shard];
    const group = shareGroups.find('/', 'g');
    return group === undefined ? undefined : shareGroups.reader(group, stream.id, index);
  }

  #touch(index: number): void {
    this.#world.disk.brokers[this.#partition(index).shard].shard.turn.touch();
  }

  #partition(index: number): Partition {
    for (const { streams } of this.#world.disk.brokers) {
      const own = ownPartition(streams.get('/', 's')?.partitions[index]);
      if (own !== undefined) return own;
    }
    throw new HistoryError(`no shard has partition ${index}`);
  }

  #below(limit: number): number {
    return Math.floor(this.#world.random() * limit);
  }
}
