import type { Work } from '../../../base/turn-time.ts';
import type { Acknowledgement } from '../../../broker/groups/share/acknowledgement.ts';
import { ShareError } from '../../../broker/groups/share/share-error.ts';
import type { ShareGroup } from '../../../broker/groups/share/share-group.ts';
import type { ShareReader } from '../../../broker/groups/share/share-reader.ts';
import { ACKNOWLEDGE_TYPE } from '../../../wire/kafka/constants.ts';
import type { ErrorName } from '../../../wire/kafka/error-codes.ts';
import { durable } from '../durably.ts';
import type { RequestContext } from '../handlers/request-context.ts';

export interface AcknowledgedTopic {
  readonly topicId: string;
  readonly partitions: readonly {
    readonly partitionIndex: number;
    readonly acknowledgementBatches: readonly BatchRequest[];
  }[];
}

interface BatchRequest {
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly acknowledgeTypes: readonly number[];
}

/** The result of a request's acknowledgements in one partition. */
export interface AckResult {
  readonly topicId: string;
  readonly partitionIndex: number;
  readonly error: ErrorName;
  readonly message: string | null;
}

export function* hasAcknowledgements(topics: readonly AcknowledgedTopic[]): Work<boolean> {
  for (const { partitions } of topics) {
    for (const { acknowledgementBatches } of partitions) {
      if (acknowledgementBatches.length > 0) return true;
      yield;
    }
    yield;
  }
  return false;
}

export interface Acknowledged {
  /** One for each partition with acknowledgements. */
  readonly results: readonly AckResult[];
  /** Resolves when they are durable, and what was given up is where dead records go. */
  readonly settled: Promise<void> | null;
}

/** Applies the acknowledgements of a request; those of one partition all at once, as they are no more than it has in flight. */
export function* acknowledge(
  topics: readonly AcknowledgedTopic[],
  group: ShareGroup,
  memberId: string,
  isRenewing: boolean,
  context: RequestContext,
): Work<Acknowledged> {
  const results: AckResult[] = [];
  const leaving: Promise<void>[] = [];
  for (const { topicId, partitions } of topics) {
    yield;
    for (const { partitionIndex, acknowledgementBatches } of partitions) {
      yield;
      if (acknowledgementBatches.length === 0) continue;
      const place = { topicId, partitionIndex };
      const reader = readerOf(group, topicId, partitionIndex, context);
      if (typeof reader === 'string') {
        results.push({ ...place, error: reader, message: null });
        continue;
      }
      try {
        const batches = yield* checked(acknowledgementBatches, isRenewing, reader);
        if (reader === null) throw new ShareError('invalid-record-state', 'Nothing of it is held.');
        const promise = reader.share.acknowledge(memberId, batches);
        if (promise !== null) leaving.push(promise);
        results.push({ ...place, error: 'NONE', message: null });
      } catch (error) {
        if (!(error instanceof ShareError)) throw error;
        const name = error.kind === 'invalid-request' ? 'INVALID_REQUEST' : 'INVALID_RECORD_STATE';
        results.push({ ...place, error: name, message: error.message });
      }
    }
  }
  return { results, settled: results.length === 0 ? null : whenSettled(leaving, context) };
}

async function whenSettled(leaving: readonly Promise<void>[], context: RequestContext): Promise<void> {
  if (leaving.length > 0) await Promise.all(leaving);
  await durable(context.broker);
}

/** Null while the group's start offset (share.auto.offset.reset) is still being looked up. */
export function readerOf(
  group: ShareGroup,
  topicId: string,
  index: number,
  context: RequestContext,
): ShareReader | null | ErrorName {
  const { streams, shareGroups } = context.broker;
  const stream = streams.byId(topicId);
  if (stream === undefined || stream.vhost !== group.vhost) return 'UNKNOWN_TOPIC_ID';
  if (!context.isAllowed('read', 'topic', stream.name)) return 'TOPIC_AUTHORIZATION_FAILED';
  const partition = stream.partitions[index];
  if (partition === undefined) return 'UNKNOWN_TOPIC_OR_PARTITION';
  if (partition.isRemote) return 'NOT_LEADER_OR_FOLLOWER';
  return shareGroups.reader(group, topicId, index) ?? null;
}

/** Without those of records that are done with. @throws ShareError invalid-request, invalid-record-state */
function* checked(
  batches: readonly BatchRequest[],
  isRenewing: boolean,
  reader: ShareReader | null,
): Work<Acknowledgement[]> {
  const startOffset = reader?.share.startOffset ?? 0;
  const acknowledgements: Acknowledgement[] = [];
  let end = -1;
  for (const { firstOffset, lastOffset, acknowledgeTypes: types } of batches) {
    const fault = faultOf(firstOffset, lastOffset, types, end, isRenewing);
    if (fault !== null) throw new ShareError('invalid-request', fault);
    end = lastOffset;
    if (lastOffset >= startOffset) acknowledgements.push({ firstOffset, lastOffset, types });
    yield;
  }
  // They do not overlap, and each has a record at least.
  if (reader !== null && acknowledgements.length > reader.share.inFlight) {
    throw new ShareError('invalid-record-state', 'More records are named than are held.');
  }
  return acknowledgements;
}

function faultOf(
  first: number,
  last: number,
  types: readonly number[],
  end: number,
  isRenewing: boolean,
): string | null {
  if (first > last) return `the last offset ${last} is before the first, ${first}`;
  if (first <= end) return `the batch at ${first} begins before the one before it ends, at ${end}`;
  if (types.length === 0) return `no type for the batch at ${first}`;
  if (types.length > 1 && types.length !== last - first + 1) {
    return `${types.length} types for ${last - first + 1} records at ${first}`;
  }
  const typeMax = isRenewing ? ACKNOWLEDGE_TYPE.RENEW : ACKNOWLEDGE_TYPE.REJECT;
  const unknown = types.find((type) => type < ACKNOWLEDGE_TYPE.GAP || type > typeMax);
  return unknown === undefined ? null : `acknowledge type ${unknown} is not possible here`;
}
