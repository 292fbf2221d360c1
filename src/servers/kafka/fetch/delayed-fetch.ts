import type { Lease } from '../../../base/memory-pool.ts';
import { awaited, finished, type Work } from '../../../base/turn-time.ts';
import type { Partition } from '../../../broker/streams/partition.ts';
import { PartitionCorruption } from '../../../broker/streams/partition-corruption.ts';
import { lastBatchAt, lastOffsetOf } from '../../../records/batch-view.ts';
import { ISOLATION_LEVEL } from '../../../wire/kafka/constants.ts';
import type { ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import type { fetch } from '../../../wire/kafka/messages/fetch.ts';
import type { PendingResponse } from '../connection/pending-response.ts';
import { runWork } from '../connection/run-work.ts';
import type { RequestContext } from '../handlers/request-context.ts';
import type { FetchPartition, FetchRequest } from './fetch-partitions.ts';
import type { FetchPlan } from './fetch-sessions.ts';
import { resolve } from './readable-partition.ts';

type PartitionResponse = ResponseInput<typeof fetch>['responses'][number]['partitions'][number];
/** By topic name, or by topic id from version 13 on. */
type Responses = Map<
  string,
  { readonly topic: string; readonly topicId: string; readonly partitions: PartitionResponse[] }
>;
type Plan = FetchPlan & { readonly error: null };

/** `fetch.max.bytes` of Kafka's brokers: the most that a response holds, whatever the client asks for. */
const BYTES_MAX = 55 * 1024 * 1024;
const NOTHING = Buffer.alloc(0);

/**
 * Copied from memory in one turn of the event loop, which takes a millisecond or two; and of one partition for one response.
 * Who asks for more gets it with the next request, as the protocol allows.
 */
const BYTES_PER_TURN = 4 * 1024 * 1024;
/** A request of more is served in steps. */
const AT_ONCE_MAX = 500;
const PARTITIONS_PER_STEP = 32;

/** One Fetch request: responds when `min_bytes` of records are there, or `max_wait_ms` are over. */
export class DelayedFetch {
  readonly #request: FetchRequest;
  readonly #pending: PendingResponse;
  readonly #context: RequestContext;
  readonly #plan: Plan;
  readonly #partitions: readonly FetchPartition[];
  readonly #isCommittedOnly: boolean;
  readonly #memory: Lease;
  /** While it waits: what each partition has for it, of which no more is known than is asked for. */
  #available: Float64Array | null = null;
  #availableBytes = 0;
  #bytes = 0;
  /** Counted as held for the client, before they are copied or read; its responses take it over. */
  #heldBytes = 0;
  /** End the waiting: cancel the timer, remove the listeners. */
  #stops: (() => void)[] = [];

  constructor(request: FetchRequest, pending: PendingResponse, context: RequestContext, plan: Plan) {
    this.#request = request;
    this.#pending = pending;
    this.#memory = context.fetchMemory.lease();
    this.#context = context;
    this.#plan = plan;
    this.#partitions = [...plan.partitions];
    this.#isCommittedOnly = request.isolationLevel === ISOLATION_LEVEL.READ_COMMITTED;
  }

  run(): void {
    const { maxWaitMs } = this.#request;
    if (this.#partitions.length > AT_ONCE_MAX) {
      runWork(this.#runInSteps(), this.#pending, this.#context);
      return;
    }
    if (maxWaitMs <= 0 || finished(this.#isEnough())) this.#answer();
    else finished(this.#wait(maxWaitMs));
  }

  /** Of very many partitions: the next request of the connection is handled while it waits, and not while it looks. */
  *#runInSteps(): Work<void> {
    const { maxWaitMs } = this.#request;
    if (maxWaitMs <= 0 || (yield* this.#isEnough())) yield* this.#answerInSteps();
    else yield* this.#wait(maxWaitMs);
  }

  *#wait(maxWaitMs: number): Work<void> {
    const { client, broker } = this.#context;
    let isFinished = false;
    const finish = (): void => {
      if (isFinished) return;
      isFinished = true;
      this.#stopWaiting();
      if (client.isClosed) return;
      if (this.#partitions.length > AT_ONCE_MAX) runWork(this.#answerInSteps(), this.#pending, this.#context);
      else this.#answer();
    };
    const timer = broker.shard.scheduler.after(maxWaitMs, finish);
    this.#stops.push(() => timer.cancel(), client.onClose(finish));
    for (let index = 0; index < this.#partitions.length && !isFinished; index++) {
      const { partition } = resolve(this.#partitions[index], this.#context);
      if (partition === null) {
        finish();
        return;
      }
      const advanced = (): void => {
        if (this.#isEnoughWith(index)) finish();
      };
      this.#stops.push(partition.onAdvance(advanced));
      // It may have advanced since it was looked at.
      if (index % PARTITIONS_PER_STEP === PARTITIONS_PER_STEP - 1) yield;
    }
    if (this.#partitions.length <= AT_ONCE_MAX) return;
    for (let index = 0; index < this.#partitions.length && !isFinished; index++) {
      if (this.#isEnoughWith(index)) finish();
      if (index % PARTITIONS_PER_STEP === PARTITIONS_PER_STEP - 1) yield;
    }
  }

  #stopWaiting(): void {
    for (const stop of this.#stops) stop();
    this.#stops = [];
  }

  /** Whether to respond now: an error, `min_bytes` in memory, or records that are only on disk, whose size is not known. */
  *#isEnough(): Work<boolean> {
    const { minBytes } = this.#request;
    this.#available = new Float64Array(this.#partitions.length);
    for (let index = 0; index < this.#partitions.length; index++) {
      if (this.#isEnoughWith(index)) return true;
      if (index % PARTITIONS_PER_STEP === PARTITIONS_PER_STEP - 1) yield;
    }
    // Of no partition there is nothing to wait for.
    return minBytes <= 0 || this.#partitions.length === 0;
  }

  /** As `#isEnough`, when one partition is looked at again: how many others there are does not matter. */
  #isEnoughWith(index: number): boolean {
    const { minBytes } = this.#request;
    const wanted = this.#partitions[index];
    const available = this.#available as Float64Array;
    const { partition, error } = resolve(wanted, this.#context);
    if (error !== null) return true;
    if (wanted.lastFetchedEpoch >= 0 && divergingEpoch(partition, wanted) !== undefined) return true;
    const below = this.#below(partition);
    const others = this.#availableBytes - available[index];
    let bytes = 0;
    if (wanted.fetchOffset < below) {
      if (wanted.fetchOffset < partition.log.tailStart) return true;
      bytes = partition.log.bytesInTail(wanted.fetchOffset, below, Math.max(1, minBytes - others));
    }
    available[index] = bytes;
    this.#availableBytes = others + bytes;
    return this.#availableBytes >= minBytes && this.#availableBytes > 0;
  }

  #below(partition: Partition): number {
    return this.#isCommittedOnly ? partition.lastStableOffset : partition.highWatermark;
  }

  #answer(): void {
    const responses: Responses = new Map();
    for (let i = 0; i < this.#partitions.length; i++) {
      if (this.#bytes >= BYTES_PER_TURN) {
        runWork(this.#answerInSteps(responses, i), this.#pending, this.#context);
        return;
      }
      const wanted = this.#partitions[i];
      const response = this.#serve(wanted);
      if (response instanceof Promise) {
        // A read from disk, or no memory: the partitions behind it wait for it, as `max_bytes` is shared.
        this.#answerLater(responses, i, response).catch((error) => this.#pending.fail(error));
        return;
      }
      this.#add(responses, wanted, response);
    }
    this.#finish(responses);
  }

  /** From this partition on, of which those before it have their responses. */
  *#answerInSteps(responses: Responses = new Map(), from = 0): Work<void> {
    const { turnTime } = this.#context.broker.shard;
    // What was copied in this turn is the reason to be here.
    let copied = from === 0 ? 0 : Number.NEGATIVE_INFINITY;
    try {
      for (let index = from; index < this.#partitions.length; index++) {
        if (this.#bytes - copied >= BYTES_PER_TURN) {
          yield turnTime.next();
          copied = this.#bytes;
        }
        if (this.#context.client.isClosed) return;
        const wanted = this.#partitions[index];
        const response = this.#serve(wanted);
        this.#add(responses, wanted, response instanceof Promise ? yield* awaited(response) : response);
        if (index % PARTITIONS_PER_STEP === PARTITIONS_PER_STEP - 1) yield;
      }
      this.#context.broker.shard.turn.touch();
      this.#finish(responses);
    } finally {
      if (this.#heldBytes > 0) this.#hold(-this.#heldBytes);
    }
  }

  async #answerLater(
    responses: Responses,
    index: number,
    reading: Promise<PartitionResponse>,
  ): Promise<void> {
    try {
      this.#add(responses, this.#partitions[index], await reading);
      for (const wanted of this.#partitions.slice(index + 1)) {
        if (this.#context.client.isClosed) return;
        this.#add(responses, wanted, await this.#serve(wanted));
      }
      this.#context.broker.shard.turn.touch();
      this.#finish(responses);
    } finally {
      if (this.#heldBytes > 0) this.#hold(-this.#heldBytes);
    }
  }

  #finish(responses: Responses): void {
    const response = {
      sessionId: this.#plan.session?.id ?? 0,
      responses: [...responses.values()],
      throttleTimeMs: this.#context.client.quota.recordFetched(this.#bytes),
    };
    this.#context.client.responses.adopt(this.#heldBytes);
    this.#heldBytes = 0;
    if (this.#partitions.length > AT_ONCE_MAX)
      this.#pending.fillInSteps<typeof fetch>(response, this.#memory);
    else this.#pending.fill<typeof fetch>(response, this.#memory);
  }

  #add(responses: Responses, wanted: FetchPartition, response: PartitionResponse): void {
    const { session, isIncremental } = this.#plan;
    const hasRecords = response.records !== null && (response.records as Buffer).length > 0;
    if (isIncremental && !hasRecords && !hasChanged(wanted, response)) return;
    if (session !== null) {
      wanted.sentHighWatermark = response.highWatermark;
      wanted.sentLogStart = response.logStartOffset ?? -1;
      if (hasRecords) session.moveToEnd(wanted);
    }
    const key = this.#context.version >= 13 ? wanted.topicId : wanted.topic;
    const topic = responses.get(key);
    if (topic !== undefined) topic.partitions.push(response);
    else responses.set(key, { topic: wanted.topic, topicId: wanted.topicId, partitions: [response] });
  }

  #serve(wanted: FetchPartition): PartitionResponse | Promise<PartitionResponse> {
    const { partition, error } = resolve(wanted, this.#context);
    if (error !== null) return failed(wanted, partition, error);
    const diverging = wanted.lastFetchedEpoch >= 0 ? divergingEpoch(partition, wanted) : undefined;
    if (diverging !== undefined)
      return { ...this.#found(wanted, partition, NOTHING), divergingEpoch: diverging };
    const below = this.#below(partition);
    const left = Math.min(this.#request.maxBytes, BYTES_MAX) - this.#bytes;
    if (wanted.fetchOffset >= below || (left <= 0 && this.#bytes > 0)) {
      return this.#found(wanted, partition, NOTHING);
    }
    const { memory } = this.#context.client;
    const isFirst = this.#bytes === 0;
    if (isFirst && !memory.mayTake) return this.#serveWhenThereIsRoom(wanted);
    // As much as there is room for, but one batch, so that it gets on.
    const bytesMax = Math.max(0, Math.min(left, wanted.bytesMax, memory.room));
    if (bytesMax === 0 && !isFirst) return this.#found(wanted, partition, NOTHING);
    const pieces = partition.readTail(wanted.fetchOffset, below, Math.min(bytesMax, BYTES_PER_TURN));
    if (pieces === null) return this.#serveFromDisk(wanted, partition, below, bytesMax);
    const bytes = partition.bytesOf(pieces);
    if (bytes === 0 || (bytes > bytesMax && !isFirst)) return this.#found(wanted, partition, NOTHING);
    this.#hold(bytes);
    return this.#found(wanted, partition, partition.copyOf(pieces, this.#memory));
  }

  /** Its user's share of memory is used up: it has nothing yet, and waits for its turn. */
  async #serveWhenThereIsRoom(wanted: FetchPartition): Promise<PartitionResponse> {
    const { client } = this.#context;
    await client.memory.resumed();
    // Meanwhile the partition may have gone, and others may have taken what there was.
    return client.isClosed ? failed(wanted, null, 'UNKNOWN_SERVER_ERROR') : this.#serve(wanted);
  }

  async #serveFromDisk(
    wanted: FetchPartition,
    partition: Partition,
    below: number,
    bytesMax: number,
  ): Promise<PartitionResponse> {
    this.#hold(bytesMax);
    // A lease of its own, which goes back at once if the batch does not fit: a request can name a million partitions.
    const memory = this.#context.fetchMemory.lease();
    try {
      const { bytes } = await partition.read(wanted.fetchOffset, below, bytesMax, memory);
      // A batch larger than the limit is sent only if it is the first of the response (KIP-74).
      const isSent = bytes.length <= bytesMax || this.#bytes === 0;
      this.#hold((isSent ? bytes.length : 0) - bytesMax);
      if (wanted.fetchOffset < partition.startOffset) return failed(wanted, partition, 'OFFSET_OUT_OF_RANGE');
      if (!isSent) return this.#found(wanted, partition, NOTHING);
      this.#memory.join(memory);
      return this.#found(wanted, partition, bytes);
    } catch (error) {
      if (partition.stream.isRemoved) return failed(wanted, null, 'UNKNOWN_TOPIC_OR_PARTITION');
      if (!(error instanceof PartitionCorruption)) throw error;
      return failed(wanted, partition, 'KAFKA_STORAGE_ERROR');
    } finally {
      memory.release();
    }
  }

  #hold(bytes: number): void {
    this.#heldBytes += bytes;
    this.#context.client.memory.add(bytes);
  }

  #found(wanted: FetchPartition, partition: Partition, records: Buffer): PartitionResponse {
    this.#bytes += records.length;
    const { highWatermark, lastStableOffset, startOffset } = partition;
    const mayBeAborted = this.#isCommittedOnly && records.length > 0 && partition.producers.hasAborted;
    return {
      partitionIndex: wanted.index,
      errorCode: ERROR_CODES.NONE,
      highWatermark,
      lastStableOffset,
      logStartOffset: startOffset,
      abortedTransactions: mayBeAborted
        ? partition.producers.abortedIn(wanted.fetchOffset, endOf(records))
        : this.#isCommittedOnly
          ? []
          : null,
      records,
    };
  }
}

/** Whether an incremental response has to name the partition (KIP-227). */
function hasChanged(
  wanted: FetchPartition,
  { errorCode, highWatermark, logStartOffset, divergingEpoch }: PartitionResponse,
) {
  return (
    errorCode !== ERROR_CODES.NONE ||
    divergingEpoch !== undefined ||
    highWatermark !== wanted.sentHighWatermark ||
    logStartOffset !== wanted.sentLogStart
  );
}

/** The end of the last epoch that the client's log and this one share (KIP-595); undefined if they do not diverge. */
function divergingEpoch(
  partition: Partition,
  { lastFetchedEpoch, fetchOffset }: FetchPartition,
): { readonly epoch: number; readonly endOffset: number } | undefined {
  const known = partition.epochs.endOf(lastFetchedEpoch, partition.leaderEpoch, partition.endOffset);
  if (known === null) return undefined;
  return known.epoch < lastFetchedEpoch || known.endOffset < fetchOffset ? known : undefined;
}

function failed(wanted: FetchPartition, partition: Partition | null, error: ErrorName): PartitionResponse {
  return {
    partitionIndex: wanted.index,
    errorCode: ERROR_CODES[error],
    highWatermark: partition?.highWatermark ?? -1,
    lastStableOffset: partition?.lastStableOffset ?? -1,
    logStartOffset: partition?.startOffset ?? -1,
    abortedTransactions: null,
    records: NOTHING,
  };
}

/** The offset after the last record of these batches. */
function endOf(records: Buffer): number {
  return lastOffsetOf(records, lastBatchAt(records, records.length)) + 1;
}
