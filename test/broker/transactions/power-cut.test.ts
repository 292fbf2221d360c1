import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import type { Partition } from '../../../src/broker/streams/partition.ts';
import type { Owner } from '../../../src/broker/transactions/requests.ts';
import type {
  ProducerIdentity,
  TransactionState,
} from '../../../src/broker/transactions/transactional-producer.ts';
import { BatchView, lastOffsetDeltaOf } from '../../../src/records/batch-view.ts';
import {
  baseSequenceOf,
  isControl,
  isTransactional,
  producerEpochOf,
  producerIdOf,
} from '../../../src/records/producer-fields.ts';
import { isAbort } from '../../../src/records/transaction-marker.ts';
import { producedBatch } from '../streams/producers/produced-batch.ts';
import { type Fact, type Reading, read } from './expected-partition.ts';
import { SimulatedBroker } from './simulated-broker.ts';

const SEEDS = 12;
const IDS = ['a', 'b', 'c'];
const PARTITIONS = 3;
const GROUP = 'readers';
const KNOWN_BATCHES = 5;

interface IdFact {
  readonly block: number;
  readonly id: string;
  readonly identity: ProducerIdentity;
  readonly state: TransactionState;
}

interface OffsetFact {
  readonly block: number;
  readonly producerId: number;
  /** An end, if it is null. */
  readonly offset: number | null;
  readonly isCommit: boolean;
}

/**
 * One seeded schedule: random requests of producers, of those that are fenced, repeated ones and wrong ones, time-outs,
 * stops, kills and power cuts. What the broker has afterwards is what was written up to the last block of its journal.
 */
class TransactionsRun {
  readonly test: SimulatedBroker;
  facts: Fact[] = [];
  idFacts: IdFact[] = [];
  offsetFacts: OffsetFact[] = [];
  /** Producers without transactions. */
  plain: ProducerIdentity[] = [];
  /** Identities that were valid once. */
  readonly former = new Map<string, ProducerIdentity[]>();
  #safeBlock = 0;
  #next = 0;

  constructor(seed: number) {
    this.test = new SimulatedBroker(seed);
  }

  async run(): Promise<void> {
    const { test } = this;
    await test.start();
    test.broker.streams.create({ vhost: '/', name: 's', partitions: PARTITIONS, configs: new Map() });
    await test.until(test.broker.shard.store.journal.flush());
    for (let lives = test.between(2, 5); lives > 0; lives--) {
      await this.#work();
      await this.#end();
      await this.#compare();
    }
  }

  partition(index: number): Partition {
    return this.test.broker.streams.get('/', 's')!.ownPartitions[index];
  }

  reading(index: number): Reading {
    return read(this.facts.filter(({ partition }) => partition === index));
  }

  async #work(): Promise<void> {
    const { test } = this;
    for (let operations = test.between(5, 80); operations > 0; operations--) {
      test.broker.shard.turn.touch();
      const choice = test.random();
      const id = test.pick(IDS);
      if (choice < 0.12) this.#initialize(id);
      else if (choice < 0.55) this.#produce(id);
      else if (choice < 0.65) this.#producePlain();
      else if (choice < 0.72) this.#repeat();
      else if (choice < 0.78) this.#intrude(id);
      else if (choice < 0.86) this.#addOffsets(id);
      else this.#endTransaction(id);
      this.#confirm();
      await this.#steps();
    }
  }

  #initialize(id: string): void {
    const { transactions } = this.test.broker;
    const before = this.#present(id);
    const open = this.#openIn(before?.identity);
    const timeoutMs = this.test.pick([1000, 60_000, 60_000]);
    const isRenewal = before !== undefined && this.test.random() < 0.5;
    const identity = isRenewal ? before.identity : null;
    const next = transactions.initialize({ vhost: '/', id, timeoutMs, identity });
    if (before !== undefined) this.#notEnded(id, before.identity, open, false, next.epoch);
    this.#noteId(id, next, 'empty');
  }

  #produce(id: string): void {
    const present = this.#present(id);
    if (present === undefined) return;
    const { broker } = this.test;
    const index = this.test.between(0, PARTITIONS - 1);
    const partition = this.partition(index);
    const mayAdd = this.test.random() < 0.7;
    if (!mayAdd) {
      broker.transactions.grow(this.#owner(id, present.identity), [partition], []);
      this.#noteId(id, present.identity, 'ongoing');
    }
    this.#append(index, present.identity, 'transactional', (batch) => {
      assert.equal(broker.transactions.admit(partition, batch, 0, { transactionalId: id, mayAdd }), null);
      this.#noteId(id, present.identity, 'ongoing');
    });
  }

  #producePlain(): void {
    const { test } = this;
    if (this.plain.length === 0 || test.random() < 0.1)
      this.plain.push(test.broker.transactions.newProducer());
    this.#append(test.between(0, PARTITIONS - 1), test.pick(this.plain), 'plain');
  }

  #append(
    index: number,
    { producerId, epoch }: ProducerIdentity,
    kind: 'plain' | 'transactional',
    admit: (batch: Buffer) => void = () => undefined,
  ): void {
    const { test } = this;
    const partition = this.partition(index);
    const sequence = this.#nextSequence(index, producerId, epoch);
    const count = test.between(1, 4);
    const by = { producerId, epoch, sequence, isTransactional: kind === 'transactional' };
    const batch = producedBatch(this.#values(count), by);
    assert.equal(partition.producers.check(batch, 0), 'new');
    // One that is missing in between.
    const gap = producedBatch(['x'], { ...by, sequence: sequence + 1 });
    if (sequence > 0) assert.equal(partition.producers.check(gap, 0), 'out-of-order');
    admit(batch);
    const offset = partition.append(batch, 0, batch.length);
    const block = test.broker.shard.currentBlock;
    this.facts.push({ block, partition: index, offset, count, producerId, epoch, sequence, kind });
  }

  /** As a producer does that got no answer. */
  #repeat(): void {
    const index = this.test.between(0, PARTITIONS - 1);
    const known = [...this.reading(index).last.values()].filter(({ batches }) => batches.length > 0);
    if (known.length === 0) return;
    const { batches } = this.test.pick(known);
    const { producerId, epoch, sequence, count, offset, kind } = this.test.pick(
      batches.slice(-KNOWN_BATCHES),
    );
    const by = { producerId, epoch, sequence, isTransactional: kind === 'transactional' };
    const batch = producedBatch(Array<string>(count).fill('x'), by);
    const { producers } = this.partition(index);
    assert.equal(producers.check(batch, 0), 'duplicate');
    assert.equal(producers.duplicateOffset, offset);
  }

  /** As a producer does that was thought to be dead. */
  #intrude(id: string): void {
    const former = this.former.get(id) ?? [];
    if (former.length === 0) return;
    const identity = this.test.pick(former);
    const { transactions } = this.test.broker;
    const index = this.test.between(0, PARTITIONS - 1);
    const batch = producedBatch(['x'], { ...identity, sequence: 0, isTransactional: true });
    const admission = { transactionalId: id, mayAdd: true };
    assert.equal(transactions.admit(this.partition(index), batch, 0, admission), 'fenced');
    assert.throws(() => transactions.end(this.#owner(id, identity), true, false));
    assert.throws(() => transactions.grow(this.#owner(id, identity), [this.partition(index)], []));
  }

  #addOffsets(id: string): void {
    const present = this.#present(id);
    if (present === undefined) return;
    const { transactions, groups, streams } = this.test.broker;
    transactions.admitGroup(this.#owner(id, present.identity), GROUP, true);
    this.#noteId(id, present.identity, 'ongoing');
    const offset = this.#next++;
    const { producerId } = present.identity;
    const block = groups.addPending(producerId, {
      vhost: '/',
      group: GROUP,
      memberId: '',
      instanceId: null,
      generation: -1,
      knowsEpochs: false,
      rows: { [streams.get('/', 's')!.id]: [[0, offset]] },
    });
    this.offsetFacts.push({ block, producerId, offset, isCommit: false });
  }

  #endTransaction(id: string): void {
    const present = this.#present(id);
    if (present?.state !== 'ongoing') return;
    const { test } = this;
    const open = this.#openIn(present.identity);
    const isCommit = test.random() < 0.6;
    const renews = test.random() < 0.6;
    const next = test.broker.transactions.end(this.#owner(id, present.identity), isCommit, renews);
    this.#notEnded(id, present.identity, open, isCommit, next.epoch);
    this.#noteId(id, next, isCommit ? 'committed' : 'aborted');
  }

  /** Where the producer has open transactions, with the offset that the end gets there. */
  #openIn(identity: ProducerIdentity | undefined): Map<number, number> {
    const open = new Map<number, number>();
    if (identity === undefined) return open;
    for (let index = 0; index < PARTITIONS; index++) {
      const { open: producers, end } = this.reading(index);
      if (producers.has(identity.producerId)) open.set(index, end);
    }
    return open;
  }

  #notEnded(
    id: string,
    before: ProducerIdentity,
    open: ReadonlyMap<number, number>,
    isCommit: boolean,
    epoch: number,
  ): void {
    const { producerId } = before;
    const block = this.test.broker.shard.currentBlock;
    for (const [partition, offset] of open) {
      const kind = isCommit ? 'commit' : 'abort';
      this.facts.push({ block, partition, offset, count: 1, producerId, epoch, sequence: -1, kind });
    }
    this.offsetFacts.push({ block, producerId, offset: null, isCommit });
    if (before.epoch !== epoch) this.former.set(id, [...(this.former.get(id) ?? []), before]);
  }

  #noteId(id: string, identity: ProducerIdentity, state: TransactionState): void {
    this.idFacts.push({ block: this.test.broker.shard.metadataBlock, id, identity, state });
  }

  #present(id: string): IdFact | undefined {
    return this.idFacts.findLast((fact) => fact.id === id);
  }

  #owner(id: string, identity: ProducerIdentity): Owner {
    return { vhost: '/', id, identity };
  }

  #nextSequence(index: number, producerId: number, epoch: number): number {
    const last = this.reading(index).last.get(producerId);
    const batch = last?.epoch === epoch ? last.batches.at(-1) : undefined;
    return batch === undefined ? 0 : batch.sequence + batch.count;
  }

  #values(count: number): string[] {
    return Array.from({ length: count }, () => 'x'.repeat(this.test.between(1, 300)));
  }

  #confirm(): void {
    const block = this.test.broker.shard.undurableBlock;
    if (block === 0) return;
    const life = this.test.broker;
    life.shard.whenDurable(block, {
      onDurable: () => {
        if (life === this.test.broker) this.#safeBlock = Math.max(this.#safeBlock, block);
      },
    });
  }

  async #steps(): Promise<void> {
    const { test } = this;
    let steps = test.random() < 0.5 ? 0 : test.between(0, 30);
    if (test.random() < 0.05) {
      test.time.nowMs += 2000;
      steps++;
    }
    for (; steps > 0; steps--) {
      const ends = Array.from({ length: PARTITIONS }, (_, index) => this.partition(index).endOffset);
      await test.step();
      this.#noteTimeouts(ends);
    }
    for (let index = 0; index < PARTITIONS; index++) {
      const { highWatermark, lastStableOffset } = this.partition(index);
      assert.ok(lastStableOffset <= highWatermark);
      assert.ok(lastStableOffset <= this.reading(index).stable);
    }
  }

  /** The broker has aborted what took too long. */
  #noteTimeouts(ends: readonly number[]): void {
    for (const producer of this.test.broker.transactions.list('/')) {
      const { id } = producer;
      const present = this.#present(id);
      if (present === undefined) continue;
      if (producer.identity.epoch === present.identity.epoch) continue;
      assert.equal(producer.state, 'aborted');
      const { producerId } = present.identity;
      const open = this.#openIn(present.identity);
      for (const [index, offset] of open) assert.ok(offset >= (ends[index] ?? 0));
      this.#notEnded(id, present.identity, open, false, producer.identity.epoch);
      assert.equal(producer.identity.producerId, producerId);
      this.#noteId(id, producer.identity, 'aborted');
    }
  }

  async #end(): Promise<void> {
    const { test } = this;
    const how = test.random();
    if (how < 0.3) await test.stop();
    else if (how < 0.6) await test.kill();
    else await test.cutPower();
    await test.start();
    const { lastBlock } = test;
    assert.ok(lastBlock >= this.#safeBlock, 'what was confirmed is there');
    const isThere = ({ block }: { readonly block: number }) => block <= lastBlock;
    this.facts = this.facts.filter(isThere);
    this.idFacts = this.idFacts.filter(isThere);
    this.offsetFacts = this.offsetFacts.filter(isThere);
    this.#safeBlock = 0;
    this.former.clear();
    // Their ids may not be theirs any more: nobody had waited for that.
    this.plain = [];
  }

  async #compare(): Promise<void> {
    const { transactions, groups, streams } = this.test.broker;
    const contents = await this.#contents();
    for (let index = 0; index < PARTITIONS; index++) {
      const partition = this.partition(index);
      const expected = this.reading(index);
      assert.deepEqual(contents[index], this.#expectedContent(index));
      assert.equal(partition.endOffset, expected.end);
      assert.equal(partition.lastStableOffset, expected.stable);
      const aborted = partition.producers
        .abortedIn(0, expected.end)
        .map(({ producerId, firstOffset, lastOffset }) => ({ producerId, firstOffset, lastOffset }));
      assert.deepEqual(aborted, expected.aborted);
    }
    for (const id of IDS) {
      const present = this.#present(id);
      const producer = transactions.find('/', id);
      assert.deepEqual(producer?.identity, present?.identity);
      assert.equal(producer?.state, present?.state);
    }
    const { committed, isPending } = this.#expectedOffsets();
    const offsets = groups.find('/', GROUP)?.offsets;
    const streamId = streams.get('/', 's')!.id;
    assert.equal(offsets?.get(streamId, 0)?.offset ?? null, committed);
    assert.equal(offsets?.isPending(streamId, 0) ?? false, isPending);
  }

  #expectedOffsets(): { committed: number | null; isPending: boolean } {
    const pending = new Map<number, number>();
    let committed: number | null = null;
    for (const { producerId, offset, isCommit } of this.offsetFacts) {
      if (offset !== null) {
        pending.set(producerId, offset);
        continue;
      }
      const own = pending.get(producerId);
      pending.delete(producerId);
      // The later request counts, not the later end.
      if (isCommit && own !== undefined && (committed === null || own > committed)) committed = own;
    }
    return { committed, isPending: pending.size > 0 };
  }

  #expectedContent(index: number): string[] {
    return this.facts
      .filter(({ partition }) => partition === index)
      .map((fact) =>
        describe(fact.offset, fact.count, fact.producerId, fact.epoch, fact.sequence, fact.kind),
      );
  }

  /** Of all partitions, at a time when nothing is about to change. */
  async #contents(): Promise<string[][]> {
    const { test } = this;
    for (;;) {
      this.#noteTimeouts([]);
      const { length } = this.idFacts;
      await test.until(test.broker.shard.store.journal.flush());
      const contents: string[][] = [];
      for (let index = 0; index < PARTITIONS; index++)
        contents.push(await this.#content(this.partition(index)));
      this.#noteTimeouts([]);
      if (this.idFacts.length === length) return contents;
    }
  }

  async #content(partition: Partition): Promise<string[]> {
    const found: string[] = [];
    for (let at = 0; at < partition.highWatermark; ) {
      const slice = await this.test.until(partition.read(at, partition.highWatermark, 16 * 1024));
      const { bytes } = slice;
      for (let start = 0; start < bytes.length; start += new BatchView(bytes, start).byteLength) {
        found.push(
          describe(
            new BatchView(bytes, start).baseOffset,
            lastOffsetDeltaOf(bytes, start) + 1,
            producerIdOf(bytes, start),
            producerEpochOf(bytes, start),
            baseSequenceOf(bytes, start),
            kindOf(bytes, start),
          ),
        );
      }
      assert.ok(slice.nextOffset > at);
      at = slice.nextOffset;
    }
    return found;
  }
}

function kindOf(bytes: Buffer, at: number): Fact['kind'] {
  if (isControl(bytes, at)) return isAbort(bytes, at) ? 'abort' : 'commit';
  return isTransactional(bytes, at) ? 'transactional' : 'plain';
}

function describe(
  offset: number,
  count: number,
  producerId: number,
  epoch: number,
  sequence: number,
  kind: Fact['kind'],
): string {
  return `${offset}+${count}: ${kind} of ${producerId}, epoch ${epoch}, sequence ${sequence}`;
}

test('producers and transactions are after a restart what they were at the last block of the journal', async () => {
  const first = Number(process.env.SEED ?? 1);
  const count = Number(process.env.SEEDS ?? SEEDS);
  for (let seed = first; seed < first + count; seed++) {
    await new TransactionsRun(seed)
      .run()
      .catch((error: unknown) => assert.fail(`seed ${seed}: ${inspect(error)}`));
  }
});
