import type { Work } from '../../../base/turn-time.ts';
import type { Broker } from '../../../broker/broker.ts';
import type { Filled } from '../../../broker/shard/back-pressure.ts';
import type { Partition } from '../../../broker/streams/partition.ts';
import type { Stream } from '../../../broker/streams/stream.ts';
import type { Refused, TransactionAdmission } from '../../../broker/transactions/transaction-admission.ts';
import type { BatchDemands, ValidatedBatch } from '../../../records/batch-validation.ts';
import { markForeignEnvelope } from '../../../records/batch-writer.ts';
import type { RequestOf, ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import type { produce } from '../../../wire/kafka/messages/produce.ts';
import { findProducedFault } from '../../../wire/kafka/produced-batch.ts';
import type { RequestContext } from '../handlers/request-context.ts';
import { ledPartition } from '../topics/topics.ts';
import { producedError } from '../transaction-errors.ts';
import { hasOnlyKeys } from './produced-keys.ts';
import { contentFaultOf, demandsOf, findTimestampFault, type RecordFault } from './produced-records.ts';

type TopicData = RequestOf<typeof produce>['topicData'][number];
type PartitionData = TopicData['partitionData'][number];
type TopicResponse = ResponseInput<typeof produce>['responses'][number];
type PartitionResponse = TopicResponse['partitionResponses'][number];

/** From this version on Produce adds its partitions to the transaction (KIP-890). */
export const ADDS_FROM = 12;

const NONE_REFUSED: Refused = new Map();

/** A batch whose records take too long to validate for the event loop: a copy, and where its response belongs. */
interface LargeBatch {
  readonly stream: Stream;
  readonly partition: Partition;
  readonly bytes: Buffer;
  readonly demands: BatchDemands;
  readonly responses: PartitionResponse[];
  readonly at: number;
}

/** Appends the batches of one request, partition by partition: those that are soon validated first, then `appendLarge`. */
export class ProduceAppend {
  /** Bytes of the appended batches, for the quota. */
  bytes = 0;
  /** Of the partitions that were appended to, for back-pressure. */
  readonly logs: Filled[] = [];
  readonly #admission: TransactionAdmission;
  readonly #context: RequestContext;
  readonly #broker: Broker;
  readonly #large: LargeBatch[] = [];
  /** Of the shard's own journal, where all partitions are that are appended to here; 0 for none. */
  #ownBlock = 0;

  /** `refused`: by the coordinator of transactions, in another shard. */
  constructor(transactionalId: string | null, context: RequestContext, refused: Refused = NONE_REFUSED) {
    this.#admission = { transactionalId, mayAdd: context.version >= ADDS_FROM, refused };
    this.#context = context;
    this.#broker = context.broker;
  }

  /** The wait that has to be over before the response. If there is none, it is given to `Waits.forget`. */
  get wait(): number {
    return this.#ownBlock;
  }

  /** Whether there is something for `appendLarge`: until then, its responses are not those that they will be. */
  get hasLarge(): boolean {
    return this.#large.length > 0;
  }

  topic(topic: TopicData): TopicResponse {
    const { name, topicId, partitionData } = topic;
    const stream = producedStream(topic, this.#context);
    const partitionResponses: PartitionResponse[] = [];
    for (const data of partitionData) partitionResponses.push(this.#taken(stream, data, partitionResponses));
    return { name, topicId, partitionResponses };
  }

  /** As `topic`: of a request with very many batches. */
  *topicInSteps(topic: TopicData): Work<TopicResponse> {
    const { name, topicId, partitionData } = topic;
    const stream = producedStream(topic, this.#context);
    const partitionResponses: PartitionResponse[] = [];
    for (const data of partitionData) {
      partitionResponses.push(this.#taken(stream, data, partitionResponses));
      yield;
    }
    return { name, topicId, partitionResponses };
  }

  #taken(stream: Stream | ErrorName, data: PartitionData, responses: PartitionResponse[]): PartitionResponse {
    if (typeof stream === 'string') return failed(data.index, stream);
    // Between the steps it may have been deleted.
    if (stream.isRemoved) return failed(data.index, 'UNKNOWN_TOPIC_OR_PARTITION');
    return this.#take(stream, data, responses);
  }

  /** Validates what was too large, all of it together, appends what is in order, and puts the responses in their places. */
  async appendLarge(): Promise<void> {
    const large = this.#large;
    const { shard } = this.#broker;
    const validated = await shard.opener.validate(large, this.#context.client.actor);
    shard.turn.touch();
    for (const [index, { fault, hasEnvelope, recompressed, bytes }] of validated.entries()) {
      const { stream, partition, responses, at } = large[index];
      const batch = Buffer.from(bytes);
      responses[at] = stream.isRemoved
        ? failed(partition.index, 'UNKNOWN_TOPIC_OR_PARTITION')
        : this.#append(partition, batch, 0, batch.length, {
            fault,
            hasEnvelope,
            recompressed: recompressed === null ? null : Buffer.from(recompressed),
          });
    }
  }

  #take(
    stream: Stream,
    { index, records }: PartitionData,
    responses: PartitionResponse[],
  ): PartitionResponse {
    const partition = ledPartition(stream, index);
    if (typeof partition === 'string') return failed(index, partition);
    if (records === null) return failed(index, 'INVALID_RECORD', 'there are no records');
    const { bytes, start, end } = records;
    const { settings } = stream;
    if (end - start > settings.maxMessageBytes) {
      return failed(index, 'MESSAGE_TOO_LARGE', tooLarge(end - start, settings.maxMessageBytes));
    }
    const { shard } = this.#broker;
    const fault =
      findProducedFault(bytes, start, end) ?? findTimestampFault(bytes, start, settings, shard.nowMs);
    if (fault !== null) return failed(index, fault.error, fault.text);
    const demands = demandsOf(settings);
    const validated = shard.opener.validateNow(bytes, start, end, demands);
    if (validated !== null) return this.#append(partition, bytes, start, end, validated);
    if (!shard.opener.waiting.tryReserve(end - start, this.#context.client.actor)) {
      // Which producers try again.
      return failed(index, 'REQUEST_TIMED_OUT', 'too many large batches wait to be validated: send it again');
    }
    const copy = Buffer.allocUnsafeSlow(end - start);
    bytes.copy(copy, 0, start, end);
    this.#large.push({ stream, partition, bytes: copy, demands, responses, at: responses.length });
    return failed(index, 'UNKNOWN_SERVER_ERROR');
  }

  #append(
    partition: Partition,
    bytes: Buffer,
    start: number,
    end: number,
    { fault, hasEnvelope, recompressed }: Omit<ValidatedBatch, 'openedBytes'>,
  ): PartitionResponse {
    const { index } = partition;
    const { settings } = partition.stream;
    if (fault !== null) {
      const { error, text, records } = contentFaultOf(fault);
      return failed(index, error, text, records);
    }
    const { identity } = this.#context.client;
    if (identity?.user.topicGrants.isEmpty === false) {
      const { name } = partition.stream;
      const keys = identity.authorizer.writableKeys(name);
      const batch = { bytes, start, hasEnvelope };
      if (keys !== null && !hasOnlyKeys(batch, keys, name, this.#broker.shard.codecs)) {
        const text = `topic permissions allow the keys '${keys.source}' alone`;
        return failed(index, 'TOPIC_AUTHORIZATION_FAILED', text);
      }
    }
    // Before the sequence numbers, as in Kafka: a fenced producer is told so, whatever it sent.
    const error = this.#broker.transactions.admit(partition, bytes, start, this.#admission);
    if (error !== null) return failed(index, producedError(error, this.#context.version));
    const check = partition.producers.check(bytes, start);
    if (check !== 'new') return this.#notNew(partition, check);
    if (hasEnvelope) markForeignEnvelope(recompressed ?? bytes, recompressed === null ? start : 0);
    const baseOffset =
      recompressed === null
        ? partition.append(bytes, start, end)
        : partition.append(recompressed, 0, recompressed.length);
    this.bytes += end - start;
    this.logs.push(partition.log);
    this.#ownBlock = this.#broker.shard.currentBlock;
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
      this.#ownBlock = Math.max(this.#ownBlock, this.#broker.shard.undurableBlock);
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

/** What may be appended to, or why it may not. */
export function producedStream({ name, topicId }: TopicData, context: RequestContext): Stream | ErrorName {
  const isById = context.version >= 13;
  const stream = isById
    ? streamById(context, topicId)
    : context.broker.streams.get(context.client.vhost, name);
  if (stream === undefined) {
    if (isById) return 'UNKNOWN_TOPIC_ID';
    const isHidden = !context.isAllowed('write', 'topic', name);
    return isHidden ? 'TOPIC_AUTHORIZATION_FAILED' : 'UNKNOWN_TOPIC_OR_PARTITION';
  }
  const isRefused = stream.isInternal || !context.isAllowed('write', 'topic', stream.name);
  return isRefused ? 'TOPIC_AUTHORIZATION_FAILED' : stream;
}

function streamById(context: RequestContext, id: string): Stream | undefined {
  const stream = context.broker.streams.byId(id);
  return stream?.vhost === context.client.vhost ? stream : undefined;
}

export function failed(
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
