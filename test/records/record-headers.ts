import type { RecordCursor } from '../../src/records/record-cursor.ts';
import { RecordFormatError } from '../../src/records/record-format-error.ts';
import { HeaderView } from '../../src/records/record-header.ts';

/** The headers of the cursor's record, after `readContent`, as text or digits. */
export function headersOfRecord(
  cursor: RecordCursor,
  encoding: BufferEncoding = 'utf8',
): [string, string | null][] {
  const { bytes, headersStart, contentEnd, headerCount } = cursor;
  const view = new HeaderView();
  const headers: [string, string | null][] = [];
  let at = headersStart;
  for (let left = headerCount; left > 0; left--) {
    if (!view.parse(bytes, at, contentEnd)) throw new RecordFormatError(`no header at ${at}`);
    const value = view.valueIsNull ? null : bytes.toString(encoding, view.valueStart, view.valueEnd);
    headers.push([bytes.toString(encoding, view.nameStart, view.nameEnd), value]);
    at = view.valueEnd;
  }
  if (at !== contentEnd) throw new RecordFormatError(`${contentEnd - at} bytes behind the headers`);
  return headers;
}
