import type { Partition } from '../../../broker/streams/partition.ts';
import type { Owner } from '../../../broker/transactions/requests.ts';
import type { VerificationRequest } from '../../../broker/transactions/transaction-admission.ts';
import { isSame } from '../../../broker/transactions/transactional-producer.ts';
import type { Verification } from '../../../broker/transactions/verification.ts';
import { BATCH_HEADER_BYTES } from '../../../records/batch-layout.ts';
import type { RequestOf } from '../../../wire/kafka/declaration.ts';
import type { produce } from '../../../wire/kafka/messages/produce.ts';
import type { RequestContext } from '../handlers/request-context.ts';
import { ledPartition } from '../topics/topics.ts';
import { ADDS_FROM, producedStream } from './produce-append.ts';

type Request = RequestOf<typeof produce>;

/**
 * The partitions of a request about which the coordinator of its transaction, in another shard, has to be asked before their batches can
 * be appended (KIP-890); null if there are none, as always where this shard is the coordinator. All batches of a request are of one
 * producer; those of another one are refused, so that they come again.
 */
export function unverifiedPartitions(
  { transactionalId, topicData }: Request,
  context: RequestContext,
): VerificationRequest | null {
  const { verification } = context.broker.transactions;
  if (verification === null || transactionalId === null) return null;
  let owner: Owner | null = null;
  const partitions = new Set<Partition>();
  for (const topic of topicData) {
    const stream = producedStream(topic, context);
    if (typeof stream === 'string') continue;
    for (const { index, records } of topic.partitionData) {
      const partition = ledPartition(stream, index);
      if (typeof partition === 'string' || records === null) continue;
      const its = unknownOwner(verification, partition, transactionalId, records);
      if (its === null || (owner !== null && !isSame(owner.identity, its.identity))) continue;
      owner = its;
      partitions.add(partition);
    }
  }
  return owner === null ? null : { owner, mayAdd: context.version >= ADDS_FROM, partitions: [...partitions] };
}

type Records = NonNullable<Request['topicData'][number]['partitionData'][number]['records']>;

function unknownOwner(
  verification: Verification,
  partition: Partition,
  id: string,
  { bytes, start, end }: Records,
): Owner | null {
  // Whether it is a batch at all is found out later.
  if (end - start < BATCH_HEADER_BYTES) return null;
  return verification.unknownOwner(partition, id, bytes, start);
}
