import { Segment, type SegmentInfo, segmentFileName } from './segment.ts';

/**
 * The segments of one log, as the next snapshot will name them, and those that it will not name any more. In memory
 * alone: files follow when that snapshot is durable (`SegmentRewrites.deleteDropped`).
 */
export class SegmentTable {
  readonly directory: string;
  readonly #isStream: boolean;
  /** In order of their offsets; the last may be the active one. */
  segments: readonly Segment[];
  /** The segment that the next append may go to. */
  active: Segment | null;
  /** Not in the table any more, but perhaps in that of the last snapshot. */
  dropped: readonly Segment[] = [];
  /** Behind the last record; 0 if none was ever appended, or all are gone since before the start. */
  endOffset: number;
  /** An append is under way: it may be writing to the active segment, which stays in the table. */
  appending: Promise<void> | null = null;
  isRemoved = false;

  constructor(directory: string, infos: readonly SegmentInfo[], isStream: boolean) {
    this.directory = directory;
    this.#isStream = isStream;
    this.segments = infos.map((info) => this.segmentOf(info, false));
    this.active = this.segments.at(-1) ?? null;
    this.endOffset = this.active?.endOffset ?? 0;
  }

  segmentOf(info: SegmentInfo, isNew: boolean): Segment {
    return new Segment(info, this.pathOf(info), isNew, this.#isStream);
  }

  pathOf(info: SegmentInfo): string {
    return `${this.directory}/${segmentFileName(info.baseOffset)}`;
  }

  /** Whether it has been rewritten, and waits for a snapshot to take the place of what it was made of. */
  isReplaced(segment: Segment): boolean {
    return segment.path !== this.pathOf(segment);
  }

  /** The first offset that a read may find. */
  get startOffset(): number {
    return this.segments.length > 0 ? this.segments[0].baseOffset : this.endOffset;
  }

  get bytes(): number {
    let bytes = 0;
    for (const segment of this.segments) bytes += segment.bytes;
    return bytes;
  }

  infos(): SegmentInfo[] {
    return this.segments.map((segment) => segment.info());
  }

  /** The first segment with offsets at or after `offset`. */
  reaching(offset: number): Segment | undefined {
    let low = 0;
    let high = this.segments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.segments[middle].endOffset <= offset) low = middle + 1;
      else high = middle;
    }
    return this.segments[low];
  }

  /** A new segment enters the table with its first batch. */
  activate(segment: Segment): void {
    if (segment === this.active) return;
    this.segments = [...this.segments, segment];
    this.active = segment;
  }

  dropWhere(isDroppable: (segment: Segment) => boolean): void {
    const kept: Segment[] = [];
    const dropped: Segment[] = [];
    for (const segment of this.segments) {
      const isInUse = segment === this.active && this.appending !== null;
      (isInUse || !isDroppable(segment) ? kept : dropped).push(segment);
    }
    if (dropped.length === 0) return;
    this.segments = kept;
    this.dropped = [...this.dropped, ...dropped];
    for (const segment of dropped) {
      segment.isDropped = true;
      if (segment === this.active) this.active = null;
    }
  }

  /**
   * Puts `copy` in the place of closed segments that are side by side, or nothing if it is empty. False if they are not in
   * the table any more.
   */
  replace(group: readonly Segment[], copy: Segment): boolean {
    const at = this.segments.indexOf(group[0]);
    if (this.isRemoved || at < 0) return false;
    if (!group.every((segment, index) => this.segments[at + index] === segment)) return false;
    const isEmpty = copy.bytes === 0;
    const after = this.segments.slice(at + group.length);
    this.segments = [...this.segments.slice(0, at), ...(isEmpty ? [] : [copy]), ...after];
    for (const segment of group) segment.isDropped = true;
    // The first one's file is replaced, those of the others are deleted, after a later snapshot.
    this.dropped = [...this.dropped, ...(isEmpty ? group : group.slice(1))];
    return true;
  }

  clear(): void {
    this.segments = [];
    this.dropped = [];
    this.active = null;
  }
}
