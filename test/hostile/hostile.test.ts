import assert from 'node:assert/strict';
import { it } from 'node:test';
import { BEHAVIOURS } from './behaviours/table.ts';
import { runBehaviour } from './run-behaviour.ts';

const MIB = 1024 * 1024;
/** A broker that serves its first clients takes some 150 MiB, and clients may take more than that for a moment. */
const RESIDENT_BYTES_MAX = 700 * MIB;

/** How fast it is then depends on the machine; `npm run test:hostile` looks at that. */
for (const name of ['unread-returns', 'announced-frames']) {
  const behaviour = BEHAVIOURS.find((each) => each.name === name);
  assert.ok(behaviour !== undefined);

  it(`the broker serves others, within bounds of memory, beside ${behaviour.title}`, async () => {
    const outcome = await runBehaviour(behaviour, { seconds: 1, memoryBytes: null });
    assert.deepEqual(outcome.problems, []);
    assert.ok(outcome.amqp.count > 0, 'messages went through over AMQP');
    assert.ok(outcome.kafka.count > 0, 'records went through over Kafka');
    assert.ok(outcome.highestBytes < RESIDENT_BYTES_MAX, `${outcome.highestBytes} bytes were resident`);
  });
}
