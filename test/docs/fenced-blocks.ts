import { globSync } from 'node:fs';
import { ROOT, readLines } from './pages.ts';

export interface Block {
  /** What follows the fence: 'sh', 'console', …; empty if nothing does. */
  readonly language: string;
  readonly text: string;
  /** From 1. */
  readonly line: number;
  /** The file that it is said to be, in the lines before it: 'first.mjs'. */
  readonly title: string;
}

export interface BlockPage {
  readonly path: string;
  readonly blocks: readonly Block[];
}

const PAGES = [
  'README.md',
  ...globSync('docs/*.md', { cwd: ROOT }).sort(),
  ...globSync('examples/**/README.md', { cwd: ROOT }).sort(),
];

/** The pages for users that have fenced blocks. */
export const BLOCKS: readonly BlockPage[] = PAGES.map((path) => path.replaceAll('\\', '/'))
  .map((path) => ({ path, blocks: blocksOf(readLines(path)) }))
  .filter(({ blocks }) => blocks.length > 0);

function blocksOf(lines: readonly string[]): Block[] {
  const blocks: Block[] = [];
  let start = -1;
  for (const [index, line] of lines.entries()) {
    if (!line.startsWith('```')) continue;
    if (start === -1) {
      start = index;
      continue;
    }
    const before = lines.slice(Math.max(0, start - 6), start).join(' ');
    blocks.push({
      language: lines[start]!.slice('```'.length).trim(),
      text: lines.slice(start + 1, index).join('\n'),
      line: start + 1,
      title: before.match(/`([\w-]+\.mjs)`(?!.*`[\w-]+\.mjs`)/)?.[1] ?? `block-${start + 1}.mjs`,
    });
    start = -1;
  }
  return blocks;
}
