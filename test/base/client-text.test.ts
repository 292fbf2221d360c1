import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { clientText, withClientTexts } from '../../src/base/client-text.ts';

it('a text of a client is shown whole up to 255 bytes, and cut between characters beyond them', () => {
  assert.equal(clientText('a'.repeat(255)), 'a'.repeat(255));
  assert.equal(clientText('a'.repeat(256)), `${'a'.repeat(252)}…`);
  assert.equal(clientText('ü'.repeat(127)), 'ü'.repeat(127));
  assert.equal(clientText('ü'.repeat(500_000)), `${'ü'.repeat(126)}…`);
  assert.equal(clientText('𝄞'.repeat(64)), `${'𝄞'.repeat(63)}…`);
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 400 }), (text) => {
      const shown = clientText(text);
      assert.ok(Buffer.byteLength(shown) <= 255);
      assert.ok(shown === text || text.startsWith(shown.slice(0, -1)));
      assert.ok(shown.isWellFormed());
    }),
  );
});

it('texts deep in a value are cut, too, and nothing else of it', () => {
  const long = 'x'.repeat(1000);
  const cut = `${'x'.repeat(252)}…`;
  const bytes = Buffer.alloc(1000);
  assert.deepEqual(withClientTexts({ a: long, b: [long, 1, { [long]: long }], bytes, no: null }), {
    a: cut,
    b: [cut, 1, { [cut]: cut }],
    bytes,
    no: null,
  });
});
