import assert from 'node:assert/strict';
import { it } from 'node:test';
import { createLog } from '../../../src/cli/broker-process/log.ts';

it('the log shows 255 bytes of what a client has chosen, and its own texts whole', () => {
  const lines: string[] = [];
  const log = createLog('info', { write: (line) => void lines.push(line) });
  const user = 'u'.repeat(500_000);
  const path = `/${'p'.repeat(1000)}`;
  log.warn({ user, reason: `no such thing: ${user}`, path, count: 3 }, 'login refused');
  assert.equal(lines.length, 1);
  assert.ok(lines[0].length < 2000, `${lines[0].length} characters`);
  const fields = JSON.parse(lines[0]) as Record<string, unknown>;
  assert.equal(fields.user, `${'u'.repeat(252)}…`);
  assert.equal(fields.path, path);
  assert.equal(fields.count, 3);
  assert.equal(fields.msg, 'login refused');
});
