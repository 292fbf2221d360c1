import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { none } from '../support/findings.ts';
import { floorFault, NAMED_EXCEPTIONS } from './floors.ts';
import { circlesIn, importsOf } from './import-graph.ts';

const imports = importsOf(fileURLToPath(new URL('../..', import.meta.url)));

describe('the imports of src/', () => {
  it('are in no circle, type imports included', () => {
    none(circlesIn(imports).map((circle) => `${circle.length} files in a circle: ${circle.join(', ')}`));
  });

  it('run down the floors, and in broker/ down the rooms', () => {
    none(
      imports.flatMap((each) => {
        const fault = floorFault(each);
        return fault === undefined ? [] : [`${each.from} imports ${each.to}: ${fault}`];
      }),
    );
  });

  it('have at most four named exceptions, and each of them is still there', () => {
    assert.ok(NAMED_EXCEPTIONS.length <= 4);
    for (const { from, to } of NAMED_EXCEPTIONS) {
      assert.ok(
        imports.some((each) => each.from === from && each.to === to),
        `${from} does not import ${to}`,
      );
    }
  });
});

describe('the check of imports', () => {
  it('finds a circle of two and one of three, and none where there is none', () => {
    const edges = (text: string) =>
      text.split(' ').map((edge) => ({ from: edge.charAt(0), to: edge.charAt(1) }));
    assert.deepEqual(circlesIn(edges('ab bc ad dc')), []);
    assert.deepEqual(circlesIn(edges('ab ba bc')), [['a', 'b']]);
    assert.deepEqual(circlesIn(edges('ab bc ca de ed cd')), [
      ['a', 'b', 'c'],
      ['d', 'e'],
    ]);
  });

  it('finds imports that run up', () => {
    const fault = (from: string, to: string) => floorFault({ from: `src/${from}.ts`, to: `src/${to}.ts` });
    assert.match(fault('log/a', 'broker/b')!, /below/);
    assert.match(fault('log/a', 'wire/b')!, /may not know/);
    assert.match(fault('broker/queues/a', 'broker/topology/b')!, /below/);
    assert.match(fault('broker/queues/a', 'broker/b')!, /below/);
    assert.equal(fault('broker/b', 'broker/queues/a'), undefined);
    assert.equal(fault('servers/kafka/a', 'records/b'), undefined);
  });
});
