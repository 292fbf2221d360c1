import assert from 'node:assert/strict';
import { test } from 'node:test';
import { modulusHashExchange } from '../../../src/broker/exchanges/modulus-hash.ts';
import { randomExchange } from '../../../src/broker/exchanges/random.ts';
import { roundRobinExchange } from '../../../src/broker/exchanges/round-robin.ts';
import { chosen, newRouter, pattern, visited } from './router-fixture.ts';

const bindings = ['a', 'b', 'c'].map((queue) => pattern('ignored', {}, queue));

function routerWithAll(type: Parameters<typeof newRouter>[0]) {
  const router = newRouter(type);
  for (const binding of bindings) router.add(binding);
  return router;
}

function take(router: ReturnType<typeof routerWithAll>, count: number): string {
  return Array.from({ length: count }, (_, index) => chosen(router, String(index)) ?? '-').join('');
}

test('x-round-robin goes from binding to binding, and goes on rightly when one comes or goes', () => {
  const router = routerWithAll(roundRobinExchange);
  assert.equal(router.isKeyed, false);
  assert.equal(take(router, 7), 'abcabca');
  router.remove(bindings[0]);
  assert.equal(take(router, 3), 'bcb');
  router.add(pattern('', {}, 'd'));
  assert.equal(take(router, 4), 'cdbc');
  router.remove(bindings[2]);
  assert.equal(take(router, 3), 'dbd');
});

test('x-random gives each binding its chance', () => {
  const router = routerWithAll(randomExchange);
  assert.equal(router.isKeyed, false);
  const found = take(router, 3000);
  for (const queue of 'abc') {
    const count = found.split(queue).length - 1;
    assert.ok(count > 800 && count < 1200, `${queue}: ${count}`);
  }
  router.remove(bindings[1]);
  assert.match(take(router, 200), /^(?=.*a)(?=.*c)[ac]+$/);
});

test('x-modulus-hash leads a key to the same queue, whatever the order of the bindings', () => {
  const router = routerWithAll(modulusHashExchange);
  const other = newRouter(modulusHashExchange);
  for (const binding of [...bindings].reverse()) other.add(binding);
  assert.equal(take(router, 200), take(other, 200));
  assert.equal(take(router, 200), take(router, 200));
  assert.match(take(router, 200), /^(?=.*a)(?=.*b)(?=.*c)/);
});

test('types that choose choose nothing where there is nothing', () => {
  for (const type of [roundRobinExchange, randomExchange, modulusHashExchange]) {
    const router = routerWithAll(type);
    for (const binding of bindings) router.remove(binding);
    assert.deepEqual(visited(router, 'k'), [], type.name);
  }
});
