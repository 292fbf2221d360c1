import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { writeVarint } from '../../src/records/record-content.ts';
import { HeaderView, headerLength, withHeaders, writeHeader } from '../../src/records/record-header.ts';

const text = fc.string({ maxLength: 200, unit: 'binary' });
const header = fc.tuple(text, fc.option(text));

function write(headers: readonly (readonly [string, string | null])[]): Buffer {
  const parts = headers.map(([name, value]) => {
    const [nameBytes, valueBytes] = [Buffer.from(name), value === null ? null : Buffer.from(value)];
    const bytes = Buffer.alloc(headerLength(nameBytes, valueBytes));
    assert.equal(writeHeader(bytes, 0, nameBytes, valueBytes), bytes.length);
    return bytes;
  });
  return Buffer.concat(parts);
}

function read(bytes: Buffer, start: number): [string, string | null][] {
  const view = new HeaderView();
  const headers: [string, string | null][] = [];
  for (let at = start; at < bytes.length; at = view.valueEnd) {
    assert.ok(view.parse(bytes, at, bytes.length));
    const value = view.valueIsNull ? null : bytes.toString('utf8', view.valueStart, view.valueEnd);
    headers.push([bytes.toString('utf8', view.nameStart, view.nameEnd), value]);
  }
  return headers;
}

/** A content without a key and a value. */
function contentOf(headers: readonly (readonly [string, string | null])[]): {
  content: Buffer;
  start: number;
} {
  const head = Buffer.alloc(7);
  const start = writeVarint(head, writeVarint(head, writeVarint(head, 0, -1), -1), headers.length);
  return { content: Buffer.concat([head.subarray(0, start), write(headers)]), start };
}

test('headers that are written are read back, in their order', () => {
  fc.assert(fc.property(fc.array(header), (headers) => assert.deepEqual(read(write(headers), 0), headers)));
});

test('headers that a content gets are behind those that it has, and in the place of those of the same names', () => {
  fc.assert(
    fc.property(fc.array(header, { maxLength: 70 }), fc.array(fc.tuple(text, text)), (some, more) => {
      const others = some.filter(([name]) => !more.some(([each]) => each === name));
      const all = contentOf([...others, ...more]);
      assert.deepEqual(withHeaders(contentOf(some).content, more), all.content);
      assert.deepEqual(read(all.content, all.start), [...others, ...more]);
    }),
  );
});

test('bytes that are no header are refused, and never read beyond their end', () => {
  const view = new HeaderView();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 30 }), (noise) => {
      if (!view.parse(Buffer.from(noise), 0, noise.length)) return;
      assert.ok(view.nameStart <= view.nameEnd && view.nameEnd < view.valueStart);
      assert.ok(view.valueStart <= view.valueEnd && view.valueEnd <= noise.length);
    }),
  );
  const bytes = write([['name', 'value']]);
  for (let end = 0; end < bytes.length; end++)
    assert.equal(view.parse(bytes, 0, end), false, `cut at ${end}`);
});
