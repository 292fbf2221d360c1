const LENGTH_MAX = 249;
const LEGAL = /^[a-zA-Z0-9._-]+$/;

/** Kafka keeps its own state in topics; here they have no meaning but that clients know them by their names. */
const INTERNAL: ReadonlySet<string> = new Set([
  '__consumer_offsets',
  '__transaction_state',
  '__share_group_state',
]);

/** What is wrong with the name of a topic; null if nothing is. */
export function topicNameProblem(name: string): string | null {
  const problem = detail(name);
  return problem === null ? null : `Topic name is invalid: ${problem}`;
}

/** A stream with another name is no topic: Kafka's clients could not name it. */
export function isTopicName(name: string): boolean {
  return detail(name) === null;
}

export function isInternalTopic(name: string): boolean {
  return INTERNAL.has(name);
}

/** In the names of metrics `.` and `_` are the same: two topics must not differ in that alone. */
export function collisionKey(name: string): string {
  return name.replaceAll('.', '_');
}

function detail(name: string): string | null {
  if (name === '') return 'the empty string is not allowed';
  if (name === '.') return "'.' is not allowed";
  if (name === '..') return "'..' is not allowed";
  if (name.length > LENGTH_MAX) {
    return `the length of '${name}' is longer than the max allowed length ${LENGTH_MAX}`;
  }
  if (LEGAL.test(name)) return null;
  return `'${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`;
}
