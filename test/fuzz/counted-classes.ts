import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Objects are counted by the names of their classes: one that is named otherwise by now would never be found. */
export function assertClassesExist(names: readonly string[]): void {
  const cwd = fileURLToPath(new URL('../../', import.meta.url));
  const text = globSync('src/**/*.ts', { cwd })
    .map((path) => readFileSync(`${cwd}/${path}`, 'utf8'))
    .join('\n');
  const missing = names.filter((name) => !new RegExp(`class ${name}\\b`).test(text));
  assert.deepEqual(missing, []);
}
