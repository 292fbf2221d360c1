import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ROOT, readLines } from './pages.ts';

const PAGE = 'docs/troubleshooting.md';
/** Those of commander's. */
const OF_OTHERS = new Set(['unknown option', 'unknown command']);

/** All texts of the sources; those that are written over several lines are put together. */
function sourceTexts(): string {
  const paths = ['bin/sluice', ...globSync('src/**/*.ts', { cwd: ROOT })];
  return paths
    .map((path) => readFileSync(join(ROOT, path), 'utf8'))
    .join('\n')
    .replaceAll(/['"`]\s*\+\s*['"`]/g, '');
}

describe('the page of messages', () => {
  const texts = sourceTexts();
  const rows = readLines(PAGE).flatMap((line, index) => {
    const [, cell = '', cause = '', action = ''] = /^\| (`.+?) \| (.+?) \| (.+?) \|$/.exec(line) ?? [];
    return cell === '' ? [] : [{ line: index + 1, cell, cause, action }];
  });

  it('quotes messages that are in the sources', () => {
    assert.ok(rows.length > 40, `${rows.length} rows`);
    const missing = rows.flatMap(({ line, cell }) =>
      [...cell.matchAll(/`([^`]+)`/g)].flatMap(([, message = '']) =>
        message
          .split('…')
          .map((part) => part.trim())
          .filter((part) => part !== '' && !OF_OTHERS.has(part) && !texts.includes(part))
          .map((part) => `${PAGE}:${line}: no source says '${part}'`),
      ),
    );
    assert.deepEqual(missing, []);
  });

  it('tells cause and remedy of each', () => {
    for (const { line, cause, action } of rows) assert.ok(cause !== '' && action !== '', `${PAGE}:${line}`);
  });
});
