/** Runs the load generator in its own process: the same one, with the same settings, for every broker. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { BenchResult } from '../src/cli/bench/amqp/result.ts';

const program = fileURLToPath(new URL('./run-generator.ts', import.meta.url));

export async function generate(url: string, options: readonly string[]): Promise<BenchResult> {
  const args = [program, 'amqp', '--url', url, '--json', '-', ...options];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  if (code !== 0) throw new Error(`the load generator ended with ${code}: ${options.join(' ')}`);
  return JSON.parse(Buffer.concat(chunks).toString()) as BenchResult;
}
