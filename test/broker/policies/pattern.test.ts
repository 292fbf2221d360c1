import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { hasLinearMatching, PATTERN_LENGTH_MAX, Pattern } from '../../../src/broker/policies/pattern.ts';

const LINEAR = '--enable-experimental-regexp-engine';
const MODULE = new URL('../../../src/broker/policies/pattern.ts', import.meta.url);

/** Which of the expressions a Node of its own accepts. */
async function acceptedBy(flags: readonly string[], sources: readonly string[]): Promise<string[]> {
  const program = `
    const { Pattern } = await import('${MODULE}');
    const accepted = ${JSON.stringify(sources)}.filter((source) => {
      try { return new Pattern(source).matches('aab'); } catch { return false; }
    });
    console.log(JSON.stringify(accepted));`;
  const args = [...flags, '--input-type=module', '--eval', program];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as string[];
}

describe('the pattern of a permission', () => {
  it('may match anywhere in the name, unless it is anchored', () => {
    assert.ok(new Pattern('orders').matches('all.orders.eu'));
    assert.ok(!new Pattern('^orders').matches('all.orders.eu'));
    assert.ok(new Pattern('^(amq\\.gen.*|amq\\.default)$').matches('amq.default'));
    assert.ok(new Pattern('.*').matches(''));
    assert.ok(new Pattern('(?i)^ORDERS').matches('orders.eu'));
  });

  it('matches the empty name alone when it is empty', () => {
    assert.ok(!new Pattern('').matches('q'));
    assert.ok(new Pattern('').matches(''));
  });

  it('may look ahead, to leave names out', () => {
    const pattern = new Pattern('^(?!amq\\.).*');
    assert.deepEqual(
      ['amq.topic', 'mine'].map((name) => pattern.matches(name)),
      [false, true],
    );
  });

  it('takes no time to speak of, however it is meant', () => {
    assert.ok(hasLinearMatching(), `run with ${LINEAR}, as npm test does`);
    const name = `${'a'.repeat(250)}!`;
    const startedAt = performance.now();
    for (const source of ['^(a+)+$', '^(a|aa)+$', '(.*a){12}$', '^(a+b?)*$']) {
      assert.ok(!new Pattern(source).matches(name), source);
    }
    assert.ok(performance.now() - startedAt < 500);
    for (const source of [
      '^(?!amq)(a+)+$',
      '^(?!amq)(a|aa)+$',
      '^(?=a)((a*)b?)+$',
      '(a*)*\\1$',
      '^(?!amq)(a?){50}a{50}$',
    ]) {
      assert.throws(() => new Pattern(source), /can take for ever/, source);
    }
  });

  it('that could take for ever is refused by a Node that has no linear matching; others are matched all the same', async () => {
    const sources = ['^(a+)+b$', '^a+b$', '(?i)^A'];
    assert.deepEqual(await acceptedBy([LINEAR], sources), sources);
    assert.deepEqual(await acceptedBy([], sources), ['^a+b$', '(?i)^A']);
  });

  it('is refused when it is not valid, too long, or means something else than in RabbitMQ', () => {
    for (const source of [
      '(',
      '*',
      'a++',
      '[[:alpha:]]',
      '\\Aq',
      '\\Qa.b\\E',
      '(?>a)',
      'q'.repeat(PATTERN_LENGTH_MAX + 1),
    ]) {
      assert.throws(() => new Pattern(source), { kind: 'precondition-failed' }, source);
    }
  });
});
