import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { topicExchange } from '../../../src/broker/exchanges/topic.ts';
import { TopicTrie } from '../../../src/broker/exchanges/topic-trie.ts';
import type { BindingPattern } from '../../../src/broker/exchanges/type.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { visited as matches, newRouter, pattern } from './router-fixture.ts';

function topicMatches(bindingKey: string, key: string): boolean {
  const router = newRouter(topicExchange);
  router.add(pattern(bindingKey));
  return matches(router, key).length === 1;
}

/** The reference: plain recursion over the words. */
function naiveMatch(bindingKey: string, key: string): boolean {
  const words = (text: string) => (text === '' ? [] : text.split('.'));
  const match = (expected: string[], actual: string[]): boolean => {
    if (expected.length === 0) return actual.length === 0;
    const [first, ...rest] = expected;
    if (first === '#') return match(rest, actual) || (actual.length > 0 && match(expected, actual.slice(1)));
    return actual.length > 0 && (first === '*' || first === actual[0]) && match(rest, actual.slice(1));
  };
  return match(words(bindingKey), words(key));
}

test('a topic binding matches as the specification says', () => {
  const cases: [bindingKey: string, key: string, expected: boolean][] = [
    ['a.b', 'a.b', true],
    ['a.b', 'a.b.c', false],
    ['a.*', 'a.b', true],
    ['a.*', 'a', false],
    ['a.*', 'a.', true],
    ['*', '', false],
    ['#', '', true],
    ['', '', true],
    ['', 'a', false],
    ['a.#', 'a', true],
    ['a.#', 'a.b.c', true],
    ['#.c', 'a.b.c', true],
    ['#.c', 'c', true],
    ['#.b.#', 'a.b.c', true],
    ['#.b.#', 'a.c', false],
    ['*.#.*', 'a', false],
    ['*.#.*', 'a.b', true],
    ['*.orange.*', 'quick.orange.rabbit', true],
    ['lazy.#', 'lazy.pink.rabbit', true],
    ['a*', 'ab', false],
    ['..', '..', true],
    ['*.*.*', '..', true],
    ['ü.*', 'ü.ß', true],
  ];
  for (const [bindingKey, key, expected] of cases) {
    assert.equal(topicMatches(bindingKey, key), expected, `'${bindingKey}' with '${key}'`);
  }
});

test('the trie agrees with a naive matcher while bindings come and go', () => {
  const word = fc.constantFrom('a', 'b', '', '*', '#');
  const key = fc.oneof(
    fc.array(word, { maxLength: 5 }).map((words) => words.join('.')),
    fc.array(fc.constantFrom('a', 'b'), { maxLength: 6 }).map((words) => words.join('.')),
  );
  const step = fc.record({ kind: fc.constantFrom('add', 'add', 'remove', 'route'), key, at: fc.nat() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const router = newRouter(topicExchange);
      const bound: BindingPattern[] = [];
      for (const { kind, key, at } of steps) {
        if (kind === 'add') {
          const added = pattern(key);
          bound.push(added);
          router.add(added);
        } else if (kind === 'remove' && bound.length > 0) {
          const [removed] = bound.splice(at % bound.length, 1);
          router.remove(removed);
        } else if (kind === 'route') {
          const found = matches(router, key);
          assert.equal(new Set(found).size, found.length, 'each binding is visited once');
          assert.deepEqual(
            new Set(found),
            new Set(bound.filter((binding) => naiveMatch(binding.routingKey, key))),
          );
        }
      }
    }),
    { numRuns: 500 },
  );
});

test('many # in a binding key do not make matching slow', () => {
  const router = newRouter(topicExchange);
  router.add(pattern(`${'#.a.'.repeat(20)}#.b`));
  assert.equal(matches(router, Array(60).fill('a').join('.')).length, 0);
  assert.ok((router.routeSteps ?? 0) < 10_000, `${router.routeSteps} steps`);
});

test('thousands of bindings of nothing but wildcards cost a message no more than a few', () => {
  const router = newRouter(topicExchange);
  const random = seededRandom(1);
  for (let index = 0; index < 3000; index++) {
    const words = Array.from({ length: 20 + Math.floor(random() * 100) }, () => (random() < 0.5 ? '*' : '#'));
    const key = words.join('.');
    assert.equal(router.refusal?.(key), null);
    router.add(pattern(key));
  }
  assert.ok(matches(router, Array(128).fill('a').join('.')).length > 2000);
  assert.ok((router.routeSteps ?? 0) < 40_000, `${router.routeSteps} steps`);
});

test('bindings whose wildcards overlap too much are refused, and what is there stays cheap', () => {
  for (const [words, start] of [
    [['a', '*', '#'], '#.'],
    [['a', '*'], '#.'],
    [['a', '*'], ''],
    [['a', '*', 'b', '#'], ''],
  ] as const) {
    const router = newRouter(topicExchange);
    const random = seededRandom(2);
    let refusal: string | null | undefined = null;
    for (let index = 0; index < 3000 && refusal == null; index++) {
      const key =
        start + Array.from({ length: 100 }, () => words[Math.floor(random() * words.length)]).join('.');
      refusal = router.refusal?.(key);
      if (refusal == null) router.add(pattern(key));
    }
    assert.match(refusal ?? '', /use fewer wildcards/);
    matches(router, Array(128).fill('a').join('.'));
    assert.ok((router.routeSteps ?? 0) <= 400_000, `${router.routeSteps} steps`);
    // Others still get theirs.
    assert.equal(router.refusal?.('orders.eu.#'), null);
  }
});

test('natural bindings are never too many', () => {
  const router = newRouter(topicExchange);
  for (let index = 0; index < 20_000; index++) {
    for (const key of [`*.user${index}.#`, `#.error.${index}`, `orders.${index}.*.*`, `#.${index}.#`]) {
      assert.equal(router.refusal?.(key), null);
      router.add(pattern(key));
    }
  }
  assert.equal(matches(router, 'x.user17.y').length, 1);
  assert.ok((router.routeSteps ?? 0) < 100);
});

test('ten thousand bindings with a wildcard in every other place are accepted, and so are short ones of any kind', () => {
  const router = newRouter(topicExchange);
  const random = seededRandom(3);
  const among = (count: number): number => Math.floor(random() * count);
  for (let index = 0; index < 10_000; index++) {
    const levels = Array.from({ length: 6 }, () => (random() < 0.5 ? '*' : `level${among(10)}`));
    const mixed = Array.from({ length: 1 + among(6) }, () => ['*', '#', `word${among(5)}`][among(3)]);
    for (const key of [levels.join('.'), `${levels.slice(among(6)).join('.')}.#`, mixed.join('.')]) {
      assert.equal(router.refusal?.(key), null, key);
      router.add(pattern(key));
    }
  }
});

test('the number of places that is known before a binding is added is the number afterwards', () => {
  const word = fc.constantFrom('a', 'b', '*', '#');
  const key = fc.array(word, { maxLength: 6 });
  fc.assert(
    fc.property(fc.array(key, { maxLength: 30 }), (keys) => {
      const trie = new TopicTrie<object>();
      for (const words of keys) {
        const expected = trie.placesWith(words);
        trie.add(words, {});
        assert.ok(Math.abs(trie.root.places - expected) < 1e-9, words.join('.'));
      }
    }),
  );
});

test('a binding that was removed no longer matches, and one below it still does', () => {
  const router = newRouter(topicExchange);
  const [short, long] = [pattern('a.#'), pattern('a.#.b')];
  router.add(short);
  router.add(long);
  router.remove(short);
  assert.deepEqual(matches(router, 'a.x.b'), [long]);
  router.remove(long);
  assert.deepEqual(matches(router, 'a.x.b'), []);
});
