import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Page {
  /** From the root of the repository, with '/'. */
  readonly path: string;
  readonly lines: readonly string[];
}

/** Every page of the repository, those beside tests and examples included. */
export function readPages(): Page[] {
  const excluded = /(^|[\\/])(node_modules|bench-results|dist|\.git)([\\/]|$)/;
  const paths = globSync('**/*.md', { cwd: ROOT, exclude: (path) => excluded.test(path) });
  return paths
    .map((path) => path.replaceAll('\\', '/'))
    .sort()
    .map((path) => ({ path, lines: readLines(path) }));
}

export function readLines(path: string): string[] {
  return readFileSync(join(ROOT, path), 'utf8').split('\n');
}

/** The paths below `src/` and `test/` in a text; one in an address of the web is none of ours. */
export function pathsIn(text: string): string[] {
  return [...text.matchAll(/(?<![\w./@-])(?:src|test)\/[\w./*-]*/g)].map(([path]) => path.replace(/\.$/, ''));
}
