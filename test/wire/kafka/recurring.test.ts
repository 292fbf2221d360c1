import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { bytesOfUuid, readText, readUuid } from '../../../src/wire/kafka/recurring.ts';

function textOf(text: string): string {
  const bytes = Buffer.from(text);
  return readText(bytes, 0, bytes.length);
}

describe('names that come again', () => {
  test('are the same, and those that only look alike are not', () => {
    const names = ['', 'a', 'b', 'orders', 'ordert', 'ünï', 'x'.repeat(48), 'x'.repeat(49), 'x'.repeat(300)];
    // The end of a name is what it is found by.
    for (const head of ['a', 'b', 'ab']) names.push(`${head}-with-the-same-end`, `${head}${'-'.repeat(46)}`);
    for (let round = 0; round < 3; round++) for (const name of names) assert.equal(textOf(name), name);
  });

  test('are right when there are more of them than places', () => {
    for (let round = 0; round < 2; round++) {
      for (let number = 0; number < 20_000; number++)
        assert.equal(textOf(`topic-${number}`), `topic-${number}`);
    }
  });

  test('have U+FFFD where they are not UTF-8', () => {
    const bytes = Buffer.from([0x61, 0xff, 0x62]);
    for (let round = 0; round < 2; round++) assert.equal(readText(bytes, 0, 3), 'a\ufffdb');
  });
});

describe('ids that come again', () => {
  test('are right when they differ in any one word, and there are more of them than places', () => {
    const bytes = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
    for (const place of [0, 4, 8, 12]) {
      for (let number = 0; number < 20_000; number++) {
        bytes.writeInt32BE(Math.imul(number, 0x9e3779b1), place);
        assert.equal(readUuid(bytes, 0), bytes.toString('base64url'));
      }
    }
    assert.equal(readUuid(Buffer.alloc(16), 0), 'A'.repeat(22));
  });

  test('go back to the bytes that they were', () => {
    for (let round = 0; round < 2; round++) {
      for (let number = 0; number < 10_000; number++) {
        const bytes = Buffer.alloc(16, number & 0xff);
        bytes.writeInt32BE(number, 4);
        assert.deepEqual(bytesOfUuid(bytes.toString('base64url')), bytes);
      }
    }
    assert.equal(bytesOfUuid('A'.repeat(21)), undefined);
    assert.equal(bytesOfUuid(`${'A'.repeat(21)}!`), undefined);
  });
});
