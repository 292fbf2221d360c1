import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { differences, unfinished } from './differences.ts';

const page = readFileSync(new URL('../../docs/amqp-compatibility.md', import.meta.url), 'utf8');
/** `| what | status | note |`, as it is in the page. */
const rows = new Map(
  [...page.matchAll(/^\| ([^|]+) \| ([^|]+) \|[^|]*\|$/gm)].map(([, what = '', status = '']) => [
    what.trim(),
    status.trim(),
  ]),
);

it('the page for those who come from RabbitMQ says of nothing that it is the same where a case of the matrix differs', () => {
  for (const { row, why } of [...differences, ...unfinished]) {
    const status = rows.get(row);
    assert.ok(status !== undefined, `the page has no row '${row}', for: ${why}`);
    assert.notEqual(status, 'same', `'${row}': ${why}`);
  }
});
