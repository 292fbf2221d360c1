import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StaticMembers } from '../../../src/broker/groups/static-membership.ts';

describe('static membership (KIP-345)', () => {
  it('finds a member by its group.instance.id, under the id that it has now', () => {
    const members = new StaticMembers();
    members.add({ id: 'a-1', instanceId: 'a' });
    members.add({ id: 'dynamic', instanceId: null });
    assert.equal(members.idOf('a'), 'a-1');
    members.add({ id: 'a-2', instanceId: 'a' });
    assert.equal(members.idOf('a'), 'a-2');
    assert.equal(members.idOf('b'), undefined);
    assert.equal(members.idOf(null), undefined);
  });

  it('leaves the name to a successor when the member before it goes', () => {
    const members = new StaticMembers();
    members.add({ id: 'a-1', instanceId: 'a' });
    members.add({ id: 'a-2', instanceId: 'a' });
    members.remove({ id: 'a-1', instanceId: 'a' });
    assert.equal(members.idOf('a'), 'a-2');
    members.remove({ id: 'a-2', instanceId: 'a' });
    assert.equal(members.idOf('a'), undefined);
  });
});
