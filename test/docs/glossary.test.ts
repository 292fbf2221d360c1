import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { HANDLERS } from '../../src/servers/kafka/handlers/table.ts';
import { METHODS } from '../../src/wire/amqp091/definitions.ts';
import { APIS } from '../../src/wire/kafka/apis.ts';
import { none } from '../support/findings.ts';
import { pathsIn, ROOT, readLines } from './pages.ts';

interface Term {
  readonly line: number;
  readonly term: string;
  readonly where: string;
}

const PAGE = 'docs/design/README.md';
const TERMS_MIN = 75;

/** The rows of the tables below *Glossary*, but that of the rules. */
function readGlossary(): Term[] {
  const lines = readLines(PAGE);
  const start = lines.indexOf('## Glossary');
  const end = lines.findIndex((line, index) => index > start && line.startsWith('## '));
  const first = lines.findIndex((line, index) => index > start && line.startsWith('### '));
  assert.ok(start > 0 && first > start && end > first, 'the glossary has sections');
  return lines.flatMap((line, index) => {
    const cells = /^\| (.+?) \| (.+) \|$/.exec(line);
    const isRow = cells !== null && index > first && index < end && !/^(Term|Method|Config)$/.test(cells[1]);
    return isRow ? [{ line: index + 1, term: cells[1], where: cells[2] }] : [];
  });
}

const glossary = readGlossary();

/** `OffsetForLeaderEpoch` becomes `offset-for-leader-epoch`. */
function kebabCase(name: string): string {
  return name.replace(/(?<=[a-z])(?=[A-Z])/g, '-').toLowerCase();
}

describe('the glossary', () => {
  it(`has at least ${TERMS_MIN} terms`, () => {
    assert.ok(glossary.length >= TERMS_MIN, `${glossary.length} terms`);
  });

  it('says of each term in which files it is, or that it is not built', () => {
    none(
      glossary
        .filter(({ where }) => pathsIn(where).length === 0 && !/\bnot built\b/.test(where))
        .map(({ line, term }) => `${PAGE}:${line}: ${term}: neither a file nor "not built"`),
    );
  });

  it('names files that are there', () => {
    none(
      glossary.flatMap(({ line, term, where }) =>
        pathsIn(where)
          .filter((path) => !existsSync(join(ROOT, path)))
          .map((path) => `${PAGE}:${line}: ${term}: there is no ${path}`),
      ),
    );
  });

  it('has every AMQP method', () => {
    const named = glossary.map(({ term }) => term).join(' ');
    // access.request is of AMQP 0-8; the answers go with what they answer.
    const methods = Object.keys(METHODS).filter((name) => !/-ok$|^basic\.get-empty$|^access\./.test(name));
    none(methods.filter((name) => !named.includes(`\`${name}\``)).map((name) => `${name} is missing`));
  });

  it('is right about Kafka APIs: each has the file of its name', () => {
    none(
      HANDLERS.map(({ api }) => `src/servers/kafka/handlers/${kebabCase(api.name)}.ts`)
        .filter((path) => !existsSync(join(ROOT, path)))
        .map((path) => `there is no ${path}`),
    );
  });

  it('says of each Kafka API that is not served that it is not built', () => {
    const served = new Set(HANDLERS.map(({ api }) => api.name));
    const text = readLines(PAGE).join('\n');
    const notServed = APIS.map(({ name }) => name).filter((name) => !served.has(name));
    none(notServed.filter((name) => !new RegExp(`\\b${name}\\b`).test(text)));
    const apiKeys = text.slice(text.indexOf('**API keys.**'));
    none([...served].filter((name) => new RegExp(`\\b${name}[,;.)\n]`).test(apiKeys)));
  });
});
