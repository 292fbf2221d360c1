import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Value } from '../../../src/base/value.ts';
import { hasField } from '../../../src/wire/amqp091/field-search.ts';
import { encodeTable } from '../../../src/wire/amqp091/field-table.ts';
import { FrameWriter } from '../../../src/wire/amqp091/frames.ts';
import { anyTable, anyValue } from './arbitraries.ts';

const NAMES = ['wanted', 'x-other'];
const NAME_BYTES = NAMES.map((name) => Buffer.from(name));

function encoded(table: { readonly [key: string]: Value }): Buffer {
  const writer = new FrameWriter();
  encodeTable(writer, table);
  return writer.take();
}

describe('the search for a field of a table', () => {
  it('finds one of the names among fields of every type, and not where it is inside another value', () => {
    fc.assert(
      fc.property(anyTable, anyTable, fc.constantFrom(...NAMES), anyValue, (before, after, name, value) => {
        const without = { ...before, inside: { [name]: value }, text: name, ...after };
        for (const wanted of NAMES) delete (without as Record<string, Value>)[wanted];
        // Whatever stands around the table is not looked at.
        const surround = (bytes: Buffer) =>
          Buffer.concat([encoded({ [name]: 1 }), bytes, encoded({ [name]: 1 })]);
        const at = encoded({ [name]: 1 }).length;
        assert.equal(hasField(surround(encoded(without)), at, NAME_BYTES), false);
        assert.equal(hasField(surround(encoded({ ...without, [name]: value })), at, NAME_BYTES), true);
        assert.equal(hasField(surround(encoded({ [name]: value, ...without })), at, NAME_BYTES), true);
      }),
    );
  });
});
