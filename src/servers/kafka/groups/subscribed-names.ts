/** What a member reads is looked at as a whole. No client comes near this. */
export const SUBSCRIBED_NAMES_MAX = 20_000;

/** Why these are too many; null if they are not. */
export function tooManyNames(names: readonly string[] | null): string | null {
  if ((names?.length ?? 0) <= SUBSCRIBED_NAMES_MAX) return null;
  return `A member subscribes to at most ${SUBSCRIBED_NAMES_MAX} topics.`;
}
