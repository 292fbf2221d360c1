/** Remote calls by direct reply-to, on Sluice and its peer in turns. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describeMachine, type Machine } from '../src/cli/bench/machine.ts';
import { type BrokerName, startBroker, withDirectory } from './brokers.ts';
import type { RpcFigures, RpcPlan } from './rpc-load.ts';
import { spread } from './statistics.ts';

const program = fileURLToPath(new URL('./rpc-load.ts', import.meta.url));
const CONNECTIONS = 40;
const SERVERS = 8;

export interface RpcResult {
  readonly machine: Machine;
  readonly plan: RpcPlan;
  readonly runs: Readonly<Partial<Record<BrokerName, readonly RpcFigures[]>>>;
  readonly text: string;
}

export async function measureRpc(
  brokers: readonly BrokerName[],
  callers: number,
  runs: number,
  seconds: number,
  note: (text: string) => void,
): Promise<RpcResult> {
  const plan = { callers, connections: CONNECTIONS, servers: SERVERS, warmupSeconds: 2, seconds };
  const measured: Partial<Record<BrokerName, RpcFigures[]>> = {};
  for (let run = 0; run < runs; run++) {
    for (const broker of brokers) {
      const figures = await measure(broker, plan);
      (measured[broker] ??= []).push(figures);
      note(`${broker.padEnd(10)}${summary([figures])}`);
    }
  }
  const machine = describeMachine();
  return { machine, plan, runs: measured, text: format(machine, plan, measured) };
}

function measure(name: BrokerName, plan: RpcPlan): Promise<RpcFigures> {
  return withDirectory(async (directory) => {
    const broker = await startBroker(name, directory);
    try {
      return await load(broker.url, plan);
    } finally {
      await broker.stop();
    }
  });
}

async function load(url: string, plan: RpcPlan): Promise<RpcFigures> {
  const args = [program, url, JSON.stringify(plan)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  if (code !== 0) throw new Error(`the callers and servers ended with ${code}`);
  return JSON.parse(Buffer.concat(chunks).toString()) as RpcFigures;
}

function summary(figures: readonly RpcFigures[]): string {
  const median = (of: (each: RpcFigures) => number) => spread(figures.map(of)).median;
  const p50 = median((each) => each.latencyMs.p50).toFixed(1);
  const p99 = median((each) => each.latencyMs.p99).toFixed(1);
  const wrong = figures.reduce((sum, each) => sum + each.wrong, 0);
  const calls = Math.round(median((each) => each.callsPerSecond));
  return `${calls} calls/s, p50 ${p50} ms, p99 ${p99} ms, ${wrong} wrong answers`;
}

function format(machine: Machine, plan: RpcPlan, runs: RpcResult['runs']): string {
  return [
    `${machine.cpu}, ${machine.cores} cores, node ${machine.node}`,
    `${plan.callers} callers on ${plan.connections} connections, ${plan.servers} servers; medians`,
    ...Object.entries(runs).map(([broker, figures]) => `${broker.padEnd(10)}${summary(figures)}`),
  ].join('\n');
}
