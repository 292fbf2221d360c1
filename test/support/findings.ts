import assert from 'node:assert/strict';

/** Findings, one a line, of what there must be none of. */
export function none(found: readonly string[]): void {
  assert.equal(found.length, 0, `\n${found.join('\n')}`);
}
