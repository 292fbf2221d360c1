import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MemberAnswers } from '../../../src/broker/groups/member-answers.ts';
import { Loop } from '../../base/loop.ts';

it('a thousand members are answered in order, a few in each iteration of the event loop', async () => {
  const loop = new Loop();
  const answers = new MemberAnswers(loop.time);
  const given: number[] = [];
  for (let i = 0; i < 1000; i++) answers.give(() => given.push(i));
  const counts = [given.length];
  while (given.length < 1000) {
    const before = given.length;
    await loop.iteration();
    counts.push(given.length - before);
  }
  assert.ok(Math.max(...counts) <= 32, `${Math.max(...counts)} at once`);
  assert.deepEqual(
    given,
    Array.from({ length: 1000 }, (_, i) => i),
  );
});

it('a member is answered at once, as long as there are few of them', async () => {
  const loop = new Loop();
  const answers = new MemberAnswers(loop.time);
  for (let round = 0; round < 10; round++) {
    let given = 0;
    for (let i = 0; i < 32; i++) answers.give(() => void given++);
    assert.equal(given, 32);
    await loop.iteration();
  }
});
