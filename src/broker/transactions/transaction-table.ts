import { ObjectQuotas } from '../budget/object-quotas.ts';
import type { AnyPartition } from '../streams/any-partition.ts';
import { type ProducerSet, producerSet, type TransactionOperation } from './operations.ts';
import { NO_MARKERS, TransactionalProducer } from './transactional-producer.ts';

/** All transactional ids, by virtual host. It follows the operations: they are applied when they are journaled, too. */
export class TransactionTable {
  readonly #byVhost = new Map<string, Map<string, TransactionalProducer>>();
  /** Read from the journal: ids of logs whose partitions are found when all is read. */
  readonly #unresolved = new Map<TransactionalProducer, number[]>();
  readonly #quotas: ObjectQuotas;
  #size = 0;

  constructor(quotas = new ObjectQuotas()) {
    this.#quotas = quotas;
  }

  get size(): number {
    return this.#size;
  }

  get(vhost: string, id: string): TransactionalProducer | undefined {
    return this.#byVhost.get(vhost)?.get(id);
  }

  list(vhost: string): Iterable<TransactionalProducer> {
    return this.#byVhost.get(vhost)?.values() ?? [];
  }

  *[Symbol.iterator](): Iterator<TransactionalProducer> {
    for (const producers of this.#byVhost.values()) yield* producers.values();
  }

  apply(operation: TransactionOperation): void {
    switch (operation.op) {
      case 'transaction.producer': {
        const { v, i, now, before, timeoutMs, state, updatedMs, markers } = operation;
        const producer = this.get(v, i) ?? this.#add(v, i, operation);
        producer.identity = { producerId: now[0], epoch: now[1] };
        producer.previous = { producerId: before[0], epoch: before[1] };
        producer.timeoutMs = timeoutMs;
        producer.rest(state, updatedMs);
        producer.markers = markers?.map(([shard, end]) => ({ shard, end })) ?? NO_MARKERS;
        this.#unresolved.delete(producer);
        return;
      }
      case 'transaction.grow': {
        const producer = this.get(operation.v, operation.i);
        if (producer === undefined) return;
        if (!producer.isOngoing) producer.begin(operation.startMs);
        for (const group of operation.groups) producer.groups.add(group);
        const ids = this.#unresolved.get(producer) ?? [];
        this.#unresolved.set(producer, ids);
        for (const id of operation.partitions) ids.push(id);
        return;
      }
      case 'transaction.forget':
        this.#remove(operation.v, operation.i);
        return;
      case 'transaction.ids':
    }
  }

  *snapshot(): Iterable<TransactionOperation> {
    for (const producer of this) {
      const { vhost: v, id: i, isOngoing, startMs, updatedMs, partitions, groups, markers } = producer;
      const state = isOngoing ? 'empty' : producer.state;
      yield producerSet(producer, { ...changeOf(producer), state }, updatedMs, markers);
      if (!isOngoing) continue;
      const ids = Array.from(partitions, (partition) => partition.id);
      yield { op: 'transaction.grow', v, i, startMs, partitions: ids, groups: [...groups] };
    }
  }

  /**
   * Everything was read. A partition of this shard is also part of a transaction because there are records of it there: that it is
   * was not said elsewhere.
   */
  recovered(partitions: Iterable<AnyPartition>): void {
    const byId = new Map<number, AnyPartition>();
    const byProducerId = new Map<number, TransactionalProducer>();
    for (const producer of this) byProducerId.set(producer.identity.producerId, producer);
    for (const partition of partitions) {
      byId.set(partition.id, partition);
      if (partition.isRemote) continue;
      for (const { id } of partition.producers.ongoing()) byProducerId.get(id)?.partitions.add(partition);
    }
    for (const [producer, ids] of this.#unresolved) {
      for (const id of ids) {
        const partition = byId.get(id);
        if (partition !== undefined) producer.partitions.add(partition);
      }
    }
    this.#unresolved.clear();
  }

  #add(vhost: string, id: string, { timeoutMs, updatedMs, u }: ProducerSet): TransactionalProducer {
    const account = this.#quotas.account(u);
    const producer = new TransactionalProducer(vhost, id, timeoutMs, updatedMs, account);
    this.#quotas.change('transactional-ids', account, vhost, 1);
    const producers = this.#byVhost.get(producer.vhost) ?? new Map<string, TransactionalProducer>();
    this.#byVhost.set(producer.vhost, producers);
    producers.set(producer.id, producer);
    this.#size++;
    return producer;
  }

  #remove(vhost: string, id: string): void {
    const producers = this.#byVhost.get(vhost);
    const producer = producers?.get(id);
    if (producers === undefined || producer === undefined) return;
    producers.delete(id);
    this.#unresolved.delete(producer);
    this.#size--;
    this.#quotas.change('transactional-ids', producer.account, vhost, -1);
    if (producers.size === 0) this.#byVhost.delete(vhost);
  }
}

function changeOf({
  identity,
  previous,
  timeoutMs,
  state,
}: TransactionalProducer): Parameters<typeof producerSet>[1] {
  return { identity, previous, timeoutMs, state };
}
