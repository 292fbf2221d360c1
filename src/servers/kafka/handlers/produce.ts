import type { Broker } from '../../../broker/broker.ts';
import type { Filled } from '../../../broker/shard/back-pressure.ts';
import type { DurableListener } from '../../../broker/shard/shard.ts';
import type { Partition } from '../../../broker/streams/partition.ts';
import type { Stream } from '../../../broker/streams/stream.ts';
import type { TransactionAdmission } from '../../../broker/transactions/requests.ts';
import type { RequestOf, ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { decodeRequest } from '../../../wire/kafka/headers.ts';
import { produce } from '../../../wire/kafka/messages/produce.ts';
import { findProducedFault } from '../../../wire/kafka/produced-batch.ts';
import type { PendingResponse } from '../connection/pending-response.ts';
import type { RawHandler } from '../handler.ts';
import { type ContentFault, findContentFault, type RecordFault } from '../produce/produced-records.ts';
import { recompressed } from '../produce/recompression.ts';
import { producedError } from '../transaction-errors.ts';
import type { RequestContext } from './request-context.ts';

type Request = RequestOf<typeof produce>;
type Response = ResponseInput<typeof produce>;
type TopicData = Request['topicData'][number];
type PartitionData = TopicData['partitionData'][number];
type PartitionResponse = Response['responses'][number]['partitionResponses'][number];

/** Requests before this version carry message sets of formats v0 and v1, which Kafka 4 dropped (KIP-896). */
const FIRST_VERSION = 3;
const ACKS_ALL = -1;
/** From this version on Produce adds its partitions to the transaction (KIP-890). */
const ADDS_FROM = 12;

/**
 * Versions before 3 are refused, but have to be in the ApiVersions response: librdkafka takes a broker without them for
 * one that is too old (KAFKA-18659).
 */
export const produceHandler: RawHandler<typeof produce> = {
  api: produce,
  minVersion: 0,
  maxVersion: 13,
  handleRaw(bytes, start, end, pending, context) {
    const request = decodeRequest(produce, context.version, bytes, start, end);
    const refusal = refusalOf(request, context);
    if (refusal !== null) refuse(request, pending, context, refusal);
    else append(request, pending, context);
  },
};

function append(request: Request, pending: PendingResponse, context: RequestContext): void {
  const { broker } = context;
  const produceAppend = new ProduceAppend(request, context, broker);
  const responses = request.topicData.map((topic) => produceAppend.topic(topic));
  const throttleTimeMs = context.client.quota.recordProduced(produceAppend.bytes);
  const { backPressure, alarms } = broker.shard;
  if (backPressure.mustPause(produceAppend.logs)) {
    context.client.pauseUntil((resume) => backPressure.onResume(produceAppend.logs, resume));
  } else if (alarms.isBlocking) {
    context.client.pauseUntil((resume) => alarms.whenCleared(resume));
  }
  if (request.acks === 0) {
    // acks=0: no response, and so nothing that waits for the disk.
    pending.skip(throttleTimeMs);
    // Without a response a closed connection is the only way to tell of an error; Kafka does the same.
    if (hasErrors(responses)) context.client.close('Produce with acks=0 could not be done');
    return;
  }
  const response: Response = { responses, throttleTimeMs };
  const { block } = produceAppend;
  broker.shard.whenDurable(block, new DelayedProduce(pending, response));
}

function hasErrors(responses: Response['responses']): boolean {
  return responses.some(({ partitionResponses }) =>
    partitionResponses.some(({ errorCode }) => errorCode !== ERROR_CODES.NONE),
  );
}

/** The response of Produce with acks=1 or acks=all, which leaves when the records are durable. */
class DelayedProduce implements DurableListener {
  readonly #pending: PendingResponse;
  readonly #response: Response;

  constructor(pending: PendingResponse, response: Response) {
    this.#pending = pending;
    this.#response = response;
  }

  onDurable(): void {
    this.#pending.fill<typeof produce>(this.#response);
  }
}

function refusalOf({ acks, transactionalId }: Request, context: RequestContext): ErrorName | null {
  if (context.version < FIRST_VERSION) return 'UNSUPPORTED_VERSION';
  if (acks !== ACKS_ALL && acks !== 0 && acks !== 1) return 'INVALID_REQUIRED_ACKS';
  if (transactionalId !== null && !context.isAllowed('write', 'transactional-id', transactionalId)) {
    return 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED';
  }
  return null;
}

/** Responds with the same error for every partition. */
function refuse(request: Request, pending: PendingResponse, context: RequestContext, error: ErrorName): void {
  if (request.acks === 0) {
    // acks=0: no response to carry the error.
    context.client.close(`Produce with acks=0 was refused: ${error}`);
    return;
  }
  const responses = request.topicData.map(({ name, topicId, partitionData }) => ({
    name,
    topicId,
    partitionResponses: partitionData.map(({ index }) => failed(index, error)),
  }));
  pending.fill<typeof produce>({ responses });
}

/** Appends the batches of one request, partition by partition. */
class ProduceAppend {
  /** Bytes of the appended batches, for the quota. */
  bytes = 0;
  /** The journal block that has to be durable before the response; 0 for none. */
  block = 0;
  /** Of the partitions that were appended to, for back-pressure. */
  readonly logs: Filled[] = [];
  readonly #admission: TransactionAdmission;
  readonly #context: RequestContext;
  readonly #broker: Broker;

  constructor({ transactionalId }: Request, context: RequestContext, broker: Broker) {
    this.#admission = { transactionalId, mayAdd: context.version >= ADDS_FROM };
    this.#context = context;
    this.#broker = broker;
  }

  topic({ name, topicId, partitionData }: TopicData): Response['responses'][number] {
    const context = this.#context;
    const isById = context.version >= 13;
    const stream = isById
      ? streamById(context, topicId)
      : this.#broker.streams.get(context.client.vhost, name);
    let error: ErrorName | null = null;
    if (stream === undefined) {
      const isHidden = !isById && !context.isAllowed('write', 'topic', name);
      error = isById
        ? 'UNKNOWN_TOPIC_ID'
        : isHidden
          ? 'TOPIC_AUTHORIZATION_FAILED'
          : 'UNKNOWN_TOPIC_OR_PARTITION';
    } else if (!context.isAllowed('write', 'topic', stream.name)) {
      error = 'TOPIC_AUTHORIZATION_FAILED';
    }
    const partitionResponses: PartitionResponse[] = [];
    for (const data of partitionData) {
      partitionResponses.push(
        error === null ? this.#append(stream as Stream, data) : failed(data.index, error),
      );
    }
    return { name, topicId, partitionResponses };
  }

  #append(stream: Stream, { index, records }: PartitionData): PartitionResponse {
    const partition = stream.partitions[index];
    if (partition === undefined) return failed(index, 'UNKNOWN_TOPIC_OR_PARTITION');
    if (records === null) return failed(index, 'INVALID_RECORD', 'there are no records');
    const { bytes, start, end } = records;
    const { settings } = stream;
    if (end - start > settings.maxMessageBytes) {
      return failed(index, 'MESSAGE_TOO_LARGE', tooLarge(end - start, settings.maxMessageBytes));
    }
    const fault: ContentFault | null =
      findProducedFault(bytes, start, end) ??
      findContentFault(bytes, start, settings, this.#broker.shard.nowMs);
    if (fault !== null) return failed(index, fault.error, fault.text, fault.records);
    // Before the sequence numbers, as in Kafka: a fenced producer is told so, whatever it sent.
    const error = this.#broker.transactions.admit(partition, bytes, start, this.#admission);
    if (error !== null) return failed(index, producedError(error, this.#context.version));
    const check = partition.producers.check(bytes, start);
    if (check !== 'new') return this.#notNew(partition, check);
    const changed = settings.compression === 'producer' ? null : recompressed(bytes, start, end, settings);
    if (changed !== null && 'error' in changed) return failed(index, changed.error, changed.text);
    const baseOffset =
      changed === null ? partition.append(bytes, start, end) : partition.append(changed, 0, changed.length);
    this.bytes += end - start;
    this.logs.push(partition.log);
    this.block = this.#broker.shard.currentBlock;
    return {
      index,
      errorCode: ERROR_CODES.NONE,
      baseOffset,
      logAppendTimeMs: settings.timestampType === 'LogAppendTime' ? Math.floor(this.#broker.shard.nowMs) : -1,
      logStartOffset: partition.startOffset,
    };
  }

  #notNew(partition: Partition, check: 'duplicate' | keyof typeof CHECK_ERRORS): PartitionResponse {
    const { index, startOffset } = partition;
    if (check !== 'duplicate') return failed(index, CHECK_ERRORS[check]);
    const baseOffset = partition.producers.duplicateOffset;
    // The batch that this one repeats may not be durable yet.
    if (baseOffset >= partition.highWatermark)
      this.block = Math.max(this.block, this.#broker.shard.undurableBlock);
    return {
      index,
      errorCode: ERROR_CODES.NONE,
      baseOffset,
      logAppendTimeMs: -1,
      logStartOffset: startOffset,
    };
  }
}

const CHECK_ERRORS = {
  'out-of-order': 'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'stale-epoch': 'INVALID_PRODUCER_EPOCH',
  'outside-transaction': 'INVALID_TXN_STATE',
} as const;

function streamById(context: RequestContext, id: string): Stream | undefined {
  const stream = context.broker.streams.byId(id);
  return stream?.vhost === context.client.vhost ? stream : undefined;
}

function failed(
  index: number,
  error: ErrorName,
  errorMessage: string | null = null,
  recordErrors: readonly RecordFault[] = [],
): PartitionResponse {
  return { index, errorCode: ERROR_CODES[error], baseOffset: -1, errorMessage, recordErrors };
}

function tooLarge(bytes: number, bytesMax: number): string {
  return `a record batch of ${bytes} bytes is larger than the ${bytesMax} that max.message.bytes allows`;
}
