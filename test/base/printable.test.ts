import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { printable, printableJson, printableLines } from '../../src/base/printable.ts';

/** What each of these does to a terminal is nothing that a name may do. */
const HARMFUL = [
  '\x1b',
  '\x07',
  '\r',
  '\x9b',
  '\x7f',
  '\u202e',
  '\u2066',
  '\u200b',
  '\ufeff',
  '\u2028',
  '\ud800',
];

describe('text of clients on a terminal', () => {
  it('has no control, direction or invisible characters', () => {
    assert.equal(printable('a\x1b[31mb\u202ec\n'), 'a\\x1b[31mb\\u202ec\\x0a');
    assert.equal(printable('\u{e0041}'), '\\u{e0041}');
    for (const each of HARMFUL) {
      assert.ok(!printable(`x${each}y`).includes(each));
      assert.ok(!printableLines(`x${each}y\n`).includes(each));
      assert.ok(!printableJson(JSON.stringify({ name: `x${each}y` })).includes(each));
    }
  });

  it('keeps letters of all languages, spaces, emoji and, where they are meant, line ends', () => {
    const text = 'Zoë 東京 Москва 🐇';
    assert.equal(printable(text), text);
    assert.equal(printableLines(`${text}\n${text}\n`), `${text}\n${text}\n`);
  });

  it('means the same in JSON', () => {
    const names = [...HARMFUL.slice(0, -1), '\u{e0041}', 'é'];
    assert.deepEqual(JSON.parse(printableJson(JSON.stringify(names, null, 2))), names);
  });
});
