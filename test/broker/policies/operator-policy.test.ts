import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Table, Value } from '../../../src/base/value.ts';
import { mergeDefinitions } from '../../../src/broker/policies/operator-policy.ts';
import { settingsFrom } from '../../../src/broker/queues/queue-settings.ts';

const limit = fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined });
const word = fc.option(fc.constantFrom('drop-head', 'reject-publish'), { nil: undefined });

test('of limits the smallest counts, of words the argument and then the policy', () => {
  const limits = {
    'message-ttl': 'messageTtlMs',
    expires: 'expiresMs',
    'max-length': 'maxLength',
    'max-length-bytes': 'maxLengthBytes',
    'delivery-limit': 'deliveryLimit',
  } as const;
  const source = fc.record({
    ...Object.fromEntries(Object.keys(limits).map((key) => [key, limit])),
    overflow: word,
  });
  fc.assert(
    fc.property(source, source, source, (argument, policy, operator) => {
      const { overflow: _, ...operatorLimits } = operator;
      const args = Object.fromEntries(entries(argument).map(([key, value]) => [`x-${key}`, value]));
      const definition = mergeDefinitions(tableOf(policy), tableOf(operatorLimits));
      const settings = settingsFrom(args, definition);
      for (const [key, field] of Object.entries(limits)) {
        const said = [argument, policy, operator].flatMap((each) => (each as Table)[key] ?? []);
        const smallest = said.length === 0 ? null : Math.min(...(said as number[]));
        assert.equal(settings[field], smallest, key);
      }
      assert.equal(settings.overflow, argument.overflow ?? policy.overflow ?? 'drop-head');
    }),
  );
});

function entries(source: object): [string, Value][] {
  return Object.entries(source).filter(([, value]) => value !== undefined) as [string, Value][];
}

function tableOf(source: object): Table | null {
  const found = entries(source);
  return found.length === 0 ? null : Object.fromEntries(found);
}
