import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { none } from './support/findings.ts';

/** What a review would otherwise have to look for. Every finding is `file:line: what`. */
const ROOT = fileURLToPath(new URL('..', import.meta.url));

interface Source {
  /** From the root, with '/'. */
  readonly path: string;
  readonly lines: readonly string[];
}

function read(...patterns: string[]): Source[] {
  const paths = globSync(patterns, { cwd: ROOT, exclude: (path) => path.includes('node_modules') });
  return paths.sort().map((path) => ({ path, lines: readFileSync(join(ROOT, path), 'utf8').split('\n') }));
}

const sources = read('src/**/*.ts');
const all = [...sources, ...read('test/**/*.ts', 'bench/**/*.ts', 'scripts/**/*.ts')];

function findings(
  files: readonly Source[],
  look: (line: string, file: Source) => string | undefined,
): string[] {
  return files.flatMap((file) =>
    file.lines.flatMap((line, index) => {
      const finding = look(line, file);
      return finding === undefined ? [] : [`${file.path}:${index + 1}: ${finding}`];
    }),
  );
}

/** The code of a line: comments and string contents would only raise false alarms. */
function codeOf(line: string): string {
  if (/^\s*(\*|\/\*|\/\/)/.test(line)) return '';
  return line.replace(/'(\\.|[^'\\])*'|"(\\.|[^"\\])*"|`(\\.|[^`\\])*`/g, "''").replace(/\/\/.*$/, '');
}

/** Folders and files that may reach the disk themselves; all others go through the port in src/log/files/filesystem.ts. */
const DISK_USERS =
  /^src\/(cli\/|admin\/control-socket\.ts$|log\/files\/(node-filesystem|make-directories|directory-lock|note-file|private-files)\.ts$)/;

/** Tables of definitions: data that would not get clearer by being cut up. */
const TABLES = new Set(['src/wire/amqp091/definitions.ts']);
const LINES_MAX = 500;

const PROTOCOL_WORDS = /\b(amqp\w*|mqtt\w*|stomp\w*)\b/i;

describe('the sources', () => {
  it('name their imports with the ending of the file', () => {
    none(
      findings(sources, (line) => {
        const specifier = /\b(?:from|import)\s*\(?\s*'(\.[^']*)'/.exec(line)?.[1];
        return specifier === undefined || specifier.endsWith('.ts')
          ? undefined
          : `'${specifier}' does not end in .ts`;
      }),
    );
  });

  it('reach the disk through the file-system port', () => {
    none(
      findings(sources, (line, { path }) =>
        /'(node:)?(fs|fs\/promises|sqlite)'/.test(line) && !DISK_USERS.test(path) ? line.trim() : undefined,
      ),
    );
  });

  it('name no protocol in the code of broker, log, records and base', () => {
    const neutral = sources.filter(({ path }) => /^src\/(broker|log|records|base)\//.test(path));
    none(
      findings(neutral, (line) => {
        const word = PROTOCOL_WORDS.exec(codeOf(line));
        return word === null ? undefined : `'${word[0]}' in ${line.trim()}`;
      }),
    );
  });

  it(`are at most ${LINES_MAX} lines long, but for tables of definitions`, () => {
    const long = all.filter(({ path, lines }) => lines.length - 1 > LINES_MAX && !TABLES.has(path));
    none(long.map(({ path, lines }) => `${path}: ${lines.length - 1} lines`));
  });

  it('are written in the part of the language that we use', () => {
    const forbidden: readonly (readonly [RegExp, string])[] = [
      [/\bas any\b|: any\b|<any\b|\bany\[\]/, 'any'],
      [/^\s*(export )?(declare )?(const )?enum /, 'enum'],
      [/^\s*(export )?(declare )?namespace /, 'namespace'],
      [/^\s*export default\b/, 'a default export'],
      [/^\s*export \*/, 'a barrel'],
      [/\brequire\(/, 'require'],
    ];
    none(
      findings(all, (line, { path }) => {
        if (path === 'test/tidy.test.ts') return undefined;
        const code = codeOf(line);
        return forbidden.find(([pattern]) => pattern.test(code))?.[1];
      }),
    );
  });

  it('print nothing but in the command', () => {
    const quiet = sources.filter(({ path }) => !path.startsWith('src/cli/'));
    none(
      findings(quiet, (line) =>
        /\bconsole\.|\bprocess\.(stdout|stderr)\b/.test(codeOf(line)) ? line.trim() : undefined,
      ),
    );
  });

  it('take their time from the clock', () => {
    const timed = sources.filter(({ path }) => /^src\/(broker|log|wire|records)\//.test(path));
    none(
      findings(timed, (line, { path }) =>
        path !== 'src/log/files/directory-lock.ts' &&
        /\bDate\.now\(|\bperformance\.now\(|\bnew Date\(\)/.test(codeOf(line))
          ? line.trim()
          : undefined,
      ),
    );
  });

  it('hold no notes to ourselves, no other place than this repository, and do not speak of who wrote them', () => {
    // Put together from parts, so that this list does not find itself.
    const pages = read('*.md', 'docs/**/*.md', 'bin/*', '.ci/*');
    const notes = ['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X'].join('|');
    const writers = [
      'assis' + 'tant',
      'chat' + 'bot',
      'clau' + 'de',
      'anth' + 'ropic',
      'open' + 'ai\\b',
    ].join('|');
    const places = ['/wo' + 'rk/', "from '[^']*node_" + 'modules'].join('|');
    const patterns = [new RegExp(`\\b(${notes})\\b`), new RegExp(`\\b(?:${writers})|${places}`, 'i')];
    none(
      findings([...all, ...pages], (line) => {
        const word = patterns.map((pattern) => pattern.exec(line)).find((found) => found !== null);
        return word === undefined ? undefined : `'${word[0]}' in ${line.trim()}`;
      }),
    );
  });
});

describe('the tests', () => {
  it('are all run: none is marked to run alone', () => {
    none(
      findings(all, (line) =>
        /\b(it|test|describe)\.only\(|\bonly: true/.test(codeOf(line)) ? line.trim() : undefined,
      ),
    );
  });
});

describe('the lock file', () => {
  it('names no address, so that it works with every registry', () => {
    const lock: { packages: Record<string, { resolved?: string }> } = JSON.parse(
      readFileSync(join(ROOT, 'package-lock.json'), 'utf8'),
    );
    none(
      Object.entries(lock.packages).flatMap(([name, { resolved }]) => (resolved === undefined ? [] : [name])),
    );
  });

  it('is of the package.json beside it', () => {
    const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    const root = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages[''];
    for (const kind of ['version', 'dependencies', 'devDependencies', 'optionalDependencies']) {
      assert.deepEqual(root[kind], manifest[kind], kind);
    }
  });
});
