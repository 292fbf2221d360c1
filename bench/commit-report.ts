/** A comparison of two commits in words and as a table. */
import type { Checkout } from './checkout.ts';
import {
  type CommitRowResult,
  type CommitsPlan,
  type Conditions,
  PAIRS_MIN,
  type Pair,
} from './commit-result.ts';
import { LOAD_QUIET_MAX } from './quiet.ts';
import { type Estimate, spread } from './statistics.ts';
import { pairOrder, type Side } from './verdict.ts';

export function formatHeader(
  { machine, at, loadAverage, syncedWrites, kafkaLoad }: Conditions,
  plan: CommitsPlan,
  checkouts: Readonly<Record<Side, Checkout>>,
): string {
  const commit = ({ rev, commit: hash, subject, packages }: Checkout) =>
    `${rev} = ${hash.slice(0, 10)}, ${subject} (packages: ${packages})`;
  const remarks = [
    loadAverage > LOAD_QUIET_MAX
      ? `WARNING: the machine is not quiet, its load average is above ${LOAD_QUIET_MAX}: not a comparison that counts`
      : '',
    plan.pairs < PAIRS_MIN
      ? `${plan.pairs} pairs are fewer than ${PAIRS_MIN}: not a comparison that counts`
      : '',
  ];
  return [
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryMiB} MiB, ${machine.system}, node ${machine.node}, ${at}`,
    `A: ${commit(checkouts.A)}`,
    `B: ${commit(checkouts.B)}`,
    `load average ${loadAverage.toFixed(2)}; a synced write of 64 KB takes ${syncedWrites.medianMs.toFixed(2)} ms (p99 ${syncedWrites.p99Ms.toFixed(2)} ms)`,
    `${plan.pairs} pairs of runs of ${plan.seconds} s after ${plan.warmupSeconds} s, order A B B A, a fresh broker for each; durability sync; floor ${plan.floor}`,
    ...(plan.rows.some((row) => row.startsWith('kafka')) ? [`Kafka load: ${kafkaLoad}`] : []),
    ...remarks.filter((remark) => remark !== ''),
  ].join('\n');
}

export function formatPair(index: number, { A, B }: Pair): string {
  const order = pairOrder(index).join(' ');
  const rates = `A ${amount(A.perSecond)}/s, B ${amount(B.perSecond)}/s`;
  const cpu = `processor A ${micros(A.cpuMicrosPerMessage)}, B ${micros(B.cpuMicrosPerMessage)} µs/message`;
  const ratios = `ratios ${(B.perSecond / A.perSecond).toFixed(3)}, ${(B.cpuMicrosPerMessage / A.cpuMicrosPerMessage).toFixed(3)}`;
  return `  ${String(index + 1).padStart(2)} ${order}  ${rates}; ${cpu}; ${ratios}${faults('A', A.faults)}${faults('B', B.faults)}`;
}

function faults(side: Side, text: string): string {
  return text === '' ? '' : `; FAULTS of ${side}: ${text}`;
}

export function formatTable(rows: readonly CommitRowResult[], plan: CommitsPlan): string {
  const lines = rows.map(({ row, pairs, rate, cpu, verdict }) => {
    const median = (side: Side) => amount(spread(pairs.map((pair) => pair[side].perSecond)).median);
    return `| ${[row, median('A'), median('B'), ...estimate(rate), ...estimate(cpu), verdict].join(' | ')} |`;
  });
  return [
    `Ratios are B / A. A row fails when the whole 90 % interval of its rate is below ${plan.floor}, or that of the processor time`,
    `of a message above ${(1 / plan.floor).toFixed(3)}. It is undecided when that limit is within an interval, or there is no interval.`,
    '',
    '| row | A, median/s | B, median/s | ratio | 90 % interval | processor/message, ratio | 90 % interval | verdict |',
    '|---|---|---|---|---|---|---|---|',
    ...lines,
    ...faultLines(rows),
  ].join('\n');
}

function estimate({ ratio, interval }: Estimate): [string, string] {
  return [
    ratio.toFixed(3),
    interval === undefined ? 'too few pairs' : `${interval.low.toFixed(3)}–${interval.high.toFixed(3)}`,
  ];
}

function faultLines(rows: readonly CommitRowResult[]): string[] {
  const lines = rows.flatMap(({ row, pairs }) =>
    pairs.flatMap(({ A, B }, i) => [
      ...(A.faults === '' ? [] : [`${row}, pair ${i + 1}, A: ${A.faults}`]),
      ...(B.faults === '' ? [] : [`${row}, pair ${i + 1}, B: ${B.faults}`]),
    ]),
  );
  return lines.length === 0 ? [] : ['', 'FAULTS of single runs:', ...lines];
}

function amount(perSecond: number): string {
  return Math.round(perSecond).toLocaleString('en-US');
}

function micros(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
