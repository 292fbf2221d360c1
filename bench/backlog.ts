/**
 * Does a backlog slow a broker down? Millions of persistent messages are left waiting in one queue; then publishing to
 * and consuming from that queue is compared with the same on an empty one, in turns; acknowledgements are held to the
 * rate of publishing, so that the backlog stays. After that: memory, restart after SIGTERM and after SIGKILL, and all
 * messages drained, in order and complete.
 */
import type { BenchResult } from '../src/cli/bench/amqp/result.ts';
import { describeMachine, type Machine } from '../src/cli/bench/machine.ts';
import { type RunningBroker, startSluice, withDirectory } from './brokers.ts';
import { generate } from './generator.ts';
import { processFigures } from './process-figures.ts';
import { spread } from './statistics.ts';

const ROUNDS = 6;
const SAMPLE_MS = 250;

const load = ['--persistent', '--size', '100', '--confirm', '200', '--prefetch', '200', '--ack-every', '10'];
const backlogQueue = ['--queue', 'backlog', '--keep', '--drain', '0'];

export interface BacklogResult {
  readonly machine: Machine;
  readonly messages: number;
  readonly fillPerSecond: number;
  /** Messages published plus messages consumed. */
  readonly emptyPerSecond: readonly number[];
  readonly backlogPerSecond: readonly number[];
  /** With the backlog, of the empty queue's; by medians. */
  readonly ratio: number;
  readonly residentMiB: {
    readonly filled: number;
    readonly peakUnderLoad: number;
    readonly restarted: number;
  };
  readonly restartSeconds: { readonly afterStop: number; readonly afterKill: number };
  readonly drain: DrainResult;
  readonly text: string;
}

interface DrainResult {
  readonly expected: number;
  readonly consumed: number;
  readonly perSecond: number;
  readonly faults: readonly string[];
}

export function measureBacklog(
  messages: number,
  seconds: number,
  note: (text: string) => void,
): Promise<BacklogResult> {
  return withDirectory(async (directory) => {
    let broker = await startSluice(directory);
    try {
      note(`filling the queue with ${messages} messages`);
      const fill = await generate(broker.url, [
        ...load.with(load.indexOf('--confirm') + 1, '5000'),
        ...backlogQueue,
        '--publish-only',
        ...['--messages', String(messages)],
      ]);
      const filled = (await processFigures(broker.pid)).residentMiB;
      const { empty, behind, peak } = await alternate(broker, seconds, note);

      note('restarting after SIGTERM, then after SIGKILL');
      await broker.stop();
      broker = await startSluice(directory);
      const afterStop = broker.startSeconds;
      await broker.kill();
      broker = await startSluice(directory);
      const afterKill = broker.startSeconds;
      const restarted = (await processFigures(broker.pid)).residentMiB;

      note('draining');
      const drain = await drainAll(broker, messages, behind);
      const emptyPerSecond = empty.map(inAndOut);
      const backlogPerSecond = behind.map(inAndOut);
      const result = {
        machine: describeMachine(),
        messages,
        fillPerSecond: fill.confirmedPerSecond,
        emptyPerSecond,
        backlogPerSecond,
        ratio: spread(backlogPerSecond).median / spread(emptyPerSecond).median,
        residentMiB: { filled, peakUnderLoad: peak, restarted },
        restartSeconds: { afterStop, afterKill },
        drain,
      };
      return { ...result, text: format(result) };
    } finally {
      await broker.stop();
    }
  });
}

interface Alternation {
  readonly empty: readonly BenchResult[];
  readonly behind: readonly BenchResult[];
  readonly peak: number;
}

async function alternate(
  broker: RunningBroker,
  seconds: number,
  note: (text: string) => void,
): Promise<Alternation> {
  const times = ['--duration', String(seconds), '--warmup', '2', '--level'];
  const empty: BenchResult[] = [];
  const behind: BenchResult[] = [];
  let peak = 0;
  const sampler = setInterval(async () => {
    peak = Math.max(peak, (await processFigures(broker.pid)).residentMiB);
  }, SAMPLE_MS);
  const runEmpty = async () => {
    empty.push(await generate(broker.url, [...load, ...times, '--queue', 'empty']));
  };
  const runBehind = async (round: number) => {
    // Each round's publisher has a number of its own, so that every message in the queue stays distinguishable.
    const publisher = ['--publisher-base', String(round)];
    behind.push(await generate(broker.url, [...load, ...times, ...backlogQueue, ...publisher]));
  };
  for (let round = 1; round <= ROUNDS; round++) {
    // In the order A B B A: a disk that becomes slower with time is slower for both.
    if (round % 2 === 1) await runEmpty();
    await runBehind(round);
    if (round % 2 === 0) await runEmpty();
    note(
      `round ${round}: per second, empty queue ${perSecond(empty[round - 1])}, with the backlog ${perSecond(behind[round - 1])}`,
    );
  }
  clearInterval(sampler);
  return { empty, behind, peak };
}

async function drainAll(
  broker: RunningBroker,
  messages: number,
  behind: readonly BenchResult[],
): Promise<DrainResult> {
  const expected = behind.reduce((n, r) => n + r.totals.published - r.totals.consumed, messages);
  if (expected === 0)
    return { expected, consumed: 0, perSecond: 0, faults: ['too few messages: the runs ate them all'] };
  const result = await generate(broker.url, [
    ...[
      '--queue',
      'backlog',
      '--consume-only',
      '--messages',
      String(expected),
      '--persistent',
      '--size',
      '100',
    ],
    ...['--prefetch', '1000', '--ack-every', '100'],
  ]);
  const faults: string[] = [];
  const { totals } = result;
  if (totals.consumed !== expected) faults.push(`${expected} messages expected, ${totals.consumed} came`);
  if (totals.missing > 0) faults.push(`${totals.missing} missing`);
  if (totals.duplicates > 0) faults.push(`${totals.duplicates} came twice`);
  if (totals.outOfOrder > 0) faults.push(`${totals.outOfOrder} out of order`);
  // The backlog goes on where the last run that consumed from it has stopped, and ends with its last message.
  const consumedUpTo = behind.flatMap((r) => r.sequences).filter((s) => s.publisher === 0);
  const from = Math.max(0, ...consumedUpTo.map((s) => s.next));
  const rest = result.sequences.find((s) => s.publisher === 0);
  if (from < messages && (rest?.first !== from || rest.next !== messages)) {
    faults.push(
      `messages ${from} to ${messages - 1} expected, ${rest?.first} to ${(rest?.next ?? 0) - 1} came`,
    );
  }
  return { expected, consumed: totals.consumed, perSecond: result.consumedPerSecond, faults };
}

function format(r: Omit<BacklogResult, 'text'>): string {
  return [
    `${r.machine.cpu}, ${r.machine.cores} cores, node ${r.machine.node}, durability sync, 100 B persistent`,
    `filled with ${whole(r.messages)} messages at ${whole(r.fillPerSecond)}/s`,
    `in + out, empty queue            ${r.emptyPerSecond.map(whole).join(', ')} /s`,
    `in + out, with the backlog       ${r.backlogPerSecond.map(whole).join(', ')} /s   (${(r.ratio * 100).toFixed(0)} %, target 90 %)`,
    `resident MiB                     ${r.residentMiB.filled} filled, ${r.residentMiB.peakUnderLoad} peak under load, ${r.residentMiB.restarted} restarted (target 300)`,
    `restart to ready                 ${r.restartSeconds.afterStop.toFixed(2)} s after SIGTERM, ${r.restartSeconds.afterKill.toFixed(2)} s after SIGKILL (target 3 s)`,
    `drained                          ${whole(r.drain.consumed)} of ${whole(r.drain.expected)} at ${whole(r.drain.perSecond)}/s: ` +
      (r.drain.faults.length === 0 ? 'complete and in order' : `FAULTS: ${r.drain.faults.join('; ')}`),
  ].join('\n');
}

function inAndOut(result: BenchResult): number {
  return result.publishedPerSecond + result.consumedPerSecond;
}

function perSecond(result: BenchResult): string {
  return `${whole(result.publishedPerSecond)} in and ${whole(result.consumedPerSecond)} out`;
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
