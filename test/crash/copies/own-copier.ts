import type { ProducerIdentity } from '../../../src/broker/transactions/transactional-producer.ts';
import { offsetFetch } from '../../../src/wire/kafka/messages/group-offsets.ts';
import { produce } from '../../../src/wire/kafka/messages/produce.ts';
import { endTxn, initProducerId, txnOffsetCommit } from '../../../src/wire/kafka/messages/transactions.ts';
import { producedBatch } from '../../broker/streams/producers/produced-batch.ts';
import { KafkaClient } from '../../servers/kafka/kafka-client.ts';
import type { Copier, CopyJob } from './copier.ts';
import { check, readCommitted } from './topic.ts';

const ABORTED_SHARE = 0.15;
const READ_BYTES = 64 * 1024;
const RECORDS_MAX = 500;

/** Copies with our own codec: each transaction has the records and the offset behind them. */
export class OwnCopier implements Copier {
  readonly #job: CopyJob;
  #client: KafkaClient | null = null;
  #isStopped = false;
  #error: unknown = null;

  constructor(job: CopyJob) {
    this.#job = job;
  }

  get error(): unknown {
    return this.#error;
  }

  describe(): string {
    return this.#client === null || this.#client.isClosed ? 'not connected' : 'at work';
  }

  /** The broker has started: everything begins anew. */
  brokerStarted(port: number): void {
    this.#life(port).catch((error: unknown) => {
      // With the broker the connection ends, and that is all that may go wrong.
      if (this.#client?.isClosed === false && !this.#isStopped) this.#error ??= error;
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#client?.socket.destroy();
  }

  async #life(port: number): Promise<void> {
    const { source, partition, random } = this.#job;
    const client = await KafkaClient.connect(port);
    this.#client = client;
    let identity = await this.#initialize(client);
    let at = await this.#position(client);
    while (!this.#isStopped) {
      const records = await readCommitted(client, source, partition, at, READ_BYTES);
      if (records.values.length === 0) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        continue;
      }
      const values = records.values.slice(0, 1 + Math.floor(random() * RECORDS_MAX));
      const next = at + values.length;
      await this.#write(client, identity, values);
      await this.#commitOffset(client, identity, next);
      const isCommit = random() >= ABORTED_SHARE;
      identity = await this.#end(client, identity, isCommit);
      if (isCommit) at = next;
    }
  }

  async #initialize(client: KafkaClient): Promise<ProducerIdentity> {
    const response = await client.request(initProducerId, 5, {
      transactionalId: this.#job.transactionalId,
      transactionTimeoutMs: 60_000,
    });
    check(response.errorCode, 'the start of a producer');
    return { producerId: response.producerId, epoch: response.producerEpoch };
  }

  async #position(client: KafkaClient): Promise<number> {
    const { group, source, partition } = this.#job;
    const response = await client.request(offsetFetch, 8, {
      groups: [{ groupId: group, topics: [{ name: source, partitionIndexes: [partition] }] }],
      requireStable: true,
    });
    const found = response.groups[0].topics[0].partitions[0];
    check(found.errorCode, 'the position of the group');
    return Math.max(0, found.committedOffset);
  }

  async #write(client: KafkaClient, identity: ProducerIdentity, values: readonly string[]): Promise<void> {
    const { transactionalId, target, partition: index } = this.#job;
    const half = Math.ceil(values.length / 2);
    // Two at once, as producers do that need not wait.
    const answers = [values.slice(0, half), values.slice(half)]
      .filter((part) => part.length > 0)
      .map((part, i) => {
        const records = producedBatch(part, { ...identity, sequence: i * half, isTransactional: true });
        return client.request(produce, 12, {
          transactionalId,
          acks: -1,
          timeoutMs: 10_000,
          topicData: [{ name: target, partitionData: [{ index, records }] }],
        });
      });
    for (const { responses } of await Promise.all(answers)) {
      check(responses[0].partitionResponses[0].errorCode, 'a copy');
    }
  }

  async #commitOffset(
    client: KafkaClient,
    { producerId, epoch }: ProducerIdentity,
    committedOffset: number,
  ): Promise<void> {
    const { transactionalId, group, source, partition: partitionIndex } = this.#job;
    const partitions = [{ partitionIndex, committedOffset, committedMetadata: '' }];
    const response = await client.request(txnOffsetCommit, 5, {
      transactionalId,
      groupId: group,
      producerId,
      producerEpoch: epoch,
      topics: [{ name: source, partitions }],
    });
    check(response.topics[0].partitions[0].errorCode, 'an offset');
  }

  async #end(
    client: KafkaClient,
    { producerId, epoch }: ProducerIdentity,
    committed: boolean,
  ): Promise<ProducerIdentity> {
    const { transactionalId } = this.#job;
    const request = { transactionalId, producerId, producerEpoch: epoch, committed };
    const response = await client.request(endTxn, 5, request);
    check(response.errorCode, 'the end of a transaction');
    return { producerId: response.producerId, epoch: response.producerEpoch };
  }
}
