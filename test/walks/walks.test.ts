import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, it } from 'node:test';
import { detoursOf, type Entry, stepsOf } from './trace.ts';
import { ROOT } from './traced-broker.ts';
import { traceWalks, WALKS, type WalkName } from './walks.ts';

/** The most files of each walk, and how many of them may come twice. Less is better. */
const MOST: Readonly<Record<WalkName, { readonly files: number; readonly twice: number }>> = {
  publish: { files: 30, twice: 9 },
  whole: { files: 42, twice: 11 },
  delivery: { files: 15, twice: 1 },
  produce: { files: 59, twice: 10 },
  fetch: { files: 51, twice: 9 },
};

/** The headings of the page. */
const HEADINGS: Partial<Record<WalkName, string>> = {
  publish: 'A publish to its confirm',
  delivery: 'A delivery',
  produce: 'A Produce',
  fetch: 'A Fetch',
};

describe('the walks of a message', () => {
  let traced: Record<WalkName, readonly Entry[]>;
  before(async () => {
    traced = await traceWalks(ROOT);
  });

  for (const [name, title] of Object.entries(WALKS) as [WalkName, string][]) {
    it(`${title}: at most ${MOST[name].files} files, ${MOST[name].twice} of which come twice`, () => {
      const files = stepsOf(traced[name]).map(({ file }) => file);
      assert.ok(files.length <= MOST[name].files, `${files.length} files:\n${files.join('\n')}`);
      const twice = new Set(detoursOf(traced[name]).map(({ file }) => file));
      assert.ok(twice.size <= MOST[name].twice, `${twice.size} files come twice:\n${[...twice].join('\n')}`);
    });
  }

  it('are those of the page docs/design/walks.md', () => {
    const page = readFileSync(new URL('../../docs/design/walks.md', import.meta.url), 'utf8');
    for (const [name, heading] of Object.entries(HEADINGS) as [WalkName, string][]) {
      const section = page.split(/^### /m).find((text) => text.startsWith(`${heading}\n`)) ?? '';
      const listed = Array.from(section.matchAll(/^\d+\. `([^`]+)`/gm), ([, file]) => `src/${file}`);
      const walked = stepsOf(traced[name]).map(({ file }) => file);
      assert.deepEqual(listed.toSorted(), walked.toSorted(), heading);
    }
  });
});
