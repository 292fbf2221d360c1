import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { argumentSpreads } from './argument-spreads.ts';

/** A command line has as many words as one can write down. */
const EXCEPT = new Set(['src/cli/admin/command.ts: ...command.args);']);

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

describe('arguments', () => {
  it('are not spread out of arrays: one of any size would end the process', () => {
    const found = globSync('src/**/*.ts', { cwd: ROOT }).flatMap((path) =>
      argumentSpreads(readFileSync(join(ROOT, path), 'utf8'))
        .filter(({ text }) => !EXCEPT.has(`${path}: ${text}`))
        .map(({ line, text }) => `${path}:${line}: ${text}`),
    );
    assert.equal(found.length, 0, `\n${found.join('\n')}`);
  });

  it('that are spread are found, and what only looks like them is not', () => {
    const texts = (source: string): string[] => argumentSpreads(source).map(({ text }) => text.slice(3, 7));
    assert.deepEqual(texts('Math.max(...many); ids.push(0, ...more);'), ['many', 'more']);
    assert.deepEqual(texts('list.splice(0, 1, ...(a ? [] : [b]))'), ['(a ?']);
    assert.deepEqual(texts('new Thing(...args)'), ['args']);
    assert.deepEqual(texts('f([...a], { ...b }, new Set([...c]))'), []);
    assert.deepEqual(texts('function f(a: string, ...rest: string[]) { return g(...rest); }'), []);
    assert.deepEqual(texts('const f = (...rest) => g(h(...rest));'), []);
    assert.deepEqual(texts("// f(...a)\nf('...b)');"), []);
  });
});
