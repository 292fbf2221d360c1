/** Many delayed messages: what they cost in memory, how fast they come in, and how late they come out. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describeMachine, type Machine } from '../src/cli/bench/machine.ts';
import { withDirectory } from './brokers.ts';
import type { DelaysFigures, DelaysPlan } from './delays-process.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const PROGRAM = fileURLToPath(new URL('./delays-process.ts', import.meta.url));

export interface DelaysResult {
  readonly machine: Machine;
  readonly messages: number;
  /** Delays from half a minute to a minute and a half: first all come in, then all go out. */
  readonly soon: DelaysFigures;
  /** Delays from one to two days. */
  readonly far: DelaysFigures;
  readonly text: string;
}

export async function measureDelays(messages: number, note: (text: string) => void): Promise<DelaysResult> {
  note(`${messages} messages with delays from 30 to 90 seconds`);
  const soon = await measure({ messages, delayMinMs: MINUTE / 2, delayMaxMs: 1.5 * MINUTE, awaits: true });
  note(`${messages} messages with delays from one to two days`);
  const far = await measure({ messages, delayMinMs: 24 * HOUR, delayMaxMs: 48 * HOUR, awaits: false });
  const result = { machine: describeMachine(), messages, soon, far };
  return { ...result, text: format(result) };
}

function measure(plan: DelaysPlan): Promise<DelaysFigures> {
  return withDirectory(async (directory) => {
    const child = fork(PROGRAM, [`${directory}/data`, JSON.stringify(plan)]);
    const ended = once(child, 'exit');
    const [figures] = (await Promise.race([
      once(child, 'message'),
      ended.then(([code]) => Promise.reject(new Error(`the broker ended with ${code}`))),
    ])) as [DelaysFigures];
    await ended;
    return figures;
  });
}

function format({ machine, messages, soon, far }: Omit<DelaysResult, 'text'>): string {
  return [
    `${machine.cpu}, ${machine.cores} cores, node ${machine.node}, durability sync`,
    `${messages} persistent messages of 100 B, published and consumed within the broker's process`,
    `30 to 90 s    ${soon.publishedPerSecond}/s published, ${resident(soon)}`,
    `              ${soon.came} came, ${late(soon)}`,
    `1 to 2 days   ${far.publishedPerSecond}/s published, ${resident(far)}`,
  ].join('\n');
}

function resident({ residentMiB: { before, waiting, peak } }: DelaysFigures): string {
  return `${before} MiB resident before, ${waiting} with all waiting, ${peak} at most`;
}

function late({ lateMs: { p50, p99, max } }: DelaysFigures): string {
  return `late by ${p50.toFixed(1)} ms (p50), ${p99.toFixed(1)} ms (p99), ${max.toFixed(1)} ms (max)`;
}
