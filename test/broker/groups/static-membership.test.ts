import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GroupError } from '../../../src/broker/groups/group-error.ts';
import { StaticMembers } from '../../../src/broker/groups/static-membership.ts';
import { ClassicClient, firstHeartbeat, TestGroups } from './test-groups.ts';

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

type Answer = string | null;
type Speaker = 'static' | 'dynamic' | 'unknown' | 'nameless';

/** Who says which name, and what Kafka 4.3.1 answers to its heartbeat, SyncGroup, offsets and LeaveGroup. */
const ANSWERS: readonly (readonly [Speaker, string | null, Answer, Answer])[] = [
  ['static', null, null, null],
  ['static', 'a', null, null],
  ['static', 'z', 'unknown-member', 'unknown-member'],
  ['dynamic', null, null, null],
  ['dynamic', 'a', 'fenced-instance', 'fenced-instance'],
  ['dynamic', 'z', 'unknown-member', 'unknown-member'],
  ['unknown', null, 'unknown-member', 'unknown-member'],
  ['unknown', 'a', 'fenced-instance', 'fenced-instance'],
  ['unknown', 'z', 'unknown-member', 'unknown-member'],
  ['nameless', null, 'unknown-member', 'unknown-member'],
  ['nameless', 'a', 'fenced-instance', null],
  ['nameless', 'z', 'unknown-member', 'unknown-member'],
];

interface Group {
  readonly test: TestGroups;
  readonly ids: Readonly<Record<Speaker, string>>;
  /** Of the members that speak as in a classic group. */
  readonly generation: number;
}

/** One static member, `a`, and a dynamic one, in a classic group. */
function classicGroup(): Group {
  const test = new TestGroups();
  test.createStream('s', 1);
  const one = new ClassicClient(test, 'a').join().sync();
  const two = new ClassicClient(test).join();
  one.join().sync();
  two.sync();
  const ids = { static: one.id, dynamic: two.id, unknown: 'nobody', nameless: '' };
  return { test, ids, generation: one.generation };
}

/** The same two as guests of a consumer group. */
function consumerGroup(): Group {
  const test = new TestGroups();
  test.createStream('s', 1);
  test.groups.consumerHeartbeat('/', 'g', { ...firstHeartbeat, memberId: 'native' });
  const one = new ClassicClient(test, 'a').join().sync();
  const two = new ClassicClient(test).join().sync();
  one.join().sync();
  assert.equal(two.generation, one.generation);
  const ids = { static: one.id, dynamic: two.id, unknown: 'nobody', nameless: '' };
  return { test, ids, generation: one.generation };
}

function kindOf(run: () => void): Answer {
  try {
    run();
    return null;
  } catch (error) {
    assert.ok(error instanceof GroupError);
    return error.kind;
  }
}

function heartbeat({ test, generation }: Group, memberId: string, instanceId: string | null): Answer {
  return test.groups.heartbeat('/', 'g', { memberId, instanceId, generation });
}

function sync({ test, generation }: Group, memberId: string, instanceId: string | null): Answer {
  let answer: Answer = 'no answer';
  test.groups.sync(
    '/',
    'g',
    { memberId, instanceId, generation, protocolType: null, protocol: null, assignments: [] },
    ({ error }) => {
      answer = error;
    },
  );
  return answer;
}

function commit(
  { test, generation }: Group,
  memberId: string,
  instanceId: string | null,
  isTransactional: boolean,
): Answer {
  const id = test.streams.get('/', 's')?.id ?? '';
  const rows = { [id]: [[0, 1] as [number, number]] };
  const request = {
    vhost: '/',
    group: 'g',
    memberId,
    instanceId,
    generation,
    knowsEpochs: !isTransactional,
    rows,
  };
  return kindOf(() => (isTransactional ? test.groups.addPending(1, request) : test.groups.commit(request)));
}

describe('a request in the name of a static member', () => {
  it('is answered by a classic group as by Kafka', () => {
    for (const [speaker, name, answer, leaves] of ANSWERS) {
      const group = classicGroup();
      const id = group.ids[speaker];
      const seen = [
        heartbeat(group, id, name),
        sync(group, id, name),
        commit(group, id, name, false),
        commit(group, id, name, true),
      ];
      assert.deepEqual(seen, Array(4).fill(answer), `${speaker} as ${name}`);
      const [left] = group.test.groups.leave('/', 'g', [{ memberId: id, instanceId: name }]);
      assert.equal(left, leaves, `${speaker} leaves as ${name}`);
    }
  });

  it('is answered by a consumer group as by Kafka', () => {
    for (const [speaker, name, answer, leaves] of ANSWERS) {
      const group = consumerGroup();
      const id = group.ids[speaker];
      assert.deepEqual(
        [heartbeat(group, id, name), sync(group, id, name)],
        [answer, answer],
        `${speaker} as ${name}`,
      );
      const [left] = group.test.groups.leave('/', 'g', [{ memberId: id, instanceId: name }]);
      assert.equal(left, leaves, `${speaker} leaves as ${name}`);
    }
  });

  it('is answered by a consumer group to its own members as by Kafka', () => {
    for (const epoch of ['present', -1, -2] as const) {
      for (const [speaker, name, answer] of ANSWERS) {
        if (speaker === 'nameless') continue;
        const test = new TestGroups();
        test.createStream('s', 1);
        test.groups.consumerHeartbeat('/', 'g', { ...firstHeartbeat, memberId: 'static', instanceId: 'a' });
        const { epoch: present } = test.groups.consumerHeartbeat('/', 'g', {
          ...firstHeartbeat,
          memberId: 'dynamic',
        });
        const { epoch: first } = test.groups.consumerHeartbeat('/', 'g', {
          ...firstHeartbeat,
          memberId: 'static',
          instanceId: 'a',
          epoch: present - 1,
        });
        const request = {
          ...firstHeartbeat,
          memberId: speaker,
          instanceId: name,
          epoch: epoch === 'present' ? (speaker === 'static' ? first : present) : epoch,
        };
        const seen = kindOf(() => test.groups.consumerHeartbeat('/', 'g', request));
        assert.equal(seen, answer, `${speaker} as ${name} with epoch ${epoch}`);
      }
    }
  });
});
