import type { Broker } from '../../../src/broker/broker.ts';
import type { Partition } from '../../../src/broker/streams/partition.ts';
import {
  TransactionError,
  type TransactionErrorKind,
} from '../../../src/broker/transactions/transaction-error.ts';
import type { ProducerIdentity } from '../../../src/broker/transactions/transactional-producer.ts';
import { type Produced, ShardProducer } from '../../broker/shards/shard-producer.ts';
import { HistoryError } from '../expected-queue.ts';
import { KafkaTransaction } from './kafka-transaction.ts';

/** The brokers that clients find, over all lives. */
export interface ClientWorld {
  readonly brokers: readonly Broker[];
  readonly partitionCount: number;
  readonly isEnding: boolean;
  /** Without it a power cut takes something else from each shard, so that nothing is sure but that nothing hangs. */
  readonly isSynced: boolean;
  between(low: number, high: number): number;
  random(): number;
  /** In simulated time. */
  sleep(ms: number): Promise<void>;
  partition(index: number): Partition;
  /** Runs it again in the next life if it was not answered in this one. */
  untilAnswered<T>(run: () => Promise<T>): Promise<T>;
  note(line: string): void;
}

/** Whoever has the transactional id now, it is not this client. */
const LOST: ReadonlySet<string> = new Set<TransactionErrorKind>(['fenced', 'unknown-producer']);
const LATER: ReadonlySet<string> = new Set<TransactionErrorKind>([
  'concurrent',
  'no-room',
  'unavailable',
  'unverified',
]);
const STALE = 'stale-epoch';

class LostError extends Error {}

/** A transactional producer of another process: whatever happens to the broker, it asks again until it is answered. */
export class TransactionalClient {
  readonly group: string;
  readonly transactions: KafkaTransaction[] = [];
  readonly #name: string;
  readonly #world: ClientWorld;
  readonly #producer: ShardProducer;
  /** Transaction version 2: partitions are added with their records, and each end renews the epoch (KIP-890). */
  readonly #isOfVersion2: boolean;
  readonly #sequences = new Map<number, number>();
  isDone = false;

  constructor(name: string, id: string, world: ClientWorld) {
    this.#name = name;
    this.group = `group-${name}`;
    this.#world = world;
    this.#producer = new ShardProducer(id, () => world.brokers);
    this.#isOfVersion2 = world.random() < 0.6;
  }

  async run(): Promise<void> {
    const { sleep, between } = this.#world;
    while (!this.#world.isEnding) {
      await sleep(between(0, 200));
      await this.#initialize();
      await this.#transactions();
    }
    this.isDone = true;
  }

  async #initialize(): Promise<void> {
    const timeoutMs = this.#world.random() < 0.2 ? this.#world.between(5, 50) : 60_000;
    while (!(await this.#asked(() => this.#producer.initialize(null, timeoutMs)))) await this.#world.sleep(5);
    this.#sequences.clear();
  }

  /** One after the other, until somebody else has the id. */
  async #transactions(): Promise<void> {
    try {
      for (let count = this.#world.between(1, 10); count > 0 && !this.#world.isEnding; count--)
        await this.#transaction();
    } catch (error) {
      if (!(error instanceof LostError)) throw error;
      this.#world.note(`${this.#name} has lost its id`);
      const last = this.transactions.at(-1);
      if (last?.outcome === 'open') last.outcome = 'aborted';
    }
  }

  async #transaction(): Promise<void> {
    const { between, random } = this.#world;
    const transaction = new KafkaTransaction(`${this.#name}.${this.transactions.length}`);
    this.transactions.push(transaction);
    const indexes = this.#somePartitions();
    if (!this.#isOfVersion2) await this.#asked(() => this.#producer.addPartitions('s', indexes));
    await Promise.all(indexes.map((index) => this.#fill(transaction, index)));
    if (random() < 0.3) await this.#addOffset(transaction);
    if (random() < 0.1) await this.#world.sleep(between(0, 100));
    const isCommit = random() < 0.7;
    const { identity } = this.#producer;
    // An application that aborts need not wait for what it has sent.
    if (!isCommit && this.#isOfVersion2 && random() < 0.5)
      void this.#sendLate(transaction, indexes[0], identity);
    await this.#end(transaction, isCommit);
    if (random() < 0.2) await this.#checkLate(transaction, indexes[0], identity);
  }

  /** A batch whose answer nobody waits for. */
  async #sendLate(
    transaction: KafkaTransaction,
    index: number,
    identity: ProducerIdentity,
    sequence = this.#sequences.get(index) ?? 0,
  ): Promise<string> {
    const values = [`${transaction.name}/late`];
    const produced = { sequence, values, mayAdd: this.#isOfVersion2, identity };
    return this.#producer.append(this.#world.partition(index), produced).catch(() => 'fenced');
  }

  /** One that was on its way for very long, of a transaction that is over. */
  async #checkLate(transaction: KafkaTransaction, index: number, identity: ProducerIdentity): Promise<void> {
    const sequence = this.#isOfVersion2 ? (transaction.counts.get(index) ?? 0) : this.#sequences.get(index);
    const outcome = await this.#asked(() => this.#sendLate(transaction, index, identity, sequence));
    if (this.#world.isSynced && (outcome === 'appended' || outcome === 'duplicate'))
      throw new HistoryError(`a late record of ${transaction.name}, which is over, is ${outcome}`);
  }

  #somePartitions(): number[] {
    const all = Array.from({ length: this.#world.partitionCount }, (_, index) => index);
    const some = all.filter(() => this.#world.random() < 0.4);
    return some.length > 0 ? some : [this.#world.between(0, all.length - 1)];
  }

  async #fill(transaction: KafkaTransaction, index: number): Promise<void> {
    for (let count = this.#world.between(1, 3); count > 0; count--) {
      const sequence = this.#sequences.get(index) ?? 0;
      const values = [transaction.value(index)];
      await this.#produced(index, { sequence, values, mayAdd: this.#isOfVersion2 });
      this.#sequences.set(index, sequence + 1);
      transaction.answered(index);
    }
  }

  async #produced(index: number, produced: Produced): Promise<void> {
    for (;;) {
      const outcome = await this.#asked(() => this.#producer.produce(this.#world.partition(index), produced));
      if (outcome === 'appended' || outcome === 'duplicate') return;
      if (LOST.has(outcome) || outcome === STALE) throw new LostError(outcome);
      if (!LATER.has(outcome) && !this.#world.isSynced) throw new LostError(outcome);
      if (!LATER.has(outcome))
        throw new HistoryError(`${this.#name}: ${produced.values?.join()} is refused: ${outcome}`);
      await this.#world.sleep(this.#world.between(0, 10));
    }
  }

  async #addOffset(transaction: KafkaTransaction): Promise<void> {
    const offset = this.transactions.length;
    await this.#asked(async () => {
      const [{ transactions, groups, streams, shard }] = this.#world.brokers;
      const { owner } = this.#producer;
      transactions.admitGroup(owner, this.group, true);
      const member = { memberId: '', instanceId: null, generation: -1, knowsEpochs: false };
      const rows = { [streams.get('/', 's')!.id]: [[0, offset] as const] };
      groups.addPending(owner.identity.producerId, { vhost: '/', group: this.group, ...member, rows });
      await shard.durable();
    });
    transaction.offset = offset;
  }

  async #end(transaction: KafkaTransaction, isCommit: boolean): Promise<void> {
    const { producerId } = this.#producer.identity;
    transaction.outcome = isCommit ? 'ending' : 'aborted';
    const end = async (): Promise<boolean> => {
      const isEnded = await this.#producer.end(isCommit, this.#isOfVersion2);
      if (isEnded) this.#checkEnded(transaction, producerId);
      return isEnded;
    };
    while (!(await this.#asked(end))) await this.#world.sleep(5);
    if (isCommit) transaction.outcome = 'committed';
    if (this.#isOfVersion2) this.#sequences.clear();
  }

  /** The end was answered: nothing of it is open in any shard, and what it has written is durable. */
  #checkEnded({ name, counts }: KafkaTransaction, producerId: number): void {
    if (!this.#world.isSynced) return;
    for (const index of counts.keys()) {
      const { producers, shard } = this.#world.partition(index);
      if (!producers.isInTransaction(producerId)) continue;
      throw new HistoryError(
        `the end of ${name} was answered, and partition ${index} in shard ${shard} does not know it`,
      );
    }
  }

  /** What is refused for now is asked again. */
  async #asked<T>(run: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await this.#world.untilAnswered(run);
      } catch (error) {
        if (!(error instanceof TransactionError)) throw error;
        if (LOST.has(error.kind)) throw new LostError(error.message);
        if (!LATER.has(error.kind) && !this.#world.isSynced) throw new LostError(error.message);
        if (!LATER.has(error.kind)) throw new HistoryError(`${this.#name}: ${error.kind}: ${error.message}`);
      }
      await this.#world.sleep(this.#world.between(1, 10));
    }
  }
}
