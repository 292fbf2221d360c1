import { clientText } from '../../../base/client-text.ts';

const LENGTH_MAX = 249;
const LEGAL = /^[a-zA-Z0-9._-]+$/;

/** Kafka's internal topics. Here they hold nothing, but `is_internal` of Metadata is true for these names. */
const INTERNAL: ReadonlySet<string> = new Set([
  '__consumer_offsets',
  '__transaction_state',
  '__share_group_state',
]);

/** Why the name is no valid topic name; null if it is. */
export function topicNameProblem(name: string): string | null {
  const problem = detail(name);
  return problem === null ? null : `Topic name is invalid: ${problem}`;
}

/** Streams with other names are not listed as topics: Kafka's clients could not name them. */
export function isTopicName(name: string): boolean {
  return detail(name) === null;
}

export function isInternalTopic(name: string): boolean {
  return INTERNAL.has(name);
}

function detail(name: string): string | null {
  if (name === '') return 'the empty string is not allowed';
  if (name === '.') return "'.' is not allowed";
  if (name === '..') return "'..' is not allowed";
  if (name.length > LENGTH_MAX) {
    return `the length of '${clientText(name)}' is longer than the max allowed length ${LENGTH_MAX}`;
  }
  if (LEGAL.test(name)) return null;
  return `'${clientText(name)}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`;
}
