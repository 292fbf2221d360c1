import { HistoryError } from './expected-queue.ts';

/** What becomes of old batches: all stay, the oldest go when there are too many bytes, or the last of each key stays. */
export type StreamKind = 'plain' | 'short' | 'compact';

export interface ExpectedRecord {
  readonly key: string | null;
  readonly value: string | null;
}

/** A batch as it was appended. */
export interface ExpectedBatch {
  /** Of the journal. */
  readonly block: number;
  readonly baseOffset: number;
  /** From the attributes on: what comes before is the broker's. Null for a message, which is in a batch with others. */
  readonly body: Buffer | null;
  readonly records: readonly ExpectedRecord[];
  /** Null outside of transactions. */
  readonly producerId: number | null;
  /** The end of a transaction. */
  readonly end: 'commit' | 'abort' | null;
}

/** A record as a reader found it. */
export interface FoundRecord extends ExpectedRecord {
  readonly offset: number;
}

export interface FoundBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly body: Buffer;
  readonly records: readonly FoundRecord[];
}

/** What was done to one stream, and so what has to be in it. */
export class ExpectedStream {
  readonly name: string;
  readonly kind: StreamKind;
  readonly retentionBytes: number;
  readonly createdBlock: number;
  deletedBlock = Number.POSITIVE_INFINITY;
  batches: ExpectedBatch[] = [];
  /** Records were deleted below these offsets, in these blocks. */
  starts: { readonly block: number; readonly offset: number }[] = [];
  readonly #open = new Map<number, number>();

  constructor(name: string, kind: StreamKind, retentionBytes: number, createdBlock: number) {
    this.name = name;
    this.kind = kind;
    this.retentionBytes = retentionBytes;
    this.createdBlock = createdBlock;
  }

  get end(): number {
    const last = this.batches.at(-1);
    return last === undefined ? 0 : last.baseOffset + last.records.length;
  }

  /** Producers within a transaction, and where that began. */
  get open(): ReadonlyMap<number, number> {
    return this.#open;
  }

  appended(batch: ExpectedBatch): void {
    this.batches.push(batch);
    this.#account(batch);
  }

  /** What a process finds that comes after this one, if block `last` is the last of the journal; it goes on from there. */
  restarted(last: number): void {
    if (this.deletedBlock > last) this.deletedBlock = Number.POSITIVE_INFINITY;
    this.batches = this.batches.filter(({ block }) => block <= last);
    this.starts = this.starts.filter(({ block }) => block <= last);
    this.#open.clear();
    for (const batch of this.batches) this.#account(batch);
  }

  #account({ producerId, end, baseOffset }: ExpectedBatch): void {
    if (producerId === null) return;
    if (end !== null) this.#open.delete(producerId);
    else if (!this.#open.has(producerId)) this.#open.set(producerId, baseOffset);
  }

  /** Throws a HistoryError if what was found from `start` on is not what has to be there. */
  check(start: number, end: number, found: readonly FoundBatch[], isReadable = true): void {
    if (end !== this.end) this.#fail(`it ends at ${end}, not at ${this.end}`);
    const deletedBelow = Math.max(0, ...this.starts.map(({ offset }) => offset));
    if (start < deletedBelow) this.#fail(`it begins at ${start}, but was deleted below ${deletedBelow}`);
    if (start > deletedBelow && this.kind !== 'short')
      this.#fail(`it begins at ${start}, not at ${deletedBelow}`);
    this.#checkRetention(start, deletedBelow);
    if (this.kind === 'compact') this.#checkCompacted(start, found, isReadable);
    else this.#checkVerbatim(start, found, isReadable);
  }

  #checkRetention(start: number, deletedBelow: number): void {
    if (start <= deletedBelow) return;
    const left = this.batches.filter(({ baseOffset }) => baseOffset >= start);
    const bytes = left.reduce(
      (sum, { body, records }) => sum + (body?.length ?? (records[0]?.value?.length ?? 0) + 200) + 21,
      0,
    );
    if (bytes < this.retentionBytes) this.#fail(`only ${bytes} of ${this.retentionBytes} bytes were kept`);
  }

  #checkVerbatim(start: number, found: readonly FoundBatch[], isReadable: boolean): void {
    const present = this.#presentRecords(found);
    const batches = new Map(found.map((batch) => [batch.baseOffset, batch]));
    const until = isReadable ? Number.POSITIVE_INFINITY : (found.at(-1)?.lastOffset ?? -1) + 1;
    for (const { baseOffset, body, records, end } of this.batches) {
      if (baseOffset + records.length <= start || baseOffset >= until) continue;
      const batch = batches.get(baseOffset);
      if (body !== null && batch === undefined) this.#fail(`the batch at ${baseOffset} is gone`);
      if (body !== null && !batch?.body.equals(body)) this.#fail(`the batch at ${baseOffset} is another one`);
      const isThere = end !== null || baseOffset < start || present.has(baseOffset);
      if (!isThere) this.#fail(`offset ${baseOffset} is gone`);
    }
  }

  #checkCompacted(start: number, found: readonly FoundBatch[], isReadable: boolean): void {
    const present = this.#presentRecords(found);
    const aborted = this.#abortedOffsets();
    const last = new Map<string, FoundRecord>();
    for (const record of this.#records()) {
      if (record.key === null || aborted.has(record.offset)) continue;
      last.set(record.key, record);
      const isOpen = record.offset >= Math.max(start, Math.min(this.end, ...this.#open.values()));
      if (isReadable && isOpen && !present.has(record.offset))
        this.#fail(`offset ${record.offset} is gone too soon`);
    }
    if (!isReadable) return;
    for (const [key, { offset, value }] of last) {
      if (offset < start) continue;
      if (value !== null && !present.has(offset))
        this.#fail(`the last value of ${key}, at ${offset}, is gone`);
      if (present.has(offset)) continue;
      const older = [...present.values()].find((each) => each.key === key && !aborted.has(each.offset));
      if (older !== undefined) this.#fail(`${key} was deleted at ${offset}, and is back at ${older.offset}`);
    }
  }

  /** By offset; each is one that was appended there. */
  #presentRecords(found: readonly FoundBatch[]): Map<number, FoundRecord> {
    const appended = new Map(Array.from(this.#records(), (record) => [record.offset, record]));
    const present = new Map<number, FoundRecord>();
    let next = 0;
    for (const { baseOffset, records } of found) {
      if (baseOffset < next) this.#fail(`offsets go back to ${baseOffset}`);
      for (const record of records) {
        const { key, value } = appended.get(record.offset) ?? { key: 'nothing', value: '' };
        if (record.key !== key || record.value !== value)
          this.#fail(`offset ${record.offset} has something else`);
        if (record.offset < next) this.#fail(`offsets go back to ${record.offset}`);
        next = record.offset + 1;
        present.set(record.offset, record);
      }
    }
    return present;
  }

  *#records(): Iterable<FoundRecord> {
    for (const { baseOffset, records, end } of this.batches) {
      if (end !== null) continue;
      for (const [index, record] of records.entries()) yield { ...record, offset: baseOffset + index };
    }
  }

  #abortedOffsets(): Set<number> {
    const offsets = new Set<number>();
    let undecided: ExpectedBatch[] = [];
    for (const batch of this.batches) {
      if (batch.producerId === null) continue;
      if (batch.end === null) {
        undecided.push(batch);
        continue;
      }
      for (const { producerId, baseOffset, records } of undecided) {
        if (producerId !== batch.producerId || batch.end === 'commit') continue;
        for (let index = 0; index < records.length; index++) offsets.add(baseOffset + index);
      }
      undecided = undecided.filter(({ producerId }) => producerId !== batch.producerId);
    }
    return offsets;
  }

  #fail(what: string): never {
    throw new HistoryError(`stream ${this.name} (${this.kind}): ${what}`);
  }
}
