import { filtered, type Work } from '../../../base/turn-time.ts';

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
  return yield* filtered(groups, ({ groupId, topics }) => {
    if (topics !== null) return true;
    if (seen.has(groupId)) return false;
    seen.add(groupId);
    return true;
  });
}
