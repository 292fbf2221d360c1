import type { Table, Value } from '../../base/value.ts';

/** An operator's policy only sets limits, which hold beside what users' policies say. */
export type PolicyKind = 'policy' | 'operator-policy';

/** Both at once: of a limit that both have, the smaller one. */
export function mergeDefinitions(policy: Table | null, operatorPolicy: Table | null): Table {
  if (policy === null || operatorPolicy === null) return policy ?? operatorPolicy ?? {};
  const merged: { [key: string]: Value } = { ...policy, ...operatorPolicy };
  for (const [name, value] of Object.entries(operatorPolicy)) {
    if (!Object.hasOwn(policy, name)) continue;
    const other = policy[name] as number | bigint;
    if (other < (value as number | bigint)) merged[name] = other;
  }
  return merged;
}
