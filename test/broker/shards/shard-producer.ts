import type { Broker } from '../../../src/broker/broker.ts';
import type { Partition } from '../../../src/broker/streams/partition.ts';
import type { Stream } from '../../../src/broker/streams/stream.ts';
import type { Owner } from '../../../src/broker/transactions/requests.ts';
import type { Refused } from '../../../src/broker/transactions/transaction-admission.ts';
import type { ProducerIdentity } from '../../../src/broker/transactions/transactional-producer.ts';
import { producedBatch } from '../streams/producers/produced-batch.ts';

export interface Produced {
  readonly sequence: number;
  readonly values?: readonly string[];
  /** As Produce 12 and later. */
  readonly mayAdd?: boolean;
  readonly identity?: ProducerIdentity;
  readonly id?: string;
}

/** Does with the brokers of all shards what requests of a transactional producer do. */
export class ShardProducer {
  readonly id: string;
  identity: ProducerIdentity = { producerId: -1, epoch: -1 };
  readonly #brokers: () => readonly Broker[];

  /** `brokers`: those that there are at the moment. */
  constructor(id: string, brokers: () => readonly Broker[]) {
    this.id = id;
    this.#brokers = brokers;
  }

  get owner(): Owner {
    return { vhost: '/', id: this.id, identity: this.identity };
  }

  get #coordinator(): Broker {
    return this.#brokers()[0];
  }

  /** InitProducerId. Resolves with whether the client is answered that it has the id. */
  async initialize(identity: ProducerIdentity | null = null, timeoutMs = 60_000): Promise<boolean> {
    const { transactions, shard } = this.#coordinator;
    const request = { vhost: '/', id: this.id, timeoutMs, identity };
    const given = await transactions.settling.patiently(this.owner, () => transactions.initialize(request));
    await shard.durable();
    if (!(await transactions.settling.settled(this.owner))) return false;
    this.identity = given;
    return true;
  }

  /** AddPartitionsToTxn. */
  async addPartitions(stream: string, indexes: readonly number[]): Promise<void> {
    const { transactions, streams, shard } = this.#coordinator;
    const { partitions } = streams.get('/', stream) as Stream;
    const added = indexes.map((index) => partitions[index]);
    transactions.grow(this.owner, added, []);
    await shard.durable();
  }

  /** Produce, of one batch: `appended`, or what stands against it, as soon as that is known. */
  async append(partition: Partition, produced: Produced): Promise<string> {
    const { sequence, values = ['x'], mayAdd = true, identity = this.identity, id = this.id } = produced;
    const batch = producedBatch(values, { ...identity, sequence, isTransactional: true });
    const broker = this.#brokers()[partition.shard];
    const { verification } = broker.transactions;
    const owner = verification?.unknownOwner(partition, id, batch, 0) ?? null;
    if (verification === null || owner === null) return append(broker, partition, batch, id, mayAdd);
    return new Promise((resolve) => {
      verification.ask({ owner, mayAdd, partitions: [partition] }, (refused) => {
        resolve(append(broker, partition, batch, id, mayAdd, refused));
      });
    });
  }

  /** As `append`; resolves when it is durable, as Produce is answered. */
  async produce(partition: Partition, produced: Produced): Promise<string> {
    const outcome = await this.append(partition, produced);
    await this.#brokers()[partition.shard].shard.durable();
    return outcome;
  }

  /** EndTxn. Resolves with whether the client is answered that it is done. */
  async end(isCommit: boolean, renews = true): Promise<boolean> {
    const { transactions, shard } = this.#coordinator;
    const { owner } = this;
    const next = await transactions.settling.patiently(owner, () =>
      transactions.end(owner, isCommit, renews),
    );
    await shard.durable();
    if (!(await transactions.settling.settled(owner))) return false;
    this.identity = next;
    return true;
  }
}

function append(
  { transactions, shard }: Broker,
  partition: Partition,
  batch: Buffer,
  transactionalId: string,
  mayAdd: boolean,
  refused?: Refused,
): string {
  const admission = { transactionalId, mayAdd, ...(refused !== undefined && { refused }) };
  const kind = transactions.admit(partition, batch, 0, admission);
  if (kind !== null) return kind;
  const check = partition.producers.check(batch, 0);
  if (check !== 'new') return check;
  shard.turn.touch();
  partition.append(batch, 0, batch.length);
  return 'appended';
}
