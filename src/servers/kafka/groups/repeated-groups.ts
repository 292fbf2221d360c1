import type { Work } from '../../../base/turn-time.ts';

const GROUPS_PER_STEP = 64;

interface GroupRequest {
  readonly groupId: string;
  /** Null: all that the group has. */
  readonly topics: readonly unknown[] | null;
}

/**
 * Without those that ask once more for everything of a group: what a few bytes of a request can ask for is then no more
 * than what there is.
 */
export function* withoutRepeated<G extends GroupRequest>(groups: readonly G[]): Work<readonly G[]> {
  const seen = new Set<string>();
  const wanted: G[] = [];
  for (let index = 0; index < groups.length; index++) {
    if (isFirst(groups[index], seen)) wanted.push(groups[index]);
    if (index % GROUPS_PER_STEP === 0) yield;
  }
  return wanted;
}

function isFirst({ groupId, topics }: GroupRequest, seen: Set<string>): boolean {
  if (topics !== null) return true;
  const before = seen.size;
  return seen.add(groupId).size > before;
}
