import { BatchView } from '../../src/records/batch-view.ts';
import { RecordCursor } from '../../src/records/record-cursor.ts';
import { fetch } from '../../src/wire/kafka/messages/fetch.ts';
import { listOffsets } from '../../src/wire/kafka/messages/offsets.ts';
import type { KafkaClient } from '../servers/kafka/kafka-client.ts';
import { check } from './copies/topic.ts';
import { HistoryError } from './expected-queue.ts';

export type TopicKind = 'plain' | 'compact' | 'short';

interface Sent {
  readonly key: string;
  readonly value: string | null;
}

const FETCH_BYTES = 1024 * 1024;

/** One partition that producers fill while the broker is killed, and what has to be in it. */
export class KilledTopic {
  readonly kind: TopicKind;
  readonly partition: number;
  /** What was confirmed, by offset. */
  readonly #confirmed = new Map<number, Sent>();
  /** Everything that was ever sent, confirmed or not. */
  readonly #sent = new Set<string>();
  /** Confirmed deletions reach to the first, deletions that were asked for to the second. */
  deletedBelow = 0;
  #mayBeDeletedBelow = 0;
  confirmedEnd = 0;

  constructor(kind: TopicKind, partition: number) {
    this.kind = kind;
    this.partition = partition;
  }

  sent(records: readonly Sent[]): void {
    for (const record of records) this.#sent.add(textOf(record));
  }

  confirmed(baseOffset: number, records: readonly Sent[]): void {
    for (const [index, record] of records.entries()) {
      const offset = baseOffset + index;
      if (this.#confirmed.has(offset)) this.#fail(`offset ${offset} was given twice`);
      this.#confirmed.set(offset, record);
    }
    this.confirmedEnd = Math.max(this.confirmedEnd, baseOffset + records.length);
  }

  deleting(offset: number): void {
    this.#mayBeDeletedBelow = Math.max(this.#mayBeDeletedBelow, offset);
  }

  deleted(offset: number): void {
    this.deletedBelow = Math.max(this.deletedBelow, offset);
  }

  /** Reads everything, and compares. Resolves with how many records are there. */
  async check(client: KafkaClient): Promise<number> {
    const start = await this.#offset(client, -2);
    const end = await this.#offset(client, -1);
    if (start < this.deletedBelow)
      this.#fail(`it begins at ${start}, but was deleted below ${this.deletedBelow}`);
    if (end < this.confirmedEnd) this.#fail(`it ends at ${end}, but has had ${this.confirmedEnd} records`);
    if (this.kind !== 'short' && start > Math.max(this.deletedBelow, this.#mayBeDeletedBelow))
      this.#fail(`it begins at ${start}`);
    const found = await this.#read(client, start, end);
    // Retention goes on meanwhile.
    const left = this.kind === 'short' ? await this.#offset(client, -2) : start;
    if (this.kind === 'compact') this.#checkLast(found);
    else this.#checkAll(found, left);
    return found.size;
  }

  #checkAll(found: ReadonlyMap<number, Sent>, start: number): void {
    for (const offset of this.#confirmed.keys()) {
      if (offset >= start && !found.has(offset))
        this.#fail(`offset ${offset} was confirmed and is not there`);
    }
  }

  #checkLast(found: ReadonlyMap<number, Sent>): void {
    const confirmed = new Map<string, number>();
    for (const [offset, { key }] of this.#confirmed) {
      confirmed.set(key, Math.max(offset, confirmed.get(key) ?? -1));
    }
    const first = new Map<string, number>();
    const last = new Map<string, number>();
    for (const [offset, { key }] of found) {
      if (!first.has(key)) first.set(key, offset);
      last.set(key, offset);
    }
    for (const [key, offset] of confirmed) {
      if ((last.get(key) ?? -1) >= offset) continue;
      const record = this.#confirmed.get(offset) as Sent;
      // A deletion leaves some time after what it deletes.
      if (record.value !== null || first.has(key))
        this.#fail(`${key} has lost what was confirmed at ${offset}`);
    }
  }

  async #read(client: KafkaClient, start: number, end: number): Promise<Map<number, Sent>> {
    const found = new Map<number, Sent>();
    for (let fetchOffset = start; fetchOffset < end; ) {
      const partitions = [{ partition: this.partition, fetchOffset, partitionMaxBytes: FETCH_BYTES }];
      const response = await client.request(fetch, 12, {
        maxWaitMs: 100,
        minBytes: 1,
        maxBytes: FETCH_BYTES,
        topics: [{ topic: this.kind, partitions }],
      });
      const { errorCode, records } = response.responses[0].partitions[0];
      if (errorCode === 1 && this.kind === 'short') {
        fetchOffset = await this.#offset(client, -2);
        continue;
      }
      check(errorCode, `reading ${this.kind} at ${fetchOffset}`);
      const next = records === null ? fetchOffset : this.#take(records, fetchOffset, found);
      if (next <= fetchOffset) break;
      fetchOffset = next;
    }
    return found;
  }

  #take(
    { bytes, start, end }: { bytes: Buffer; start: number; end: number },
    from: number,
    found: Map<number, Sent>,
  ): number {
    let next = from;
    for (let at = start; at < end; ) {
      const batch = new BatchView(bytes, at);
      const cursor = new RecordCursor(FETCH_BYTES).open(bytes, at);
      while (cursor.next()) {
        cursor.readContent();
        const { offset, keyStart, keyLength, valueStart, valueLength } = cursor;
        if (offset < next) continue;
        const key = cursor.bytes.toString('latin1', keyStart, keyStart + keyLength);
        const value =
          valueLength < 0 ? null : cursor.bytes.toString('latin1', valueStart, valueStart + valueLength);
        const record = { key, value };
        if (!this.#sent.has(textOf(record))) this.#fail(`offset ${offset} has what was never sent`);
        const wanted = this.#confirmed.get(offset);
        if (wanted !== undefined && textOf(wanted) !== textOf(record))
          this.#fail(`offset ${offset} has something else than what was confirmed`);
        found.set(offset, record);
      }
      next = batch.lastOffset + 1;
      at = batch.end;
    }
    return next;
  }

  async #offset(client: KafkaClient, timestamp: number): Promise<number> {
    const partitions = [{ partitionIndex: this.partition, timestamp }];
    const response = await client.request(listOffsets, 7, {
      replicaId: -1,
      topics: [{ name: this.kind, partitions }],
    });
    const found = response.topics[0].partitions[0];
    check(found.errorCode, `the offsets of ${this.kind}`);
    return found.offset;
  }

  #fail(what: string): never {
    throw new HistoryError(`${this.kind}-${this.partition}: ${what}`);
  }
}

function textOf({ key, value }: Sent): string {
  return `${key}=${value}`;
}
