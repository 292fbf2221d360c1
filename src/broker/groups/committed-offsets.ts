import type { OffsetRow, OffsetRows } from './operations.ts';

/** How far a group has read a partition, as it said itself. */
export interface CommittedOffset {
  offset: number;
  leaderEpoch: number;
  metadata: string;
  /** When, in milliseconds since the epoch. */
  commitMs: number;
  /** When it is to be forgotten, if whoever committed it said so; otherwise the group's retention counts. */
  expiresMs: number | null;
  /** Which of two is the later one. */
  order: number;
}

/** One partition's, with those that wait for the end of a transaction, by the id of the producer. */
interface PartitionOffsets {
  committed: CommittedOffset | null;
  pending: Map<number, CommittedOffset> | null;
}

/** Rows of a snapshot are written so many at a time. */
const ROWS_MAX = 1000;

/** Where a group stands in each partition. */
export class CommittedOffsets {
  readonly #byStream = new Map<string, Map<number, PartitionOffsets>>();
  /** Where each producer has pending offsets. */
  readonly #pending = new Map<number, { readonly streamId: string; readonly partition: number }[]>();
  #order = 0;
  #count = 0;
  #slots = 0;

  /** Partitions with a committed offset. */
  get count(): number {
    return this.#count;
  }

  /** Partitions with a committed offset, or one that waits for the end of a transaction. */
  get partitionCount(): number {
    return this.#slots;
  }

  has(streamId: string, partition: number): boolean {
    return this.#byStream.get(streamId)?.has(partition) === true;
  }

  get hasPending(): boolean {
    return this.#pending.size > 0;
  }

  get isEmpty(): boolean {
    return this.#count === 0 && this.#pending.size === 0;
  }

  streamIds(): Iterable<string> {
    return this.#byStream.keys();
  }

  /** Of one stream, by partition. */
  *of(streamId: string): Iterable<readonly [partition: number, offset: CommittedOffset]> {
    for (const [partition, { committed }] of this.#byStream.get(streamId) ?? []) {
      if (committed !== null) yield [partition, committed];
    }
  }

  get(streamId: string, partition: number): CommittedOffset | null {
    return this.#byStream.get(streamId)?.get(partition)?.committed ?? null;
  }

  /** Whether a transaction that has not ended may move it. */
  isPending(streamId: string, partition: number): boolean {
    const pending = this.#byStream.get(streamId)?.get(partition)?.pending;
    return pending !== null && pending !== undefined && pending.size > 0;
  }

  commit(atMs: number, rows: OffsetRows): void {
    for (const streamId in rows) {
      for (const row of rows[streamId]) {
        const slot = this.#slot(streamId, row[0]);
        if (slot.committed === null) {
          this.#count++;
          slot.committed = toOffset(row, atMs, ++this.#order);
        } else {
          setOffset(slot.committed, row, atMs, ++this.#order);
        }
      }
    }
  }

  addPending(producer: number, atMs: number, rows: OffsetRows): void {
    for (const streamId in rows) {
      for (const row of rows[streamId]) {
        const slot = this.#slot(streamId, row[0]);
        slot.pending ??= new Map();
        // They stay in the order in which they came: a snapshot keeps no other.
        if (!slot.pending.delete(producer)) this.#placesOf(producer).push({ streamId, partition: row[0] });
        slot.pending.set(producer, toOffset(row, atMs, ++this.#order));
      }
    }
  }

  /** A transaction ended: its offsets count, but for those that were overtaken by a later commit, or are dropped. */
  complete(producer: number, isCommitted: boolean): void {
    const places = this.#pending.get(producer) ?? [];
    this.#pending.delete(producer);
    for (const { streamId, partition } of places) {
      const slot = this.#byStream.get(streamId)?.get(partition);
      const pending = slot?.pending?.get(producer);
      if (slot === undefined || pending === undefined) continue;
      slot.pending?.delete(producer);
      if (isCommitted && (slot.committed === null || slot.committed.order < pending.order)) {
        if (slot.committed === null) this.#count++;
        slot.committed = pending;
      }
      this.#tidy(streamId, partition, slot);
    }
  }

  /** The committed one; what is pending stays. */
  forget(streamId: string, partition: number): void {
    const slot = this.#byStream.get(streamId)?.get(partition);
    if (slot === undefined || slot.committed === null) return;
    slot.committed = null;
    this.#count--;
    this.#tidy(streamId, partition, slot);
  }

  /** The stream is no more. */
  forgetStream(streamId: string): void {
    for (const { committed } of this.#byStream.get(streamId)?.values() ?? []) {
      if (committed !== null) this.#count--;
    }
    this.#slots -= this.#byStream.get(streamId)?.size ?? 0;
    this.#byStream.delete(streamId);
    for (const [producer, places] of this.#pending) {
      const left = places.filter((place) => place.streamId !== streamId);
      if (left.length > 0) this.#pending.set(producer, left);
      else this.#pending.delete(producer);
    }
  }

  /**
   * All of it, in the order that makes the same of nothing: what is pending and was overtaken by a commit comes before
   * the commits, what came after them behind.
   */
  *rows(): Iterable<{ readonly producer: number | null; readonly t: number; readonly o: OffsetRows }> {
    yield* this.#pendingRows((pending, committed) => committed !== null && pending.order < committed.order);
    yield* this.#committedRows();
    yield* this.#pendingRows((pending, committed) => committed === null || pending.order > committed.order);
  }

  /** What was committed at the same time goes together. */
  *#committedRows(): Iterable<{ readonly producer: null; readonly t: number; readonly o: OffsetRows }> {
    const byTime = new Map<number, { o: { [streamId: string]: OffsetRow[] }; count: number }>();
    for (const [streamId, partitions] of this.#byStream) {
      for (const [partition, { committed }] of partitions) {
        if (committed === null) continue;
        let batch = byTime.get(committed.commitMs);
        if (batch === undefined || batch.count === ROWS_MAX) {
          if (batch !== undefined) yield { producer: null, t: committed.commitMs, o: batch.o };
          byTime.set(committed.commitMs, (batch = { o: {}, count: 0 }));
        }
        (batch.o[streamId] ??= []).push(toRow(partition, committed));
        batch.count++;
      }
    }
    for (const [t, { o }] of byTime) yield { producer: null, t, o };
  }

  *#pendingRows(
    isWanted: (pending: CommittedOffset, committed: CommittedOffset | null) => boolean,
  ): Iterable<{ readonly producer: number; readonly t: number; readonly o: OffsetRows }> {
    if (this.#pending.size === 0) return;
    for (const [streamId, partitions] of this.#byStream) {
      for (const [partition, { committed, pending }] of partitions) {
        for (const [producer, offset] of pending ?? []) {
          if (!isWanted(offset, committed)) continue;
          yield { producer, t: offset.commitMs, o: { [streamId]: [toRow(partition, offset)] } };
        }
      }
    }
  }

  #slot(streamId: string, partition: number): PartitionOffsets {
    let partitions = this.#byStream.get(streamId);
    if (partitions === undefined) this.#byStream.set(streamId, (partitions = new Map()));
    let slot = partitions.get(partition);
    if (slot === undefined) {
      partitions.set(partition, (slot = { committed: null, pending: null }));
      this.#slots++;
    }
    return slot;
  }

  #tidy(streamId: string, partition: number, slot: PartitionOffsets): void {
    if (slot.pending?.size === 0) slot.pending = null;
    if (slot.committed !== null || slot.pending !== null) return;
    const partitions = this.#byStream.get(streamId);
    if (partitions?.delete(partition) === true) this.#slots--;
    if (partitions?.size === 0) this.#byStream.delete(streamId);
  }

  #placesOf(producer: number): { readonly streamId: string; readonly partition: number }[] {
    let places = this.#pending.get(producer);
    if (places === undefined) this.#pending.set(producer, (places = []));
    return places;
  }
}

/** A row without what it need not say. */
export function offsetRow(
  partition: number,
  offset: number,
  leaderEpoch: number,
  metadata: string,
  expiresMs: number | null,
): OffsetRow {
  if (expiresMs !== null) return [partition, offset, leaderEpoch, metadata, expiresMs];
  if (metadata !== '') return [partition, offset, leaderEpoch, metadata];
  return leaderEpoch === -1 ? [partition, offset] : [partition, offset, leaderEpoch];
}

function toRow(partition: number, { offset, leaderEpoch, metadata, expiresMs }: CommittedOffset): OffsetRow {
  return offsetRow(partition, offset, leaderEpoch, metadata, expiresMs);
}

function toOffset(row: OffsetRow, commitMs: number, order: number): CommittedOffset {
  const offset = { offset: 0, leaderEpoch: -1, metadata: '', commitMs, expiresMs: null, order };
  setOffset(offset, row, commitMs, order);
  return offset;
}

function setOffset(
  to: CommittedOffset,
  [, offset, leaderEpoch = -1, metadata = '', expiresMs]: OffsetRow,
  commitMs: number,
  order: number,
): void {
  to.offset = offset;
  to.leaderEpoch = leaderEpoch;
  to.metadata = metadata;
  to.commitMs = commitMs;
  to.expiresMs = expiresMs ?? null;
  to.order = order;
}
