/** Starts `bin/sluice` of any checkout, waits for its ready line, and ends it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { end, READY_MS, running, tail, throwIfInterrupted } from './child.ts';

export interface RunningSluice {
  readonly name: 'sluice';
  readonly url: string;
  /** Where its Kafka clients begin, if it has any. */
  readonly bootstrap?: string;
  readonly pid: number;
  /** From the start of the process to its being ready. */
  readonly startSeconds: number;
  stop(): Promise<void>;
  kill(): Promise<void>;
}

export interface SluiceProgram {
  /** The path of `bin/sluice`. */
  readonly launcher: string;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** `options`: all that comes after `start`. */
export async function launchSluice(
  { launcher, ...where }: SluiceProgram,
  options: readonly string[],
): Promise<RunningSluice> {
  throwIfInterrupted();
  const begin = performance.now();
  const child = spawn(launcher, ['start', ...options], { ...where, stdio: ['ignore', 'pipe', 'pipe'] });
  running.set(child, () => end(child, child.pid, 'SIGKILL'));
  const errors = tail(child);
  const line = await firstLine(child, errors);
  const startSeconds = (performance.now() - begin) / 1000;
  const address = /\bamqp=(\S+)/.exec(line)?.[1];
  const pid = Number(/\bpid=(\d+)/.exec(line)?.[1] ?? child.pid);
  if (!line.startsWith('sluice ready ') || address === undefined)
    throw new Error(`not a ready line: ${line}`);
  const bootstrap = /\bkafka=(\S+)/.exec(line)?.[1];
  return {
    name: 'sluice',
    url: `amqp://guest:guest@${address}/`,
    ...(bootstrap === undefined ? {} : { bootstrap }),
    pid,
    startSeconds,
    stop: () => end(child, child.pid, 'SIGTERM'),
    kill: () => end(child, child.pid, 'SIGKILL'),
  };
}

function firstLine(child: ChildProcess, errors: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      reject(new Error(`Sluice ${why}\n${errors()}`));
    };
    const timer = setTimeout(() => fail('was not ready in time'), READY_MS);
    child.once('error', (error) => fail(`did not start: ${error.message}`));
    child.once('close', (code) => fail(`ended with ${code} before it was ready`));
    if (child.stdout === null) throw new Error('no standard output');
    createInterface(child.stdout).once('line', (line) => {
      clearTimeout(timer);
      child.removeAllListeners('close');
      resolve(line);
    });
  });
}
