import assert from 'node:assert/strict';
import { test } from 'node:test';
import { done } from '../../src/admin/response.ts';
import { type Route, Router } from '../../src/admin/router.ts';

function route(method: Route['method'], path: string): Route {
  return { method, path, handle: () => done() };
}

const router = new Router([
  route('GET', '/api/queues'),
  route('GET', '/api/queues/{vhost}'),
  route('GET', '/api/queues/{vhost}/{name}'),
  route('DELETE', '/api/queues/{vhost}/{name}/contents'),
  route('GET', '/api/vhosts/{vhost}/permissions'),
  route('GET', '/api/vhosts/all/connections'),
]);

test('a path finds its route, and its parameters are decoded', () => {
  const found = router.find('GET', '/api/queues/%2F/a%2Fb%20c');
  assert.equal(found.route.path, '/api/queues/{vhost}/{name}');
  assert.deepEqual(Object.fromEntries(found.parameters), { vhost: '/', name: 'a/b c' });
  assert.equal(router.find('GET', '/api/queues/').route.path, '/api/queues');
  assert.equal(router.find('DELETE', '/api/queues/v/contents/contents').parameters.get('name'), 'contents');
});

test('a fixed segment is preferred, but is no dead end', () => {
  assert.equal(router.find('GET', '/api/vhosts/all/connections').route.path, '/api/vhosts/all/connections');
  const found = router.find('GET', '/api/vhosts/all/permissions');
  assert.deepEqual([...found.parameters], [['vhost', 'all']]);
});

test('what is not there, what cannot be done with it, and what is no path are told apart', () => {
  assert.throws(() => router.find('GET', '/api/nothing'), { status: 404, code: 'not_found' });
  assert.throws(() => router.find('GET', '/api/vhosts/x'), { status: 404 });
  assert.throws(() => router.find('POST', '/api/queues/v/q/contents'), {
    status: 405,
    message: 'POST is not for /api/queues/v/q/contents; it takes DELETE',
  });
  assert.throws(() => router.find('GET', '/api/queues/%ff'), { status: 400 });
});
