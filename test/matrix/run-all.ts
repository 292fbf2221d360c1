import { type Case, idOf } from './case.ts';
import { type Answers, type Comparison, compare } from './compare.ts';
import { runCase, type Target } from './run-case.ts';

/** RabbitMQ takes its time with some errors. */
const AT_ONCE = 16;
const PATIENT_MS = 1500;

/** Cases do not touch each other's things, so that several run at once. */
export async function runAll(
  cases: readonly Case[],
  target: Target,
  atOnce: number = AT_ONCE,
): Promise<Answers> {
  const answers: Record<string, readonly string[]> = Object.fromEntries(
    cases.map((each) => [idOf(each), []]),
  );
  const run = Date.now().toString(36);
  let next = 0;
  const worker = async () => {
    while (next < cases.length) {
      const index = next++;
      const each = cases[index];
      // Of one length, so that texts that are cut are cut alike.
      const prefix = `m${run}-${String(index).padStart(4, '0')}-`;
      answers[idOf(each)] = await runCase(each, target, prefix);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return answers;
}

/** All cases against a broker, held against what another answered. */
export async function hold(cases: readonly Case[], target: Target, theirs: Answers): Promise<Comparison> {
  const ours = await runAll(cases, target, AT_ONCE);
  const failed = new Set(compare(cases, ours, theirs).failures.map(({ id }) => id));
  // On a machine that is busy an answer may take longer than nothing takes elsewhere.
  const again = cases.filter((each) => failed.has(idOf(each)));
  const later = await runAll(again, { ...target, quietMs: PATIENT_MS }, AT_ONCE);
  return compare(cases, { ...ours, ...later }, theirs);
}
