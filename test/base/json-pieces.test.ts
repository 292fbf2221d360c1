import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { jsonPieces } from '../../src/base/json-pieces.ts';

it('the pieces are together what JSON.stringify makes of it, and none is much longer than it should be', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), fc.integer({ min: 1, max: 50 }), (value, length) => {
      assert.equal([...jsonPieces(value, length)].join(''), JSON.stringify(value));
    }),
  );
  const left = { undefined, in: [undefined, 1], deep: { undefined, n: null } };
  assert.equal([...jsonPieces(left, 10)].join(''), JSON.stringify(left));
  const large = { broker: { parts: Array.from({ length: 1000 }, (_, i) => `part ${i} "of it"`) } };
  const pieces = [...jsonPieces(large, 100)];
  assert.equal(pieces.join(''), JSON.stringify(large));
  assert.ok(pieces.length > 100 && pieces.every((piece) => piece.length < 130));
});
