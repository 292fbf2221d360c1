import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DescriptorBudget } from '../../../src/broker/budget/descriptors.ts';

describe('the budget of descriptors', () => {
  it('leaves to connections what files do not need', () => {
    for (const [limit, connectionsMax] of [
      [200, 115],
      [1024, 784],
      [65_536, 65_296],
      [40, 1],
    ]) {
      const budget = new DescriptorBudget({ limit, inUse: 22 });
      assert.equal(budget.connectionsMax, connectionsMax, `of ${limit}`);
    }
    assert.equal(new DescriptorBudget().connectionsMax, Number.POSITIVE_INFINITY);
  });

  it('gives none while a file waits for one, and those that were given back again', () => {
    const budget = new DescriptorBudget({ limit: 40, inUse: 22 });
    assert.deepEqual([budget.takeForConnection(), budget.takeForConnection()], [true, false]);
    budget.giveBack();
    budget.isShort = true;
    assert.equal(budget.takeForConnection(), false);
    budget.isShort = false;
    assert.equal(budget.takeForConnection(), true);
    assert.equal(budget.connections, 1);
  });
});
