/** Runs the load generator in its own process: the same one, with the same settings, for every broker. */
import { fileURLToPath } from 'node:url';
import type { BenchResult } from '../src/cli/bench/amqp/result.ts';
import { output } from './child.ts';

const program = fileURLToPath(new URL('./run-generator.ts', import.meta.url));

export async function generate(url: string, options: readonly string[]): Promise<BenchResult> {
  const args = [program, 'amqp', '--url', url, '--json', '-', ...options];
  return JSON.parse(await output(process.execPath, args, { showsErrors: true })) as BenchResult;
}
