import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { oldClosures } from './old-closures.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

describe('closures', () => {
  it('are not assigned to a field where they are written: V8 would keep what they have seen', () => {
    const found = globSync('src/**/*.ts', { cwd: ROOT }).flatMap((path) =>
      oldClosures(readFileSync(join(ROOT, path), 'utf8')).map(({ line, text }) => `${path}:${line}: ${text}`),
    );
    assert.equal(found.length, 0, `a constant first, then the assignment:\n${found.join('\n')}`);
  });

  it('that are assigned are found, and what only looks like them is not', () => {
    const count = (source: string): number => oldClosures(source).length;
    assert.equal(count('a.b = () => c;'), 1);
    assert.equal(count('this.#b ??= async (d, (e)) => c;'), 1);
    assert.equal(count('a[b] = d => c;'), 1);
    assert.equal(count('a.b = (d: string): number =>\n c;'), 1);
    assert.equal(count('a.b = function () {};'), 1);
    assert.equal(count('const b = () => c; a.b = b;'), 0);
    assert.equal(count('class A { readonly #b = (): void => c; static d = () => e; }'), 0);
    assert.equal(count('a.b = { c: () => d };'), 0);
    assert.equal(count('a.b = c(() => d);'), 0);
    assert.equal(count('if (a.b >= c) d = () => e;'), 0);
    assert.equal(count("// a.b = () => c\n'a.b = () => c'"), 0);
  });
});
