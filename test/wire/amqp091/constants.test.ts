import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CLASS_IDS, REPLY_CODES, replyName } from '../../../src/wire/amqp091/constants.ts';
import { METHODS } from '../../../src/wire/amqp091/definitions.ts';

test('reply codes are those that amqplib knows (AMQP 1.2)', () => {
  const path = fileURLToPath(new URL('../../../node_modules/amqplib/lib/defs.js', import.meta.url));
  const theirs: Record<string, number> = createRequire(import.meta.url)(path).constants;
  for (const [name, code] of Object.entries(REPLY_CODES)) assert.equal(theirs[name], code, name);
  assert.equal(replyName(404), 'NOT_FOUND');
  assert.equal(replyName(999), undefined);
});

test('every method has the id of the class that its name begins with', () => {
  for (const [name, { classId }] of Object.entries(METHODS)) {
    assert.equal(classId, CLASS_IDS[name.split('.')[0] as keyof typeof CLASS_IDS], name);
  }
});
