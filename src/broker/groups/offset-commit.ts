import type { OffsetRow, OffsetRows } from './operations.ts';

/** Where members are, as they say with a commit; -1, '' and null from who is no member. */
export interface CommitRequest {
  readonly vhost: string;
  readonly group: string;
  readonly memberId: string;
  readonly instanceId: string | null;
  /** The generation of a classic group, the member's epoch in the others. */
  readonly generation: number;
  /** In a consumer group, whether the client knows that what it says is an epoch. */
  readonly knowsEpochs: boolean;
  /** By the id of the stream; see `OffsetRowsBuilder`. */
  readonly rows: OffsetRows;
  /** Who commits; left out where no user does. */
  readonly user?: string;
}

/** What one operation of the journal holds: a commit of more is several operations, so that others can go on between. */
export const OFFSET_ROWS_MAX = 1000;

/** Characters of the metadata beside them, for the same reason. */
export const OFFSET_METADATA_MAX = 128 * 1024;

/** Gathers what is committed. */
export class OffsetRowsBuilder {
  readonly rows: { [streamId: string]: OffsetRow[] } = {};
  count = 0;
  metadataLength = 0;

  add(streamId: string, row: OffsetRow, metadata = ''): void {
    (this.rows[streamId] ??= []).push(row);
    this.count++;
    this.metadataLength += metadata.length;
  }

  /** Whether it is as much as one operation holds. */
  get isFull(): boolean {
    return this.count >= OFFSET_ROWS_MAX || this.metadataLength >= OFFSET_METADATA_MAX;
  }
}
