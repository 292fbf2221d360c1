import { readVarint, varintEnd, varintLength, writeVarint } from './record-content.ts';

/*
 * The headers of a record, behind each other at the end of its content (record-cursor.ts):
 *
 *     header = nameLength varint | name | valueLength varint (-1: none) | value
 */

/** Where the parts of one header are, in the buffer that was given to `parse`. As for Kafka, any negative length is none. */
export class HeaderView {
  nameStart = 0;
  nameEnd = 0;
  valueStart = 0;
  /** Where the next header begins, too. */
  valueEnd = 0;
  /** There is no value, which is not the same as an empty one. */
  valueIsNull = false;

  /** The header at `at`; false if it does not end at or before `end`: then the fields mean nothing. */
  parse(buffer: Buffer, at: number, end: number): boolean {
    const nameLength = readVarint(buffer, at);
    this.nameStart = varintEnd(buffer, at);
    this.nameEnd = this.nameStart + nameLength;
    if (nameLength < 0 || this.nameEnd > end) return false;
    const valueLength = readVarint(buffer, this.nameEnd);
    this.valueIsNull = valueLength < 0;
    this.valueStart = varintEnd(buffer, this.nameEnd);
    this.valueEnd = valueLength < 0 ? this.valueStart : this.valueStart + valueLength;
    return this.valueEnd <= end;
  }
}

/** The bytes that `writeHeader` will write. */
export function headerLength(name: Uint8Array, value: Uint8Array | null): number {
  const size = value === null ? varintLength(-1) : varintLength(value.length) + value.length;
  return varintLength(name.length) + name.length + size;
}

/** Writes a header at `at`; gives the position after it. */
export function writeHeader(target: Buffer, at: number, name: Uint8Array, value: Uint8Array | null): number {
  at = writeVarint(target, at, name.length);
  target.set(name, at);
  at += name.length;
  if (value === null) return writeVarint(target, at, -1);
  at = writeVarint(target, at, value.length);
  target.set(value, at);
  return at + value.length;
}

/**
 * A copy of a record's content with more headers, pairs of name and value, behind those that it has. Its own of the same
 * names are left out: they would be taken for these.
 */
export function withHeaders(content: Buffer, headers: readonly (readonly [string, string])[]): Buffer {
  const countAt = behindBytes(content, behindBytes(content, 0));
  const more = headers.map(
    ([name, value]) => [Buffer.from(name, 'utf8'), Buffer.from(value, 'utf8')] as const,
  );
  const kept = headersWithout(
    content,
    countAt,
    more.map(([name]) => name),
  );
  const count = kept.length + more.length;
  let length = countAt + varintLength(count);
  for (const header of kept) length += header.length;
  for (const [name, value] of more) length += headerLength(name, value);
  const target = Buffer.allocUnsafe(length);
  content.copy(target, 0, 0, countAt);
  let at = writeVarint(target, countAt, count);
  for (const header of kept) at += header.copy(target, at);
  for (const [name, value] of more) at = writeHeader(target, at, name, value);
  return target;
}

/** The headers of a content whose names are none of these, each as a view of its bytes. */
function headersWithout(content: Buffer, countAt: number, names: readonly Buffer[]): Buffer[] {
  const kept: Buffer[] = [];
  const view = new HeaderView();
  let at = varintEnd(content, countAt);
  for (let left = readVarint(content, countAt); left > 0; left--) {
    if (!view.parse(content, at, content.length)) break;
    const name = content.subarray(view.nameStart, view.nameEnd);
    if (!names.some((each) => each.equals(name))) kept.push(content.subarray(at, view.valueEnd));
    at = view.valueEnd;
  }
  return kept;
}

/** The position behind a length, -1 for none, and as many bytes. */
function behindBytes(content: Buffer, at: number): number {
  return varintEnd(content, at) + Math.max(0, readVarint(content, at));
}
