import { type Case, idOf } from './case.ts';
import { type Difference, differences, unfinished } from './differences.ts';

/** What each case was answered, by its id, in the order of the cases. */
export type Answers = Readonly<Record<string, readonly string[]>>;

export interface Comparison {
  readonly same: number;
  /** On purpose, with the number of cases. */
  readonly different: ReadonlyMap<Difference, number>;
  /** Refused because the feature is not built; or listed as such. */
  readonly unbuilt: readonly string[];
  readonly failures: readonly Failure[];
  /** Listed, and found in none of these cases. */
  readonly stale: readonly Difference[];
}

export interface Failure {
  readonly id: string;
  readonly problem: string;
}

const UNBUILT = 'is not supported by this version of Sluice';

export function compare(cases: readonly Case[], ours: Answers, theirs: Answers): Comparison {
  let same = 0;
  const different = new Map<Difference, number>();
  const unbuilt: string[] = [];
  const failures: Failure[] = [];
  const stale = new Set([...unfinished, ...differences]);
  for (const each of cases) {
    const id = idOf(each);
    const expected = theirs[id];
    const answer = ours[id];
    if (expected === undefined) {
      failures.push({ id, problem: 'RabbitMQ was not asked: record it' });
    } else if (isSame(answer, expected)) {
      same++;
    } else if (answer.some((line) => line.includes(UNBUILT))) {
      unbuilt.push(id);
    } else {
      const known = find(unfinished, id, answer, expected) ?? find(differences, id, answer, expected);
      if (known === undefined)
        failures.push({ id, problem: `Sluice ${show(answer)}\nRabbit ${show(expected)}` });
      else if (unfinished.includes(known)) unbuilt.push(id);
      else different.set(known, (different.get(known) ?? 0) + 1);
      if (known !== undefined) stale.delete(known);
    }
  }
  return { same, different, unbuilt, failures, stale: [...stale] };
}

function find(
  list: readonly Difference[],
  id: string,
  ours: readonly string[],
  theirs: readonly string[],
): Difference | undefined {
  return list.find(
    (each) =>
      each.cases.test(id) &&
      each.ours.test(ours.join('; ')) &&
      (each.theirs?.test(theirs.join('; ')) ?? true),
  );
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((line, index) => line === b[index]);
}

function show(lines: readonly string[]): string {
  return lines.length === 0 ? '(nothing)' : lines.join('\n       ');
}

export function describeComparison({ same, different, unbuilt, failures, stale }: Comparison): string {
  const onPurpose = [...different].map(([{ why }, count]) => `  ${count}: ${why}`);
  return [
    ...failures.map(({ id, problem }) => `${id}\n${problem}\n`),
    `different on purpose:`,
    ...onPurpose,
    'not built:',
    ...unbuilt.map((id) => `  ${id}`),
    'listed as different, and not found so:',
    ...stale.map(({ why }) => `  ${why}`),
    `${same} the same, ${unbuilt.length} not built, ${failures.length} failed`,
  ].join('\n');
}
