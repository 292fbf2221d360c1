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
  target(): Stream | null;
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

/**
 * Moves records that a share group gave up to its dead-letter stream: each is appended there and settled here in the
 * same block of the journal, so that after a crash it is either still here or already there.
 */
export class DeadRecords {
  readonly #deps: DeadRecordsDeps;
  readonly #atomic: AtomicAppend;
  readonly #message = new MessageView();

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
    const missing: number[] = [];
    let batch: Dead[] = [];
    let batchBytes = 0;
    for (const record of [...waiting.values()]) {
      // Not read yet; what was read is there, or gone for ever.
      if (record.offset >= nextOffset && record.offset !== first) break;
      waiting.delete(record.offset);
      const content = found.get(record.offset);
      if (content === undefined || target === null) {
        missing.push(record.offset);
        continue;
      }
      const dead = {
        ...record,
        content: contentOf(source, record, content),
        hasForeignEnvelope: content.hasForeignEnvelope,
      };
      const size = dead.content.length + RECORD_OVERHEAD;
      if (batch.length > 0 && batchBytes + size > this.#atomic.batchBytesMax) {
        while (!this.#hasRoom(source, target, batch)) await this.#room();
        this.#move(source, target, batch, batchBytes);
        batch = [];
        batchBytes = 0;
      }
      batch.push(dead);
      batchBytes += size;
    }
    if (target !== null && batch.length > 0) {
      while (!this.#hasRoom(source, target, batch)) await this.#room();
      this.#move(source, target, batch, batchBytes);
    }
    if (missing.length > 0) share.left(missing);
  }

  /** Whether the outbox of the target's shard takes these now; always if that is this one. */
  #hasRoom(source: DeadRecordSource, target: Stream, batch: readonly Dead[]): boolean {
    const { isRemote, shard } = partitionIn(target, source);
    if (!isRemote) return true;
    const outboxes = outboxesOf(this.#deps.shard);
    const bytes = batch.reduce((sum, { content }) => sum + outboxes.recordBytesMax(content.length), 0);
    outboxes.beginReserving();
    return outboxes.reserveAll(shard, batch.length, bytes);
  }

  #room(): Promise<void> {
    return new Promise((resolve) => outboxesOf(this.#deps.shard).whenRoom(resolve));
  }

  #move(source: DeadRecordSource, target: Stream, batch: readonly Dead[], bytes: number): void {
    if (source.share.isRemoved) return;
    const atomic = this.#atomic;
    const nowMs = this.#deps.shard.clock.now();
    // What was passed over while something was read is no part of the block.
    source.share.flush();
    const into = partitionIn(target, source);
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
  }
}

/** Those of one partition go to one partition. */
function partitionIn({ partitions }: Stream, { partition: { index } }: DeadRecordSource): AnyPartition {
  return partitions[index % partitions.length];
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
