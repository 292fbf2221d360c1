/** Which of its identities a producer uses: what it has, what it had before, or one that nobody was given. */
export type Who = 'present' | 'previous' | 'unknown';

export type Operation =
  | { readonly kind: 'initialize'; readonly version: number; readonly renews: boolean }
  | {
      readonly kind: 'produce';
      readonly version: number;
      readonly who: Who;
      readonly partition: number;
      readonly sequence: 'next' | 'again' | 'gap';
    }
  | {
      readonly kind: 'add-partition';
      readonly version: number;
      readonly who: Who;
      readonly partition: number;
    }
  | { readonly kind: 'add-group'; readonly version: number; readonly who: Who }
  | { readonly kind: 'commit-offset'; readonly version: number; readonly who: Who; readonly offset: number }
  | { readonly kind: 'end'; readonly version: number; readonly who: Who; readonly isCommit: boolean };

export const PARTITIONS = 2;

/**
 * A history of one transactional id, by a client of today or by one that does not know transactions of version 2
 * (KIP-890). Left out is what is different by intention: in Kafka, to ask for the id with an identity that is not valid
 * aborts the open transaction of its owner, and records of such an identity disturb the numbers of the owner's.
 */
export function history(random: () => number, length: number): Operation[] {
  const isNew = random() < 0.5;
  const operations: Operation[] = [{ kind: 'initialize', version: 5, renews: false }];
  for (let i = 1; i < length; i++) operations.push(operation(random, isNew, i));
  return operations;
}

function operation(random: () => number, isNew: boolean, index: number): Operation {
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)];
  const who = pick<Who>(['present', 'present', 'present', 'present', 'present', 'previous', 'unknown']);
  const partition = Math.floor(random() * PARTITIONS);
  const choice = random();
  if (choice < 0.12) {
    const version = pick([2, 3, 5]);
    return { kind: 'initialize', version, renews: version >= 3 && random() < 0.6 };
  }
  if (choice < 0.5) {
    const sequence = pick(['next', 'next', 'next', 'next', 'again', 'gap'] as const);
    const sender = who === 'unknown' ? 'present' : who;
    return { kind: 'produce', version: isNew ? 12 : pick([9, 11]), who: sender, partition, sequence };
  }
  if (choice < 0.6 && !isNew) return { kind: 'add-partition', version: pick([1, 3]), who, partition };
  if (choice < 0.65 && !isNew) return { kind: 'add-group', version: pick([1, 3]), who };
  if (choice < 0.75) return { kind: 'commit-offset', version: isNew ? 5 : pick([3, 4]), who, offset: index };
  return { kind: 'end', version: isNew ? 5 : pick([1, 3, 4]), who, isCommit: random() < 0.5 };
}
