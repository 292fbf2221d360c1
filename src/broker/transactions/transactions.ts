import { DeadlineTimer } from '../../base/deadline-timer.ts';
import type { Timer } from '../../base/scheduler.ts';
import {
  baseSequenceOf,
  isTransactional,
  producerEpochOf,
  producerIdOf,
} from '../../records/producer-fields.ts';
import { ObjectQuotas } from '../budget/object-quotas.ts';
import type { SnapshotSection } from '../shard/snapshot-section.ts';
import type { AnyPartition } from '../streams/any-partition.ts';
import type { Partition } from '../streams/partition.ts';
import { ProducerIds } from '../streams/producers/producer-ids.ts';
import {
  decodeTransactionOperation,
  encodeTransactionOperation,
  type ProducerChange,
  type ProducerName,
  producerSet,
  type TransactionOperation,
} from './operations.ts';
import type { InitializeRequest, Owner } from './requests.ts';
import { SettlingProducers } from './settling-producers.ts';
import type { TransactionAdmission } from './transaction-admission.ts';
import {
  endTransaction,
  partitionsElsewhere,
  placesInOutboxes,
  reserveEnds,
  type TransactionEndDeps,
} from './transaction-end.ts';
import {
  concurrent,
  fenced,
  notOpen,
  TransactionError,
  type TransactionErrorKind,
  unknown,
} from './transaction-error.ts';
import type { TransactionSettings } from './transaction-settings.ts';
import { TransactionTable } from './transaction-table.ts';
import {
  isSame,
  NOBODY,
  type ProducerIdentity,
  successorOf,
  type TransactionalProducer,
} from './transactional-producer.ts';
import type { Verification } from './verification.ts';

export interface TransactionsDeps extends TransactionEndDeps {
  readonly settings: TransactionSettings;
  /** As `TransactionSettings.producerExpirationMs`, unless something else was set while the broker runs. */
  producerExpirationMs(): number;
  /** Without them only `settings.idsMax` counts. */
  readonly quotas?: ObjectQuotas;
  /** Of all streams. */
  partitions(): Iterable<AnyPartition>;
  /** Where another shard is the coordinator: nothing is coordinated here. */
  readonly verification?: Verification | null;
}

/**
 * Coordinates transactions (KIP-98, KIP-360, KIP-890): who has which transactional id, which partitions and groups the
 * open transaction of each has, and how it ends. Changes are made and journaled without waiting; whoever answers a
 * client waits until they are durable.
 */
export class Transactions implements SnapshotSection {
  readonly prefix = 'transaction';
  readonly #deps: TransactionsDeps;
  readonly #quotas: ObjectQuotas;
  readonly #table: TransactionTable;
  readonly #ids: ProducerIds;
  readonly #timer: DeadlineTimer;
  /** Who waits for other shards. */
  readonly settling: SettlingProducers;
  /** In shards that coordinate nothing: what the coordinator has said. */
  readonly verification: Verification | null;
  #isWaitingForRoom = false;
  #check: Timer | null = null;

  constructor(deps: TransactionsDeps) {
    this.#deps = deps;
    this.verification = deps.verification ?? null;
    this.settling = new SettlingProducers(deps.shard, (vhost, id) => this.#table.get(vhost, id));
    this.#quotas = deps.quotas ?? new ObjectQuotas();
    this.#table = new TransactionTable(this.#quotas);
    this.#ids = new ProducerIds((limit) => this.#record({ op: 'transaction.ids', limit }));
    this.#timer = new DeadlineTimer(deps.shard.scheduler, () => this.#abortOverdue());
  }

  get settings(): TransactionSettings {
    return this.#deps.settings;
  }

  find(vhost: string, id: string): TransactionalProducer | undefined {
    return this.#table.get(vhost, id);
  }

  /** Of all virtual hosts. */
  [Symbol.iterator](): Iterator<TransactionalProducer> {
    return this.#table[Symbol.iterator]();
  }

  list(vhost: string): Iterable<TransactionalProducer> {
    return this.#table.list(vhost);
  }

  /** With the virtual host goes what is in it: its streams and groups go too. */
  deleteAll(vhost: string): void {
    for (const { id } of [...this.#table.list(vhost)]) this.#forget(vhost, id);
  }

  /** For a producer that numbers its records without transactions. @throws TransactionError unavailable */
  newProducer(): ProducerIdentity {
    this.#assertCoordinator();
    this.#admitWrite();
    return { producerId: this.#ids.next(), epoch: 0 };
  }

  /**
   * Gives the transactional id to whoever asks: who had it before is fenced, and its open transaction aborted.
   * @throws TransactionError
   */
  initialize({ vhost, id, timeoutMs, identity, user }: InitializeRequest): ProducerIdentity {
    this.#assertCoordinator();
    const { settings } = this.#deps;
    if (id === '' || id.length > settings.idLengthMax) {
      const text = `a transactional id has 1 to ${settings.idLengthMax} characters, not ${id.length}`;
      throw new TransactionError('invalid-request', text);
    }
    if (timeoutMs <= 0 || timeoutMs > settings.timeoutMsMax) {
      throw new TransactionError(
        'invalid-timeout',
        `a transaction cannot take ${timeoutMs} ms: 1 to ${settings.timeoutMsMax} are possible`,
      );
    }
    this.#admitWrite();
    const producer = this.#table.get(vhost, id);
    if (producer === undefined) return this.#create(vhost, id, timeoutMs, user);
    if (producer.isSettling) throw concurrent(producer);
    if (identity !== null) {
      // The answer to an earlier request did not arrive, or the broker has aborted its transaction: it has its successor already.
      if (isSame(identity, producer.previous) && !producer.isOngoing) {
        const { identity: present, previous } = producer;
        this.#change(producer, { identity: present, previous, timeoutMs, state: 'empty' });
        return present;
      }
      if (!isSame(identity, producer.identity)) throw fenced(producer, identity);
    }
    const change = {
      identity: this.#successorOf(producer),
      // Somebody new has no past.
      previous: identity === null ? NOBODY : producer.identity,
      timeoutMs,
      state: 'empty',
    } as const;
    if (producer.isOngoing) this.#end(producer, false, change);
    else this.#change(producer, change);
    return change.identity;
  }

  /** These partitions and groups will have part in the transaction. @throws TransactionError */
  grow(owner: Owner, partitions: readonly AnyPartition[], groups: readonly string[]): void {
    this.#grow(this.#ownedBy(owner), partitions, groups);
  }

  /** @throws TransactionError if it is not the owner's, or one of the partitions is no part of it */
  verify(owner: Owner, partition: AnyPartition): void {
    const producer = this.#ownedBy(owner);
    if (producer.isOngoing && producer.partitions.has(partition)) return;
    if (producer.isSettling) throw concurrent(producer);
    throw new TransactionError(
      'not-in-transaction',
      `partition ${partition.index} of '${partition.stream.name}' is not in the transaction of '${owner.id}'`,
    );
  }

  /** The block that says what the owner's transaction has; whoever is told of it is told when that is durable. @throws TransactionError */
  grownBlock(owner: Owner): number {
    return this.#ownedBy(owner).grownBlock;
  }

  /** Whether the batch at `at` may be appended to the partition, as far as transactions are concerned; null if so. */
  admit(
    partition: Partition,
    bytes: Buffer,
    at: number,
    admission: TransactionAdmission,
  ): TransactionErrorKind | null {
    if (!isTransactional(bytes, at)) return null;
    const { verification } = this;
    if (verification !== null) return verification.admit(partition, bytes, at, admission);
    const { transactionalId, mayAdd } = admission;
    if (transactionalId === null) return 'unknown-producer';
    const producer = this.#table.get(partition.stream.vhost, transactionalId);
    if (producer === undefined || producer.identity.producerId !== producerIdOf(bytes, at)) {
      return 'unknown-producer';
    }
    if (producer.identity.epoch !== producerEpochOf(bytes, at)) return 'fenced';
    const isIn = producer.isOngoing && producer.partitions.has(partition);
    if (!isIn && producer.isSettling) return 'concurrent';
    if (!mayAdd) return isIn ? null : 'not-in-transaction';
    // That it takes part in a transaction which is known to be open, its records say at recovery.
    if (!producer.isOngoing) {
      if (this.#quotas.refusalOfWrite() !== null) return 'unavailable';
      this.#grow(producer, [partition], []);
    } else if (!isIn) {
      if (producer.partitions.size >= this.#deps.settings.partitionsMax) return 'too-many';
      producer.partitions.add(partition);
    }
    // Numbers begin again with each transaction: what is unknown here has not lost its past, but overtaken something.
    const isUnknown = partition.producers.get(producer.identity.producerId) === undefined;
    return isUnknown && baseSequenceOf(bytes, at) !== 0 ? 'out-of-order' : null;
  }

  /** As `admit`, for the offsets of a group. @throws TransactionError */
  admitGroup(owner: Owner, group: string, mayAdd: boolean): void {
    const producer = this.#ownedBy(owner);
    if (producer.isOngoing && producer.groups.has(group)) return;
    if (producer.isSettling) throw concurrent(producer);
    if (!mayAdd) {
      throw new TransactionError(
        'not-in-transaction',
        `group '${group}' is not in the transaction of '${owner.id}'`,
      );
    }
    this.#grow(producer, [], [group]);
  }

  /**
   * Ends the transaction. `renews`: the producer goes on with what this returns, so that nothing of this transaction
   * which is late can become part of the next (KIP-890); otherwise that is what it has. @throws TransactionError
   */
  end(owner: Owner, isCommit: boolean, renews: boolean): ProducerIdentity {
    this.#assertCoordinator();
    const producer = this.#table.get(owner.vhost, owner.id);
    if (producer === undefined) throw unknown(owner);
    const state = isCommit ? 'committed' : 'aborted';
    if (!producer.isOngoing && renews && isSame(owner.identity, producer.previous)) {
      // Once more, as the answer did not arrive.
      if (producer.state === state) return producer.identity;
      // Its transaction was aborted when its timeout was over, which is no fault of the producer: it can go on (KAFKA-20785).
      throw producer.state === 'committed' ? notOpen(producer, isCommit) : fenced(producer, owner.identity);
    }
    this.#ownedBy(owner);
    if (!producer.isOngoing) {
      if (!renews && producer.state === state) return producer.identity;
      // There may have been something that failed: whoever aborts wants to have it out of the world.
      if (!renews || isCommit) throw notOpen(producer, isCommit);
      if (producer.isSettling) throw concurrent(producer);
    }
    const { timeoutMs } = producer;
    const identity = renews ? this.#successorOf(producer) : producer.identity;
    const previous = renews ? producer.identity : producer.previous;
    const change = { identity, previous, timeoutMs, state } as const;
    if (producer.isOngoing) this.#end(producer, isCommit, change);
    else this.#change(producer, change);
    return identity;
  }

  apply(bytes: Uint8Array): void {
    this.#apply(decodeTransactionOperation(bytes));
  }

  *snapshot(): Iterable<Uint8Array> {
    if (this.#ids.limit > 0) {
      yield encodeTransactionOperation({ op: 'transaction.ids', limit: this.#ids.limit });
    }
    for (const operation of this.#table.snapshot()) yield encodeTransactionOperation(operation);
  }

  recovered(): void {
    const { settings, shard } = this.#deps;
    const { scheduler, clock } = shard;
    this.#table.recovered(this.#deps.partitions());
    for (const producer of this.#table) this.settling.follow(producer);
    if (shard.isHeld) return;
    for (const { dueMs } of this.#table) this.#timer.setFor(dueMs, clock.now());
    this.#check = scheduler.every(settings.checkMs, () => this.#expire());
  }

  stop(): void {
    this.#timer.stop();
    this.#check?.cancel();
  }

  /** @throws TransactionError not-coordinator */
  #assertCoordinator(): void {
    if (this.verification === null) return;
    throw new TransactionError('not-coordinator', 'transactions are coordinated in shard 0');
  }

  #create(vhost: string, id: string, timeoutMs: number, user: string | undefined): ProducerIdentity {
    if (this.#table.size >= this.#deps.settings.idsMax) {
      throw new TransactionError('too-many', `there are ${this.#table.size} transactional ids already`);
    }
    const account = this.#quotas.account(user);
    const refusal = this.#quotas.refusal('transactional-ids', account, vhost);
    if (refusal !== null) {
      const kind = refusal.kind === 'limit-reached' ? 'too-many' : 'unavailable';
      throw new TransactionError(kind, refusal.text);
    }
    const identity = this.newProducer();
    this.#change({ vhost, id, account }, { identity, previous: NOBODY, timeoutMs, state: 'empty' });
    return identity;
  }

  /** @throws TransactionError unavailable, while the disk is almost full; what ends a transaction is always written */
  #admitWrite(): void {
    const refusal = this.#quotas.refusalOfWrite();
    if (refusal !== null) throw new TransactionError('unavailable', refusal.text);
  }

  #ownedBy(owner: Owner): TransactionalProducer {
    this.#assertCoordinator();
    const producer = this.#table.get(owner.vhost, owner.id);
    if (producer === undefined || producer.identity.producerId !== owner.identity.producerId) {
      throw unknown(owner);
    }
    if (producer.identity.epoch !== owner.identity.epoch) throw fenced(producer, owner.identity);
    return producer;
  }

  #grow(
    producer: TransactionalProducer,
    partitions: readonly AnyPartition[],
    groups: readonly string[],
  ): void {
    if (producer.isSettling) throw concurrent(producer);
    this.#admitWrite();
    const isIn = (partition: AnyPartition): boolean =>
      producer.isOngoing && producer.partitions.has(partition);
    const added = [...new Set(partitions)].filter((partition) => !isIn(partition));
    this.#checkPartitions(producer, added.length);
    const addedGroups = groups.filter((group) => !producer.groups.has(group));
    if (producer.isOngoing && added.length + addedGroups.length === 0) return;
    const { groupsMax } = this.#deps.settings;
    if (addedGroups.length > 0 && producer.groups.size + addedGroups.length > groupsMax) {
      throw new TransactionError('too-many', `a transaction is of ${groupsMax} groups at most`);
    }
    const nowMs = this.#deps.shard.clock.now();
    if (!producer.isOngoing) {
      producer.begin(nowMs);
      this.#timer.setFor(producer.dueMs, nowMs);
    }
    for (const partition of added) producer.partitions.add(partition);
    // An outbox that is made now has room when the end comes.
    reserveEnds(this.#deps.shard, partitionsElsewhere(added));
    for (const group of addedGroups) producer.groups.add(group);
    producer.grownBlock = this.#deps.shard.record(
      encodeTransactionOperation({
        op: 'transaction.grow',
        v: producer.vhost,
        i: producer.id,
        startMs: producer.startMs,
        partitions: added.map((partition) => partition.id),
        groups: addedGroups,
      }),
    );
  }

  #checkPartitions({ partitions, isOngoing }: TransactionalProducer, added: number): void {
    const { partitionsMax } = this.#deps.settings;
    const present = isOngoing ? partitions.size : 0;
    if (added === 0 || present + added <= partitionsMax) return;
    throw new TransactionError('too-many', `a transaction is of ${partitionsMax} partitions at most`);
  }

  #successorOf(producer: TransactionalProducer): ProducerIdentity {
    return successorOf(producer.identity, () => this.#ids.next());
  }

  #change(producer: ProducerName, change: ProducerChange): void {
    this.#record(producerSet(producer, change, this.#deps.shard.clock.now()));
  }

  /** @throws TransactionError no-room, and nothing has changed */
  #end(producer: TransactionalProducer, isCommit: boolean, change: ProducerChange): void {
    const { shard } = this.#deps;
    const elsewhere = partitionsElsewhere(producer.partitions);
    if (!reserveEnds(shard, elsewhere)) {
      throw new TransactionError(
        'no-room',
        `the end of the transaction of '${producer.id}' waits for another shard`,
      );
    }
    const nowMs = shard.clock.now();
    const operation = producerSet(producer, change, nowMs, placesInOutboxes(shard, elsewhere));
    const { producerId, epoch } = producer.identity;
    const isRenewed = !isSame(producer.identity, change.identity);
    endTransaction(this.#deps, {
      producer,
      isCommit,
      operation: encodeTransactionOperation(operation),
      epoch: change.identity.producerId === producerId ? change.identity.epoch : epoch + (isRenewed ? 1 : 0),
      nowMs,
      elsewhere,
    });
    this.#apply(operation);
    this.settling.follow(producer);
  }

  #forget(v: string, i: string): void {
    this.#record({ op: 'transaction.forget', v, i });
  }

  #record(operation: TransactionOperation): void {
    this.#deps.shard.record(encodeTransactionOperation(operation));
    this.#apply(operation);
  }

  #apply(operation: TransactionOperation): void {
    if (operation.op === 'transaction.ids') this.#ids.reserved(operation.limit);
    else this.#table.apply(operation);
  }

  /** Whoever has it is fenced, unless it is only to abort as well. */
  #abortOverdue(): void {
    const nowMs = this.#deps.shard.clock.now();
    for (const producer of this.#table) {
      if (producer.dueMs > nowMs) {
        this.#timer.setFor(producer.dueMs, nowMs);
        continue;
      }
      if (reserveEnds(this.#deps.shard, partitionsElsewhere(producer.partitions))) this.#abort(producer);
      else this.#abortWhenRoom();
    }
  }

  #abort(producer: TransactionalProducer): void {
    const { identity: previous, timeoutMs } = producer;
    const identity = this.#successorOf(producer);
    this.#end(producer, false, { identity, previous, timeoutMs, state: 'aborted' });
  }

  #abortWhenRoom(): void {
    if (this.#isWaitingForRoom) return;
    this.#isWaitingForRoom = true;
    this.settling.whenRoom(() => {
      this.#isWaitingForRoom = false;
      this.#abortOverdue();
    });
  }

  #expire(): void {
    const { settings, shard } = this.#deps;
    const nowMs = shard.clock.now();
    for (const { vhost, id, isOngoing, isSettling, updatedMs } of [...this.#table]) {
      if (!isOngoing && !isSettling && updatedMs <= nowMs - settings.idExpirationMs) this.#forget(vhost, id);
    }
    const forgottenMs = nowMs - this.#deps.producerExpirationMs();
    for (const partition of this.#deps.partitions())
      if (!partition.isRemote) partition.producers.expire(forgottenMs);
  }
}
