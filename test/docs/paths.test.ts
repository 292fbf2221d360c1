import assert from 'node:assert/strict';
import { existsSync, globSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { none } from '../support/findings.ts';
import { pathsIn, ROOT, readLines, readPages } from './pages.ts';

const pages = readPages();

/** Paths in other repositories, whose tests are run against Sluice: kafka-python's. */
const ELSEWHERE = new Set(['test/integration']);

function isThere(path: string): boolean {
  return path.includes('*') ? globSync(path, { cwd: ROOT }).length > 0 : existsSync(join(ROOT, path));
}

function missing(look: (line: string, directory: string) => readonly string[]): string[] {
  return pages.flatMap(({ path, lines }) =>
    lines.flatMap((line, index) =>
      look(line, dirname(path)).map((name) => `${path}:${index + 1}: there is no ${name}`),
    ),
  );
}

function foldersOf(path: string): string[] {
  return readdirSync(join(ROOT, path), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
}

describe('the pages', () => {
  it('are found, in docs/ and elsewhere', () => {
    const paths = pages.map(({ path }) => path);
    for (const each of ['README.md', 'docs/design/README.md', 'test/interop/README.md']) {
      assert.ok(paths.includes(each), each);
    }
  });

  it('name no path below src/ or test/ that is not there', () => {
    none(missing((line) => pathsIn(line).filter((path) => !ELSEWHERE.has(path) && !isThere(path))));
  });

  it('name no source by its name alone that is not there', () => {
    const sources = globSync(['{src,test,bench,scripts,examples}/**/*.ts'], { cwd: ROOT });
    const names = new Set(sources.map((path) => basename(path)));
    none(
      missing((line) =>
        [...line.matchAll(/`([\w-]+(?:\.test)?\.ts)`/g)]
          .map(([, name]) => name!)
          .filter((name) => !names.has(name)),
      ),
    );
  });

  it('link to no page and no file that is not there', () => {
    none(
      missing((line, directory) =>
        [...line.matchAll(/\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)/g)]
          .map(([, target]) => join(directory, target!))
          .filter((path) => !existsSync(join(ROOT, path))),
      ),
    );
  });
});

/** As GitHub makes it of a heading. */
function anchorOf(heading: string): string {
  const text = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
  return text
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(' ', '-');
}

function anchorsOf(path: string): Set<string> {
  const headings = readLines(path).flatMap((line) => /^#{1,6} (.+)$/.exec(line)?.[1] ?? []);
  return new Set(headings.map(anchorOf));
}

describe('links into pages', () => {
  it('lead to headings that are there', () => {
    none(
      missing((line, directory) =>
        [...line.matchAll(/\]\((?!https?:)([^)#\s]*\.md)?#([^)\s]+)\)/g)].flatMap(
          ([, target, anchor = '']) => {
            const page = target === undefined ? null : join(directory, target);
            if (page === null || !existsSync(join(ROOT, page))) return [];
            return anchorsOf(page).has(anchor) ? [] : [`heading '${anchor}' in ${page}`];
          },
        ),
      ),
    );
  });
});

describe('the drawings of the house', () => {
  for (const page of ['docs/design/README.md', 'CONTRIBUTING.md']) {
    it(`name every floor and every room of the broker: ${page}`, () => {
      const blocks = readLines(page).join('\n').split('```');
      const drawing = blocks.filter((_, index) => index % 2 === 1).find((block) => block.includes('base'));
      assert.ok(drawing !== undefined);
      const folders = [...foldersOf('src'), ...foldersOf('src/broker'), ...foldersOf('src/servers')];
      none(
        folders
          .filter((name) => !new RegExp(`\\b${name}\\b`).test(drawing))
          .map((name) => `${name} is not drawn`),
      );
    });
  }
});
