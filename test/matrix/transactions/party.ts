import type { ProducerIdentity } from '../../../src/broker/transactions/transactional-producer.ts';
import { type ErrorName, errorName } from '../../../src/wire/kafka/error-codes.ts';
import { findCoordinator } from '../../../src/wire/kafka/messages/group-membership.ts';
import { offsetFetch } from '../../../src/wire/kafka/messages/group-offsets.ts';
import { listOffsets } from '../../../src/wire/kafka/messages/offsets.ts';
import { produce } from '../../../src/wire/kafka/messages/produce.ts';
import { createTopics } from '../../../src/wire/kafka/messages/topics.ts';
import { describeTransactions } from '../../../src/wire/kafka/messages/transaction-admin.ts';
import {
  addOffsetsToTxn,
  addPartitionsToTxn,
  endTxn,
  initProducerId,
  txnOffsetCommit,
} from '../../../src/wire/kafka/messages/transactions.ts';
import { producedBatch } from '../../broker/streams/producers/produced-batch.ts';
import { KafkaClient } from '../../servers/kafka/kafka-client.ts';
import { type Operation, PARTITIONS, type Who } from './operations.ts';

const NOBODY: ProducerIdentity = { producerId: -1, epoch: -1 };
const ATTEMPTS_MAX = 200;
const AGAIN_MS = 20;

/** A cluster says so while it carries a transaction's end from server to server, or makes its own topics. */
const AGAIN: ReadonlySet<string> = new Set<ErrorName>([
  'CONCURRENT_TRANSACTIONS',
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
  'NOT_ENOUGH_REPLICAS',
  'NOT_LEADER_OR_FOLLOWER',
  'UNKNOWN_TOPIC_OR_PARTITION',
]);

/** A producer at one of the brokers: what it is answered, in words that do not depend on ids and offsets. */
export class Party {
  readonly #client: KafkaClient;
  /** Of its topic, its group, and its transactional id. */
  readonly #name: string;
  #present = NOBODY;
  #previous = NOBODY;
  /** By identity and partition. */
  readonly #next = new Map<string, number>();
  readonly #lastOffsets = Array<number>(PARTITIONS).fill(-1);

  static async join(port: number, name: string): Promise<Party> {
    const client = await KafkaClient.connect(port);
    const party = new Party(client, name);
    await party.#create();
    for (const keyType of [0, 1]) {
      await patiently(async () => {
        const { coordinators } = await client.request(findCoordinator, 4, {
          keyType,
          coordinatorKeys: [name],
        });
        return coordinators[0].errorCode;
      });
    }
    return party;
  }

  private constructor(client: KafkaClient, name: string) {
    this.#client = client;
    this.#name = name;
  }

  leave(): void {
    this.#client.socket.destroy();
  }

  answer(operation: Operation): Promise<string> {
    switch (operation.kind) {
      case 'initialize':
        return patiently(() => this.#initialize(operation.version, operation.renews));
      case 'produce':
        return this.#produce(operation);
      case 'add-partition':
        return patiently(() => this.#addPartition(operation));
      case 'add-group':
        return patiently(() => this.#addGroup(operation));
      case 'commit-offset':
        return patiently(() => this.#commitOffset(operation));
      case 'end':
        return patiently(() => this.#end(operation));
    }
  }

  /** What others see, once everything has come to rest. */
  async situation(): Promise<string> {
    for (let attempt = 0; ; attempt++) {
      const state = await this.#state();
      const committed = await this.#offset(false);
      const stable = await this.#offset(true);
      const isOpen: boolean[] = [];
      for (let partition = 0; partition < PARTITIONS; partition++) {
        isOpen.push((await this.#endOffset(partition, 0)) !== (await this.#endOffset(partition, 1)));
      }
      const isOngoing = state === 'Ongoing';
      const isAtRest = isOngoing || (stable === committed && !isOpen.includes(true));
      if ((isAtRest && !state.startsWith('Prepare')) || attempt === ATTEMPTS_MAX) {
        return `${state}, offset ${committed}, ${stable === committed ? 'stable' : stable}, open ${isOpen}`;
      }
      await pause();
    }
  }

  async #create(): Promise<void> {
    const topic = { name: this.#name, numPartitions: PARTITIONS, replicationFactor: 1 };
    const { topics } = await this.#client.request(createTopics, 5, {
      topics: [{ ...topic, assignments: [], configs: [] }],
      timeoutMs: 10_000,
      validateOnly: false,
    });
    if (topics[0].errorCode !== 0) throw new Error(`no topic: ${nameOf(topics[0].errorCode)}`);
  }

  #identity(who: Who): ProducerIdentity {
    if (who === 'unknown') return { ...this.#present, epoch: this.#present.epoch + 5 };
    return who === 'previous' && this.#previous !== NOBODY ? this.#previous : this.#present;
  }

  #become(identity: ProducerIdentity): void {
    if (identity.producerId === this.#present.producerId && identity.epoch === this.#present.epoch) return;
    this.#previous = this.#present;
    this.#present = identity;
  }

  async #initialize(version: number, renews: boolean): Promise<number> {
    const { producerId, epoch } = renews ? this.#present : NOBODY;
    const response = await this.#client.request(initProducerId, version, {
      transactionalId: this.#name,
      transactionTimeoutMs: 60_000,
      producerId,
      producerEpoch: epoch,
    });
    const { errorCode } = response;
    if (errorCode === 0) this.#become({ producerId: response.producerId, epoch: response.producerEpoch });
    return errorCode;
  }

  async #produce(operation: Operation & { readonly kind: 'produce' }): Promise<string> {
    const { version, partition: index } = operation;
    const identity = this.#identity(operation.who);
    const key = `${identity.producerId} ${identity.epoch} ${index}`;
    const next = this.#next.get(key) ?? 0;
    // Of one who must say beforehand what belongs to a transaction, Kafka remembers the lowest number that it has refused,
    // as long as it knows no other; we take any number from somebody who is unknown, as Kafka does otherwise.
    const gap = next === 0 && version < 12 ? next : next + 2;
    const sequence = { next, again: Math.max(0, next - 1), gap }[operation.sequence];
    const records = producedBatch(['x'], { ...identity, sequence, isTransactional: true });
    let offset = -1;
    const error = await patiently(async () => {
      const response = await this.#client.request(produce, version, {
        transactionalId: this.#name,
        acks: -1,
        timeoutMs: 5000,
        topicData: [{ name: this.#name, partitionData: [{ index, records }] }],
      });
      const answered = response.responses[0].partitionResponses[0];
      offset = answered.baseOffset;
      return answered.errorCode;
    });
    if (error !== 'NONE') return error;
    if (offset <= this.#lastOffsets[index]) return 'known';
    this.#lastOffsets[index] = offset;
    this.#next.set(key, sequence + 1);
    return 'appended';
  }

  async #addPartition(operation: Operation & { readonly kind: 'add-partition' }): Promise<number> {
    const { producerId, epoch } = this.#identity(operation.who);
    const response = await this.#client.request(addPartitionsToTxn, operation.version, {
      v3AndBelowTransactionalId: this.#name,
      v3AndBelowProducerId: producerId,
      v3AndBelowProducerEpoch: epoch,
      v3AndBelowTopics: [{ name: this.#name, partitions: [operation.partition] }],
    });
    return response.resultsByTopicV3AndBelow[0].resultsByPartition[0].partitionErrorCode;
  }

  async #addGroup(operation: Operation & { readonly kind: 'add-group' }): Promise<number> {
    const { producerId, epoch } = this.#identity(operation.who);
    const request = { transactionalId: this.#name, producerId, producerEpoch: epoch, groupId: this.#name };
    return (await this.#client.request(addOffsetsToTxn, operation.version, request)).errorCode;
  }

  async #commitOffset(operation: Operation & { readonly kind: 'commit-offset' }): Promise<number> {
    const { producerId, epoch } = this.#identity(operation.who);
    const partition = { partitionIndex: 0, committedOffset: operation.offset, committedMetadata: '' };
    const response = await this.#client.request(txnOffsetCommit, operation.version, {
      transactionalId: this.#name,
      groupId: this.#name,
      producerId,
      producerEpoch: epoch,
      topics: [{ name: this.#name, partitions: [partition] }],
    });
    return response.topics[0].partitions[0].errorCode;
  }

  async #end(operation: Operation & { readonly kind: 'end' }): Promise<number> {
    const { version, isCommit: committed } = operation;
    const { producerId, epoch } = this.#identity(operation.who);
    const request = { transactionalId: this.#name, producerId, producerEpoch: epoch, committed };
    const response = await this.#client.request(endTxn, version, request);
    if (response.errorCode === 0 && version >= 5) {
      this.#become({ producerId: response.producerId, epoch: response.producerEpoch });
    }
    return response.errorCode;
  }

  async #state(): Promise<string> {
    const transactionalIds = [this.#name];
    const { transactionStates } = await this.#client.request(describeTransactions, 0, { transactionalIds });
    const { errorCode, transactionState } = transactionStates[0];
    return errorCode === 0 ? transactionState : nameOf(errorCode);
  }

  async #offset(requireStable: boolean): Promise<string> {
    const topics = [{ name: this.#name, partitionIndexes: [0] }];
    const { groups } = await this.#client.request(offsetFetch, 8, {
      groups: [{ groupId: this.#name, topics }],
      requireStable,
    });
    const found = groups[0].topics[0]?.partitions[0];
    if (found === undefined) return nameOf(groups[0].errorCode);
    return found.errorCode === 0 ? String(found.committedOffset) : nameOf(found.errorCode);
  }

  async #endOffset(partitionIndex: number, isolationLevel: number): Promise<number> {
    const partitions = [{ partitionIndex, timestamp: -1 }];
    const { topics } = await this.#client.request(listOffsets, 7, {
      replicaId: -1,
      isolationLevel,
      topics: [{ name: this.#name, partitions }],
    });
    return topics[0].partitions[0].offset;
  }
}

async function patiently(ask: () => Promise<number>): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    const name = nameOf(await ask());
    if (!AGAIN.has(name) || attempt === ATTEMPTS_MAX) return name;
    await pause();
  }
}

function nameOf(code: number): string {
  return errorName(code) ?? String(code);
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
}
