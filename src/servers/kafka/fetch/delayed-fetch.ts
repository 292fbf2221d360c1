import type { Lease } from '../../../base/memory-pool.ts';
import type { Partition } from '../../../broker/streams/partition.ts';
import { PartitionCorruption } from '../../../broker/streams/partition-corruption.ts';
import { BatchView } from '../../../records/batch-view.ts';
import type { ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import type { fetch } from '../../../wire/kafka/messages/fetch.ts';
import type { PendingResponse } from '../connection/pending-response.ts';
import type { RequestContext } from '../handlers/request-context.ts';
import type { FetchRequest, FetchTarget } from './fetch-partitions.ts';
import { resolve } from './readable-partition.ts';
import type { FetchPlan } from './fetch-sessions.ts';

type PartitionResponse = ResponseInput<typeof fetch>['responses'][number]['partitions'][number];
/** By topic. */
type Responses = Map<
  string,
  { readonly topic: string; readonly topicId: string; readonly partitions: PartitionResponse[] }
>;
type Plan = FetchPlan & { readonly error: null };

const READ_COMMITTED = 1;
/** All that one answer may hold, whatever the client asks for: `fetch.max.bytes` of Kafka's brokers. */
const BYTES_MAX = 55 * 1024 * 1024;
const NOTHING = Buffer.alloc(0);

/** One Fetch request: looks for records, waits for more if they are too few, and makes the answer. */
export class Fetching {
  readonly #request: FetchRequest;
  readonly #pending: PendingResponse;
  readonly #context: RequestContext;
  readonly #plan: Plan;
  readonly #targets: readonly FetchTarget[];
  readonly #isCommittedOnly: boolean;
  readonly #memory: Lease;
  #bytes = 0;
  #stops: (() => void)[] = [];

  constructor(request: FetchRequest, pending: PendingResponse, context: RequestContext, plan: Plan) {
    this.#request = request;
    this.#pending = pending;
    this.#memory = context.fetchMemory.lease();
    this.#context = context;
    this.#plan = plan;
    this.#targets = [...plan.targets];
    this.#isCommittedOnly = request.isolationLevel === READ_COMMITTED;
  }

  run(): void {
    const { maxWaitMs } = this.#request;
    if (maxWaitMs <= 0 || this.#isEnough()) this.#answer();
    else this.#wait(maxWaitMs);
  }

  #wait(maxWaitMs: number): void {
    const { client, broker } = this.#context;
    const finish = (): void => {
      this.#stopWaiting();
      if (!client.isClosed) this.#answer();
    };
    const timer = broker.store.options.scheduler.after(maxWaitMs, finish);
    this.#stops.push(() => timer.cancel(), client.onClose(finish));
    const advanced = (): void => {
      if (this.#isEnough()) finish();
    };
    for (const target of this.#targets) {
      const { partition } = resolve(target, this.#context);
      if (partition !== null) this.#stops.push(partition.onAdvance(advanced));
    }
  }

  #stopWaiting(): void {
    for (const stop of this.#stops) stop();
    this.#stops = [];
  }

  /** Whether there is something to say at once: an error, enough bytes, or what only a read of the disk can tell. */
  #isEnough(): boolean {
    const { minBytes } = this.#request;
    let bytes = 0;
    for (const target of this.#targets) {
      const { partition, error } = resolve(target, this.#context);
      if (error !== null) return true;
      if (target.lastFetchedEpoch >= 0 && divergingEpoch(partition, target) !== undefined) return true;
      const below = this.#below(partition);
      if (target.fetchOffset >= below) continue;
      if (target.fetchOffset < partition.log.tailStart) return true;
      bytes += partition.log.bytesInTail(target.fetchOffset, below, Math.max(1, minBytes - bytes));
      if (bytes >= minBytes && bytes > 0) return true;
    }
    return minBytes <= 0;
  }

  #below(partition: Partition): number {
    return this.#isCommittedOnly ? partition.lastStableOffset : partition.highWatermark;
  }

  #answer(): void {
    const responses: Responses = new Map();
    for (let i = 0; i < this.#targets.length; i++) {
      const target = this.#targets[i] as FetchTarget;
      const response = this.#serve(target);
      if (response instanceof Promise) {
        // What is on disk makes the rest of the answer wait.
        this.#answerSlowly(responses, i, response).catch((error) => this.#pending.fail(error));
        return;
      }
      this.#add(responses, target, response);
    }
    this.#finish(responses);
  }

  async #answerSlowly(
    responses: Responses,
    index: number,
    reading: Promise<PartitionResponse>,
  ): Promise<void> {
    this.#add(responses, this.#targets[index] as FetchTarget, await reading);
    for (const target of this.#targets.slice(index + 1)) {
      if (this.#context.client.isClosed) return;
      this.#add(responses, target, await this.#serve(target));
    }
    this.#context.broker.turn.touch();
    this.#finish(responses);
  }

  #finish(responses: Responses): void {
    this.#pending.fill<typeof fetch>(
      {
        sessionId: this.#plan.session?.id ?? 0,
        responses: [...responses.values()],
        throttleTimeMs: this.#context.client.quota.recordFetched(this.#bytes),
      },
      this.#memory,
    );
  }

  #add(responses: Responses, target: FetchTarget, response: PartitionResponse): void {
    const { session, isIncremental } = this.#plan;
    const hasRecords = response.records !== null && (response.records as Buffer).length > 0;
    if (isIncremental && !hasRecords && !isNews(target, response)) return;
    if (session !== null) {
      target.toldHighWatermark = response.highWatermark;
      target.toldStart = response.logStartOffset ?? -1;
      if (hasRecords) session.moveToEnd(target);
    }
    const key = this.#context.version >= 13 ? target.topicId : target.topic;
    const topic = responses.get(key);
    if (topic !== undefined) topic.partitions.push(response);
    else responses.set(key, { topic: target.topic, topicId: target.topicId, partitions: [response] });
  }

  #serve(target: FetchTarget): PartitionResponse | Promise<PartitionResponse> {
    const { partition, error } = resolve(target, this.#context);
    if (error !== null) return failed(target, partition, error);
    const diverging = target.lastFetchedEpoch >= 0 ? divergingEpoch(partition, target) : undefined;
    if (diverging !== undefined)
      return { ...this.#found(target, partition, NOTHING), divergingEpoch: diverging };
    const below = this.#below(partition);
    const left = Math.min(this.#request.maxBytes, BYTES_MAX) - this.#bytes;
    if (target.fetchOffset >= below || (left <= 0 && this.#bytes > 0)) {
      return this.#found(target, partition, NOTHING);
    }
    const bytesMax = Math.max(0, Math.min(left, target.bytesMax));
    const bytes = partition.copyTail(target.fetchOffset, below, bytesMax, this.#memory, this.#bytes === 0);
    if (bytes !== null) return this.#found(target, partition, bytes);
    return this.#serveFromDisk(target, partition, below, bytesMax);
  }

  async #serveFromDisk(
    target: FetchTarget,
    partition: Partition,
    below: number,
    bytesMax: number,
  ): Promise<PartitionResponse> {
    // What is too large goes at once: a request has room for a million partitions.
    const memory = this.#context.fetchMemory.lease();
    try {
      const { bytes } = await partition.read(target.fetchOffset, below, bytesMax, memory);
      if (target.fetchOffset < partition.startOffset) return failed(target, partition, 'OFFSET_OUT_OF_RANGE');
      // One batch may be larger than what was asked for, but only if it is all that there is in the answer (KIP-74).
      if (bytes.length > bytesMax && this.#bytes > 0) return this.#found(target, partition, NOTHING);
      this.#memory.join(memory);
      return this.#found(target, partition, bytes);
    } catch (error) {
      if (partition.stream.isRemoved) return failed(target, null, 'UNKNOWN_TOPIC_OR_PARTITION');
      if (!(error instanceof PartitionCorruption)) throw error;
      return failed(target, partition, 'KAFKA_STORAGE_ERROR');
    } finally {
      memory.release();
    }
  }

  #found(target: FetchTarget, partition: Partition, records: Buffer): PartitionResponse {
    this.#bytes += records.length;
    const { highWatermark, lastStableOffset, startOffset } = partition;
    const mayBeAborted = this.#isCommittedOnly && records.length > 0 && partition.producers.hasAborted;
    return {
      partitionIndex: target.index,
      errorCode: ERROR_CODES.NONE,
      highWatermark,
      lastStableOffset,
      logStartOffset: startOffset,
      abortedTransactions: mayBeAborted
        ? partition.producers.abortedIn(target.fetchOffset, endOf(records))
        : this.#isCommittedOnly
          ? []
          : null,
      records,
    };
  }
}

function isNews(
  target: FetchTarget,
  { errorCode, highWatermark, logStartOffset, divergingEpoch }: PartitionResponse,
) {
  return (
    errorCode !== ERROR_CODES.NONE ||
    divergingEpoch !== undefined ||
    highWatermark !== target.toldHighWatermark ||
    logStartOffset !== target.toldStart
  );
}

/** Where the client's records and ours part (KIP-595): undefined if they do not. */
function divergingEpoch(
  partition: Partition,
  { lastFetchedEpoch, fetchOffset }: FetchTarget,
): { readonly epoch: number; readonly endOffset: number } | undefined {
  const known = partition.epochs.endOf(lastFetchedEpoch, partition.leaderEpoch, partition.endOffset);
  if (known === null) return undefined;
  return known.epoch < lastFetchedEpoch || known.endOffset < fetchOffset ? known : undefined;
}

function failed(target: FetchTarget, partition: Partition | null, error: ErrorName): PartitionResponse {
  return {
    partitionIndex: target.index,
    errorCode: ERROR_CODES[error],
    highWatermark: partition?.highWatermark ?? -1,
    lastStableOffset: partition?.lastStableOffset ?? -1,
    logStartOffset: partition?.startOffset ?? -1,
    abortedTransactions: null,
    records: NOTHING,
  };
}

/** The offset behind the last of these batches. */
function endOf(records: Buffer): number {
  const batch = new BatchView(records, 0);
  while (batch.end < records.length) batch.moveTo(records, batch.end);
  return batch.lastOffset + 1;
}
