import type { Timer } from '../../../base/scheduler.ts';
import type { Acquired, ShareReader } from '../../../broker/groups/share/share-reader.ts';
import type { RequestOf, ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import type { shareFetch } from '../../../wire/kafka/messages/share-fetch.ts';
import type { RequestContext } from '../handlers/request-context.ts';
import { type AckResult, readerOf } from './acknowledgements.ts';
import type { CachedSharePartition, ShareSession } from './share-sessions.ts';

type Request = RequestOf<typeof shareFetch>;
type Topic = ResponseInput<typeof shareFetch>['responses'][number];
type PartitionResponse = Topic['partitions'][number];

/** `share_acquire_mode` record_limit (KIP-1206): at most `max_records`; in the other mode whole batches are acquired. */
const RECORD_LIMIT = 1;
/** The most that a response holds, whatever the client asks for. */
const BYTES_MAX = 55 * 1024 * 1024;
const PARTITIONS_PER_STEP = 32;
const NO_LEADER = { leaderId: -1, leaderEpoch: -1 };

/** The fetch of one ShareFetch request: acquires records, waiting up to `max_wait_ms` until there are any (KIP-932). */
export class DelayedShareFetch {
  readonly #request: Request;
  readonly #session: ShareSession;
  readonly #context: RequestContext;
  readonly #responses = new Map<string, Map<number, PartitionResponse>>();
  #records = 0;
  #bytes = 0;
  /** Counted as held for the client. */
  #heldBytes = 0;
  #hasErrors = false;
  #stops: (() => void)[] = [];
  /** Partitions that had something for it when they were looked at. */
  readonly #available = new Set<CachedSharePartition>();
  /** Partitions to look at: all of them at first, then those that got something. */
  #told: Set<CachedSharePartition>;
  /** Records became available since the last look. */
  #isTold = false;
  #isOver = false;
  #looks = 0;
  #wake: () => void = () => undefined;

  constructor(request: Request, session: ShareSession, context: RequestContext) {
    this.#request = request;
    this.#session = session;
    this.#context = context;
    this.#told = new Set(session.partitions.values());
  }

  /** Resolves when records were acquired, there was an error, or `max_wait_ms` are over. */
  async run(mayWait: boolean): Promise<void> {
    const { maxWaitMs, maxRecords } = this.#request;
    if (maxRecords <= 0) return;
    const isWaiting = mayWait && maxWaitMs > 0;
    try {
      if (isWaiting) await this.#listen(maxWaitMs);
      for (;;) {
        this.#isTold = false;
        const isDue = this.#isOver || !isWaiting;
        if (isDue || (await this.#hasEnough())) await this.#look();
        if (isDue || this.#records > 0 || this.#hasErrors || this.#context.client.isClosed) return;
        if (!this.#isTold) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      for (const stop of this.#stops) stop();
    }
  }

  /** The response: acquired records and errors, and the results of the request's acknowledgements. */
  topics(results: readonly AckResult[]): Topic[] {
    for (const { topicId, partitionIndex, error, message } of results) {
      const response = this.#response(topicId, partitionIndex);
      this.#set(topicId, {
        ...response,
        acknowledgeErrorCode: ERROR_CODES[error],
        acknowledgeErrorMessage: message,
      });
    }
    return Array.from(this.#responses, ([topicId, partitions]) => ({
      topicId,
      partitions: [...partitions.values()],
    }));
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The response is given now, or there is none after all: what is counted for it goes with it. */
  end(): void {
    const { client } = this.#context;
    if (client.isClosed) this.#hold(-this.#heldBytes);
    else client.responses.adopt(this.#heldBytes);
    this.#heldBytes = 0;
  }

  /** Before the first look, so that no record which becomes available meanwhile is missed. */
  async #listen(maxWaitMs: number): Promise<void> {
    const { client, broker } = this.#context;
    const tell = (): void => {
      this.#isTold = true;
      this.#wake();
    };
    const over = (): void => {
      this.#isOver = true;
      tell();
    };
    const timer: Timer = broker.shard.scheduler.after(maxWaitMs, over);
    this.#stops.push(() => timer.cancel(), client.onClose(over));
    for (const cached of this.#told) {
      if (this.#mustWait()) await this.#turn();
      const reader = this.#reader(cached);
      if (reader === null || typeof reader === 'string') continue;
      const tellOfIt = (): void => {
        this.#told.add(cached);
        tell();
      };
      this.#stops.push(reader.share.onAvailable(tellOfIt), reader.partition.onAdvance(tellOfIt));
    }
  }

  /** A session can have thousands of partitions: whether others have their turn before the next one. */
  #mustWait(): boolean {
    return ++this.#looks % PARTITIONS_PER_STEP === 0 && this.#context.broker.shard.turnTime.isOver;
  }

  #turn(): Promise<void> {
    const owner = { protocol: 'Kafka', request: 'ShareFetch', user: this.#context.client.actor };
    return this.#context.broker.shard.turnTime.next(owner);
  }

  #reader({ topicId, index }: CachedSharePartition): ShareReader | null | ErrorName {
    return readerOf(this.#session.group, topicId, index, this.#context);
  }

  /**
   * Whether there are errors, or `min_bytes` of available records. Looked at are partitions that got something, and those
   * that had something, which others may have taken.
   */
  async #hasEnough(): Promise<boolean> {
    const { minBytes } = this.#request;
    const wanted = Math.max(1, minBytes);
    const told = this.#told;
    for (const cached of this.#available) told.add(cached);
    this.#available.clear();
    this.#told = new Set();
    let available = 0;
    for (const cached of told) {
      if (this.#mustWait()) await this.#turn();
      const reader = this.#reader(cached);
      told.delete(cached);
      if (reader === null) continue;
      const isWrong = typeof reader === 'string' || reader.partition.log.isCorrupt;
      const bytes = isWrong ? wanted : reader.availableBytes(wanted - available);
      if (bytes > 0) this.#available.add(cached);
      available += bytes;
      if (available < wanted) continue;
      // The others are looked at when this was not enough after all.
      for (const each of told) this.#told.add(each);
      return true;
    }
    return false;
  }

  async #look(): Promise<void> {
    const { maxRecords, maxBytes, shareAcquireMode } = this.#request;
    const { memberId } = this.#session;
    const { memory } = this.#context.client;
    // Its user's share of memory is used up: it waits for its turn, and then takes a batch at least.
    while (!memory.mayTake) await memory.resumed();
    const bytesMax = Math.min(maxBytes, BYTES_MAX, Math.max(1, memory.room));
    for (const cached of [...this.#session.partitions.values()]) {
      if (this.#mustWait()) await this.#turn();
      if (this.#records >= maxRecords || this.#bytes >= bytesMax || this.#context.client.isClosed) return;
      const reader = this.#reader(cached);
      if (reader === null) continue;
      if (typeof reader === 'string') {
        this.#failed(cached, reader);
        continue;
      }
      const found = reader.acquire(memberId, {
        records: maxRecords - this.#records,
        bytes: bytesMax - this.#bytes,
        isExact: shareAcquireMode === RECORD_LIMIT,
      });
      if (!(found instanceof Promise)) this.#hold(found.bytes);
      const acquired = found instanceof Promise ? await this.#reading(found, bytesMax - this.#bytes) : found;
      // The share session has ended with its connection: nothing else would release these records.
      if (this.#context.client.isClosed) reader.share.release(memberId);
      else if (acquired.isCorrupt) this.#failed(cached, 'KAFKA_STORAGE_ERROR');
      else if (acquired.ranges.count > 0) this.#found(cached, acquired);
    }
  }

  /** From the disk: as much as it may become is counted meanwhile. */
  async #reading(reading: Promise<Acquired>, bytesMax: number): Promise<Acquired> {
    this.#hold(bytesMax);
    let bytes = 0;
    try {
      const acquired = await reading;
      bytes = acquired.bytes;
      return acquired;
    } finally {
      this.#hold(bytes - bytesMax);
    }
  }

  #hold(bytes: number): void {
    this.#heldBytes += bytes;
    this.#context.client.memory.add(bytes);
  }

  #found(cached: CachedSharePartition, { batches, bytes, ranges }: Acquired): void {
    this.#records += ranges.count;
    this.#bytes += bytes;
    const { firsts, lasts, deliveries } = ranges;
    this.#set(cached.topicId, {
      ...this.#response(cached.topicId, cached.index),
      records: batches,
      acquiredRecords: firsts.map((firstOffset, i) => ({
        firstOffset,
        lastOffset: lasts[i],
        deliveryCount: deliveries[i],
      })),
    });
    this.#session.moveToEnd(cached);
  }

  #failed(cached: CachedSharePartition, error: ErrorName): void {
    this.#hasErrors = true;
    this.#set(cached.topicId, {
      ...this.#response(cached.topicId, cached.index),
      errorCode: ERROR_CODES[error],
    });
  }

  #response(topicId: string, partitionIndex: number): PartitionResponse {
    const known = this.#responses.get(topicId)?.get(partitionIndex);
    if (known !== undefined) return known;
    return {
      partitionIndex,
      errorCode: ERROR_CODES.NONE,
      acknowledgeErrorCode: ERROR_CODES.NONE,
      currentLeader: NO_LEADER,
      records: [],
      acquiredRecords: [],
    };
  }

  #set(topicId: string, response: PartitionResponse): void {
    let partitions = this.#responses.get(topicId);
    if (partitions === undefined) this.#responses.set(topicId, (partitions = new Map()));
    partitions.set(response.partitionIndex, response);
  }
}
