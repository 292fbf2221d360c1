import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TopicGrants, topicGrant } from '../../../src/broker/access/topic-authorization.ts';

describe('a topic permission', () => {
  it('has the names of user and virtual host where they are asked for, character by character', () => {
    const { write } = topicGrant('a.b', '/', { write: '^{username}\\.{vhost}$', read: '' });
    assert.ok(write.matches('a.b./'));
    assert.ok(!write.matches('axb./'));
    assert.equal(write.source, '^{username}\\.{vhost}$');
  });

  it('counts for its exchange and virtual host alone, until it is taken away', () => {
    const grants = new TopicGrants();
    grants.set('/', 'amq.topic', topicGrant('ada', '/', { write: '^a$', read: '.*' }));
    assert.deepEqual(
      [
        grants.allow('write', '/', 'amq.topic', 'a'),
        grants.allow('write', '/', 'amq.topic', 'b'),
        grants.allow('read', '/', 'amq.topic', 'b'),
        grants.allow('write', '/', 'another', 'b'),
        grants.allow('write', 'shop', 'amq.topic', 'b'),
      ],
      [true, false, true, true, true],
    );
    assert.deepEqual([...grants], [{ vhost: '/', exchange: 'amq.topic', write: '^a$', read: '.*' }]);
    grants.delete('/', 'amq.topic');
    assert.ok(grants.allow('write', '/', 'amq.topic', 'b'));
    assert.deepEqual(grants.exchangesIn('/'), []);
  });
});
