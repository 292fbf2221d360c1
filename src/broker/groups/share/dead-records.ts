import { MessageView } from '../../../records/message-view.ts';
import { withHeaders } from '../../../records/record-header.ts';
import { AtomicAppend, outboxesOf } from '../../publishing/atomic-append.ts';
import type { Shard } from '../../shard/shard.ts';
import type { AnyPartition } from '../../streams/any-partition.ts';
import type { Partition } from '../../streams/partition.ts';
import type { Stream } from '../../streams/stream.ts';
import type { GivenUp } from './acknowledgement.ts';
import { type FoundRecord, findRecords } from './dead-record.ts';
import type { SharePartition } from './share-partition.ts';

/** Where records are given up. */
export interface DeadRecordSource {
  readonly share: SharePartition;
  readonly partition: Partition;
  readonly group: string;
  /** The stream that takes them, which is made if it is not there; null if they are dropped after all. */
  target(): Stream | null | Promise<Stream | null>;
}

export interface DeadRecordsDeps {
  readonly shard: Shard;
  onFailure(source: DeadRecordSource, error: Error): void;
}

const READ_BYTES = 1024 * 1024;
/** Before what failed is tried again. */
const RETRY_MS_MIN = 1000;
const RETRY_MS_MAX = 60_000;
/** Bytes of the journal for a record besides its content, and for what the operation says of it. */
const RECORD_OVERHEAD = 128 + 48;
/** Bytes of the journal for a block besides its records: the operation that settles them. */
const BLOCK_OVERHEAD = 1024;

interface Dead extends GivenUp {
  readonly content: Buffer;
  readonly hasForeignEnvelope: boolean;
}

/** Of records that were read: those that go together in one block each, and those that are gone for ever. */
interface Sorted {
  readonly batches: readonly (readonly Dead[])[];
  readonly missing: readonly number[];
}

/**
 * Moves records that a share group gave up to its dead-letter stream: each is appended there and settled here in the
 * same block of the journal, so that after a crash it is either still here or already there. Where the stream has no
 * partition in this shard, what is in the block is the entry of an outbox, which brings the record there exactly once.
 */
export class DeadRecords {
  readonly #deps: DeadRecordsDeps;
  readonly #atomic: AtomicAppend;
  readonly #message = new MessageView();
  /** Those that had no room in an outbox. */
  readonly #waiting = new Set<() => void>();
  /** The outboxes will tell when there is room. */
  #isAsking = false;

  constructor(deps: DeadRecordsDeps) {
    this.#deps = deps;
    this.#atomic = new AtomicAppend(deps.shard);
  }

  /** Resolves when all have arrived, or nobody is there any more who waits for them. */
  async send(source: DeadRecordSource, records: readonly GivenUp[]): Promise<void> {
    const waiting = new Map(
      [...records].sort((a, b) => a.offset - b.offset).map((each) => [each.offset, each]),
    );
    let retryMs = RETRY_MS_MIN;
    while (waiting.size > 0 && !source.share.isRemoved) {
      try {
        await this.#sendSome(source, waiting);
      } catch (error) {
        this.#deps.onFailure(source, error as Error);
        await new Promise<void>((resolve) => this.#deps.shard.scheduler.after(retryMs, resolve));
        retryMs = Math.min(2 * retryMs, RETRY_MS_MAX);
      }
    }
  }

  async #sendSome(source: DeadRecordSource, waiting: Map<number, GivenUp>): Promise<void> {
    const { partition, share } = source;
    const [first] = waiting.keys();
    const { bytes, nextOffset } = await partition.read(first, partition.highWatermark, READ_BYTES);
    const found = await findRecords(partition.opener, bytes, [...waiting.keys()]);
    if (share.isRemoved) return;
    const target = found.size > 0 ? source.target() : null;
    const stream = target instanceof Promise ? await target : target;
    if (share.isRemoved) return;
    const records: GivenUp[] = [];
    for (const record of waiting.values()) {
      // Not read yet; what was read is there, or gone for ever.
      if (record.offset >= nextOffset && record.offset !== first) break;
      records.push(record);
    }
    const { batches, missing } = this.#sort(source, records, stream === null ? new Map() : found);
    let hasRoom = true;
    if (stream !== null) {
      const into = placeIn(stream, partition.index);
      for (const batch of batches) {
        hasRoom = this.#move(source, into, batch);
        if (!hasRoom) break;
        for (const { offset } of batch) waiting.delete(offset);
      }
    }
    for (const offset of missing) waiting.delete(offset);
    if (missing.length > 0) share.left(missing);
    if (!hasRoom) await this.#room();
  }

  #sort(
    source: DeadRecordSource,
    records: readonly GivenUp[],
    found: ReadonlyMap<number, FoundRecord>,
  ): Sorted {
    const missing: number[] = [];
    const batches: Dead[][] = [];
    let batchBytes = 0;
    for (const record of records) {
      const content = found.get(record.offset);
      if (content === undefined) {
        missing.push(record.offset);
        continue;
      }
      const { hasForeignEnvelope } = content;
      const dead = { ...record, content: contentOf(source, record, content), hasForeignEnvelope };
      const size = dead.content.length + RECORD_OVERHEAD;
      if (batches.length === 0 || batchBytes + size > this.#atomic.batchBytesMax) {
        batches.push([]);
        batchBytes = 0;
      }
      batches[batches.length - 1].push(dead);
      batchBytes += size;
    }
    return { batches, missing };
  }

  /** False if the outbox that they go to has no room, or is not open yet: they stay where they are. */
  #move(source: DeadRecordSource, into: AnyPartition, batch: readonly Dead[]): boolean {
    const bytes = into.isRemote ? this.#reserve(into.shard, batch) : ownBytes(batch);
    if (bytes === null) return false;
    const atomic = this.#atomic;
    const nowMs = this.#deps.shard.clock.now();
    // What was passed over while something was read is no part of the block.
    source.share.flush();
    atomic.begin(bytes + BLOCK_OVERHEAD);
    for (const { content, hasForeignEnvelope } of batch) {
      if (into.isRemote) {
        atomic.sendRecord(into.shard, { logId: into.id, content, hasForeignEnvelope }, nowMs);
        continue;
      }
      this.#message.content = content;
      into.gather(this.#message, nowMs, hasForeignEnvelope);
    }
    this.#message.clear();
    source.share.left(batch.map(({ offset }) => offset));
    atomic.end();
    return true;
  }

  /** What they take of the journal in the outbox for this shard; null if it has no room for them. */
  #reserve(shard: number, batch: readonly Dead[]): number | null {
    const outboxes = outboxesOf(this.#deps.shard);
    let entryBytes = 0;
    for (const { content } of batch) entryBytes += outboxes.recordBytesMax(content.length);
    outboxes.beginReserving();
    if (!outboxes.reserveAll(shard, batch.length, entryBytes)) return null;
    return entryBytes + batch.length * RECORD_OVERHEAD;
  }

  /** Resolves when there may be room in the outbox: at the latest after a while, as the group may be gone by then. */
  #room(): Promise<void> {
    const { shard } = this.#deps;
    return new Promise((resolve) => {
      const timer = shard.scheduler.after(RETRY_MS_MIN, () => {
        this.#waiting.delete(goOn);
        resolve();
      });
      const goOn = (): void => {
        timer.cancel();
        resolve();
      };
      this.#waiting.add(goOn);
      if (this.#isAsking) return;
      this.#isAsking = true;
      outboxesOf(shard).whenRoom(() => this.#hasRoom());
    });
  }

  #hasRoom(): void {
    this.#isAsking = false;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const goOn of waiting) goOn();
  }
}

/** A partition of this shard, if the stream has one here: then nothing has to leave it. */
function placeIn({ partitions, ownPartitions }: Stream, index: number): AnyPartition {
  const places: readonly AnyPartition[] = ownPartitions.length > 0 ? ownPartitions : partitions;
  return places[index % places.length];
}

function ownBytes(batch: readonly Dead[]): number {
  return batch.reduce((bytes, { content }) => bytes + content.length + RECORD_OVERHEAD, 0);
}

/** Says in headers of its own why the record is there, and where it comes from. */
function contentOf(source: DeadRecordSource, record: GivenUp, { content, timestampMs }: FoundRecord): Buffer {
  const { partition, group } = source;
  return withHeaders(content, [
    ['sluice.dead.reason', record.reason],
    ['sluice.dead.group', group],
    ['sluice.dead.topic', partition.stream.name],
    ['sluice.dead.partition', String(partition.index)],
    ['sluice.dead.offset', String(record.offset)],
    ['sluice.dead.timestamp', String(timestampMs)],
    ['sluice.dead.deliveries', String(record.deliveries)],
  ]);
}
