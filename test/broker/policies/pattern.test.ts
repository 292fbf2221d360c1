import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { PATTERN_LENGTH_MAX, Pattern, validPattern } from '../../../src/broker/policies/pattern.ts';

const MODULE = new URL('../../../src/broker/policies/pattern.ts', import.meta.url);

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

  it('takes a time that is linear to the name, however it is meant', () => {
    const name = `${'a'.repeat(250)}!`;
    // A backtracking engine would take longer than the universe is old for each of these, and no test may.
    const sources = [
      '^(a+)+$',
      '^(a|aa)+$',
      '(.*a){12}$',
      '^(a+b?)*$',
      '^(?:a?){30}a{30}$',
      '.*.*.*.*.*.*.*.*.*.*=$',
    ];
    for (const source of sources) assert.ok(!validPattern(source).matches(name), source);
  });

  it('is refused when its repeats, written out, would be large, before anything is made of it', () => {
    const sources = [
      'a{1000}'.repeat(140),
      '((a{30}){30}){30}',
      '.*a'.repeat(300),
      '(a?){500}a{500}',
      '('.repeat(400) + ')'.repeat(400),
      '[\\p{L}\\p{N}]'.repeat(70),
    ];
    for (const source of sources) assert.match(new Pattern(source).problem ?? '', /too large/, source);
    for (const source of [
      '^[a-f0-9]{64}$',
      `^(${'orders|'.repeat(140)}x)$`,
      '^(a.*|b.*|c.*)$',
      '^\\d{4}-\\d{2}$',
    ]) {
      assert.equal(new Pattern(source).problem, null, source);
    }
  });

  it('is refused when it is not valid, too long, or not of RE2', () => {
    const sources = [
      '(',
      '*',
      'a**',
      '(?>a)',
      '^(?!amq\\.).*',
      '(?=.)a',
      '(?<=a)b',
      '(a)\\1',
      'a++',
      '[',
      '\\u0041',
    ];
    for (const source of [...sources, 'q'.repeat(PATTERN_LENGTH_MAX + 1)]) {
      assert.throws(() => validPattern(source), { kind: 'precondition-failed' }, source);
      assert.equal(new Pattern(source).matches('a'), false, source);
    }
  });

  it('has what RE2 has beyond JavaScript: PCRE has it, too', () => {
    assert.ok(new Pattern('\\Aorders\\z').matches('orders'));
    assert.ok(new Pattern('^[[:alpha:]]+$').matches('orders'));
    assert.ok(new Pattern('\\Qa.b\\E').matches('xa.by'));
    assert.ok(!new Pattern('\\Qa.b\\E').matches('axb'));
  });

  it('has to match the whole of the text where that is asked for', () => {
    const whole = (source: string): Pattern => new Pattern(source, { isWhole: true });
    assert.ok(whole('orders.*').matches('orders-1'));
    assert.ok(!whole('orders.*').matches('my-orders'));
    assert.ok(whole('a|ab').matches('ab'));
    assert.ok(!whole('a|b').matches('ab'));
    assert.ok(whole('(?i)ORDERS-[0-9]+').matches('orders-12'));
    assert.notEqual(whole('foo)|(?:bar').problem, null);
  });

  it('needs no engine while it is plain, and means the same as with it', () => {
    const names = [
      '',
      'orders',
      'orders.eu',
      'all.orders.eu',
      'my.orders',
      'ordersX',
      'a\nb',
      'orders\n',
      '.*',
    ];
    const sources = [
      '.*',
      '^.*$',
      '^',
      '$',
      'orders',
      '^orders',
      'orders$',
      '^orders$',
      '^orders.*',
      '^orders.*$',
      '^orders\\.',
      '^orders\\.eu$',
      '.*$',
      '^$',
      '\\.\\*',
      '^orders\\..*$',
      'my\\.',
    ];
    for (const isWhole of [false, true]) {
      for (const source of sources) {
        // A group is not plain any more.
        const [plain, other] = [source, `(?:${source})`].map((each) => new Pattern(each, { isWhole }));
        for (const name of names) {
          assert.equal(plain.matches(name), other.matches(name), JSON.stringify({ source, name, isWhole }));
        }
      }
    }
  });

  it('loads the engine with the first expression that is not plain', async () => {
    const program = `
      const { Pattern } = await import('${MODULE}');
      const { createRequire } = await import('node:module');
      const { cache } = createRequire('${MODULE}');
      const isLoaded = () => Object.keys(cache).some((path) => path.includes('re2js'));
      new Pattern('^orders\\\\..*').matches('orders.eu');
      const before = isLoaded();
      new Pattern('^(a|b)$').matches('a');
      console.log(before, isLoaded());`;
    const args = ['--input-type=module', '--eval', program];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    assert.equal(stdout, 'false true\n');
  });
});
