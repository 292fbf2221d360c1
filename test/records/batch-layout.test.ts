import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const SRC = fileURLToPath(new URL('../../src/', import.meta.url));

test('only records/ knows where a field of a record batch stands', () => {
  const paths = globSync('{log,broker,cli/doctor,servers/kafka,wire/kafka}/**/*.ts', { cwd: SRC });
  assert.ok(paths.length > 100);
  for (const path of paths) {
    const text = readFileSync(join(SRC, path), 'utf8');
    const layout = /import \{([^}]*)\} from '[^']*records\/batch-layout\.ts'/.exec(text)?.[1] ?? '';
    assert.doesNotMatch(layout, /_AT\b/, path);
    // All else that the broker and its log keep is little-endian, or text.
    if (/^(log|broker)\//.test(path)) assert.doesNotMatch(text, /\.(read|write)\w+BE\(/, path);
  }
});
