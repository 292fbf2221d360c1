import { mappedBy, type Work } from '../../../base/turn-time.ts';
import type { Partition } from '../../../broker/streams/partition.ts';
import { PartitionCorruption } from '../../../broker/streams/partition-corruption.ts';
import { lastOffsetOf } from '../../../records/batch-view.ts';
import { visitRecords } from '../../../records/opening/open-batch.ts';
import type { RecordCursor } from '../../../records/record-cursor.ts';
import { RecordFormatError } from '../../../records/record-format-error.ts';
import { ISOLATION_LEVEL, LIST_OFFSETS } from '../../../wire/kafka/constants.ts';
import type { RequestOf, ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { listOffsets } from '../../../wire/kafka/messages/offsets.ts';
import { epochError } from '../fetch/readable-partition.ts';
import type { ApiHandler } from '../handler.ts';
import { ledPartition } from '../topics/topics.ts';
import type { RequestContext } from './request-context.ts';

type Request = RequestOf<typeof listOffsets>;
type PartitionRequest = Request['topics'][number]['partitions'][number];
type PartitionResponse = ResponseInput<typeof listOffsets>['topics'][number]['partitions'][number];

const { LATEST, EARLIEST, MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED, EARLIEST_PENDING_UPLOAD } =
  LIST_OFFSETS;

interface Found {
  readonly timestamp: number;
  readonly offset: number;
}

/** More than a client asks for in one topic, mostly. */
const PARTITIONS_AT_A_TIME = 100;
const NONE: Found = { timestamp: -1, offset: -1 };

export const listOffsetsHandler: ApiHandler<typeof listOffsets> = {
  api: listOffsets,
  minVersion: 1,
  maxVersion: 11,
  *handle(request, context) {
    const isCommittedOnly = request.isolationLevel === ISOLATION_LEVEL.READ_COMMITTED;
    const topics = yield* mappedBy(yield* byTopic(request.topics), function* ofTopic([name, partitions]) {
      const mayAsk = context.isAllowed('describe', 'topic', name);
      const stream = mayAsk ? context.broker.streams.get(context.client.vhost, name) : undefined;
      const results: PartitionResponse[] = [];
      const reading: Promise<void>[] = [];
      for (const [index, each] of partitions) {
        const partition = ledPartition(stream, index);
        if (!mayAsk) results.push(failed(index, 'TOPIC_AUTHORIZATION_FAILED'));
        else if (each === 'twice') results.push(failed(index, 'INVALID_REQUEST'));
        else if (typeof partition === 'string') results.push(failed(index, partition));
        else {
          const answer = answerOf(partition, each, isCommittedOnly, context);
          if (answer instanceof Promise) reading.push(placed(answer, results, results.length));
          results.push(answer instanceof Promise ? failed(index, 'UNKNOWN_SERVER_ERROR') : answer);
        }
        // What has to be read is read a few partitions at a time, not for all of a request.
        if (reading.length >= PARTITIONS_AT_A_TIME) yield Promise.all(reading.splice(0));
        yield;
      }
      if (reading.length > 0) yield Promise.all(reading);
      return { name, partitions: results };
    });
    return { topics };
  },
};

type Wanted = Map<number, PartitionRequest | 'twice'>;

/** A partition that is named more than once is answered once, with INVALID_REQUEST, as in Kafka. */
function* byTopic(topics: Request['topics']): Work<Map<string, Wanted>> {
  const wanted = new Map<string, Wanted>();
  for (const { name, partitions } of topics) {
    yield;
    let found = wanted.get(name);
    if (found === undefined) wanted.set(name, (found = new Map()));
    for (const each of partitions) {
      found.set(each.partitionIndex, found.has(each.partitionIndex) ? 'twice' : each);
      yield;
    }
  }
  return wanted;
}

async function placed(
  answer: Promise<PartitionResponse>,
  results: PartitionResponse[],
  at: number,
): Promise<void> {
  results[at] = await answer;
}

function answerOf(
  partition: Partition,
  { partitionIndex, currentLeaderEpoch, timestamp }: PartitionRequest,
  isCommittedOnly: boolean,
  context: RequestContext,
): PartitionResponse | Promise<PartitionResponse> {
  const error = epochError(partition, currentLeaderEpoch);
  if (error !== null) return failed(partitionIndex, error);
  if (timestamp < versionedLowest(context.version)) return failed(partitionIndex, 'UNSUPPORTED_VERSION');
  const end = isCommittedOnly ? partition.lastStableOffset : partition.highWatermark;
  switch (timestamp) {
    case LATEST:
      return succeeded(partition, { timestamp: -1, offset: end });
    case EARLIEST:
    case EARLIEST_LOCAL:
      return succeeded(partition, { timestamp: -1, offset: partition.startOffset });
    case LATEST_TIERED:
    case EARLIEST_PENDING_UPLOAD:
      // There is no tiered storage (KIP-405): nothing is remote, all is local.
      return succeeded(partition, NONE);
    default:
      return read(partition, timestamp, end, context.client.actor);
  }
}

function succeeded(partition: Partition, found: Found): PartitionResponse {
  const { index: partitionIndex } = partition;
  return { partitionIndex, errorCode: ERROR_CODES.NONE, ...found, leaderEpoch: epochAt(partition, found) };
}

async function read(
  partition: Partition,
  timestamp: number,
  end: number,
  user: string,
): Promise<PartitionResponse> {
  try {
    const found =
      timestamp === MAX_TIMESTAMP
        ? await maxIn(partition, await partition.batchOfMaxTime(), user)
        : await firstAt(partition, timestamp, end, user);
    return succeeded(partition, below(end, found));
  } catch (error) {
    if (!(error instanceof PartitionCorruption)) throw error;
    return failed(partition.index, 'KAFKA_STORAGE_ERROR');
  }
}

/** Negative timestamps that this version does not define are UNSUPPORTED_VERSION, as in Kafka. */
function versionedLowest(version: number): number {
  if (version >= 11) return EARLIEST_PENDING_UPLOAD;
  if (version >= 9) return LATEST_TIERED;
  if (version >= 8) return EARLIEST_LOCAL;
  return version >= 7 ? MAX_TIMESTAMP : EARLIEST;
}

function below(end: number, found: Found): Found {
  return found.offset < end ? found : NONE;
}

/** A batch header tells the highest timestamp of a batch that may have been compacted since: then the next batch is read. */
async function firstAt(partition: Partition, timestamp: number, end: number, user: string): Promise<Found> {
  for (let from = partition.startOffset; from < end; ) {
    const batch = await partition.batchAtTime(timestamp, from);
    if (batch === null) return NONE;
    const found = await findIn(
      partition,
      batch,
      (each) => each.timestampMs >= timestamp && each.offset >= from,
      user,
    );
    if (found !== null) return found;
    from = lastOffsetOf(batch, 0) + 1;
  }
  return NONE;
}

async function maxIn(partition: Partition, batch: Buffer | null, user: string): Promise<Found> {
  if (batch === null) return NONE;
  let found = NONE;
  const isLater = ({ timestampMs, offset }: RecordCursor): boolean => {
    if (timestampMs > found.timestamp || found === NONE) found = { timestamp: timestampMs, offset };
    return false;
  };
  await findIn(partition, batch, isLater, user);
  return found;
}

/** The first record of the batch for which `isWanted`; null if there is none, or its records cannot be decoded. */
async function findIn(
  partition: Partition,
  batch: Buffer,
  isWanted: (record: RecordCursor) => boolean,
  user: string,
): Promise<Found | null> {
  let found: Found | null = null;
  const isFound = (record: RecordCursor): boolean => {
    if (!isWanted(record)) return false;
    found = { timestamp: record.timestampMs, offset: record.offset };
    return true;
  };
  try {
    await visitRecords(partition.opener, batch, 0, isFound, user);
  } catch (error) {
    if (!(error instanceof RecordFormatError)) throw error;
  }
  return found;
}

function epochAt(partition: Partition, { offset }: Found): number {
  return offset < 0 ? -1 : partition.epochs.at(offset, partition.leaderEpoch);
}

function failed(partitionIndex: number, error: ErrorName): PartitionResponse {
  return { partitionIndex, errorCode: ERROR_CODES[error], timestamp: -1, offset: -1, leaderEpoch: -1 };
}
