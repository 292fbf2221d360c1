import assert from 'node:assert/strict';
import { it } from 'node:test';
import { LeastShare } from '../../../src/broker/groups/consumer/least-share.ts';
import { seededRandom } from '../../support/seeded-random.ts';

it('the member with the least is the first of those with as little, whatever was given and taken', () => {
  const random = seededRandom(7);
  const shares = Array.from({ length: 50 }, () => ({ count: Math.floor(random() * 5) }));
  const least = new LeastShare(shares);
  for (let step = 0; step < 5000; step++) {
    const share = random() < 0.5 ? least.share : shares[Math.floor(random() * shares.length)];
    share.count += random() < 0.7 ? 1 : -1;
    least.changed(share);
    assert.equal(
      least.share,
      shares.reduce((best, each) => (each.count < best.count ? each : best)),
    );
  }
});
