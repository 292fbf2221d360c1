/** Many small durable queues: what they cost in memory and open files, and how long a restart takes. */
import { describeMachine, type Machine } from '../src/cli/bench/machine.ts';
import { startSluice, withDirectory } from './brokers.ts';
import { generate } from './generator.ts';
import { openFiles, processFigures } from './process-figures.ts';

const CONNECTIONS = 20;

export interface ManyQueuesResult {
  readonly machine: Machine;
  readonly queues: number;
  readonly messagesEach: number;
  readonly filled: Footprint;
  readonly restarted: Footprint;
  readonly restartSeconds: { readonly afterStop: number; readonly afterKill: number };
  readonly consumed: number;
  readonly faults: number;
  readonly text: string;
}

interface Footprint {
  readonly residentMiB: number;
  readonly openFiles: number;
}

export function measureManyQueues(
  queues: number,
  messagesEach: number,
  note: (text: string) => void,
): Promise<ManyQueuesResult> {
  return withDirectory(async (directory) => {
    let broker = await startSluice(directory);
    try {
      note(`declaring ${queues} queues and publishing ${messagesEach} messages to each`);
      const common = [
        ...[
          '--persistent',
          '--size',
          '100',
          '--queues',
          String(queues),
          '--connections',
          String(CONNECTIONS),
        ],
        ...['--messages', String(queues * messagesEach)],
      ];
      await generate(broker.url, [
        ...common,
        ...['--publish-only', '--publishers', String(queues), '--confirm', '100', '--keep'],
      ]);
      const filled = await footprint(broker.pid);

      note('restarting after SIGTERM, then after SIGKILL');
      await broker.stop();
      broker = await startSluice(directory);
      const afterStop = broker.startSeconds;
      await broker.kill();
      broker = await startSluice(directory);
      const afterKill = broker.startSeconds;
      const restarted = await footprint(broker.pid);

      note('consuming all');
      const { totals } = await generate(broker.url, [
        ...common,
        ...['--consume-only', '--consumers', String(queues), '--prefetch', '100', '--ack-every', '10'],
      ]);
      const result = {
        machine: describeMachine(),
        queues,
        messagesEach,
        filled,
        restarted,
        restartSeconds: { afterStop, afterKill },
        consumed: totals.consumed,
        faults: totals.missing + totals.duplicates + totals.outOfOrder,
      };
      return { ...result, text: format(result) };
    } finally {
      await broker.stop();
    }
  });
}

async function footprint(pid: number): Promise<Footprint> {
  return { residentMiB: (await processFigures(pid)).residentMiB, openFiles: await openFiles(pid) };
}

function format(r: Omit<ManyQueuesResult, 'text'>): string {
  return [
    `${r.machine.cpu}, ${r.machine.cores} cores, node ${r.machine.node}, durability sync`,
    `${r.queues} queues with ${r.messagesEach} persistent messages of 100 B each`,
    `filled      ${r.filled.residentMiB} MiB resident, ${r.filled.openFiles} open files`,
    `restarted   ${r.restarted.residentMiB} MiB resident, ${r.restarted.openFiles} open files`,
    `restart     ${r.restartSeconds.afterStop.toFixed(2)} s after SIGTERM, ${r.restartSeconds.afterKill.toFixed(2)} s after SIGKILL (target 3 s)`,
    `consumed    ${r.consumed} of ${r.queues * r.messagesEach}, ${r.faults} missing, doubled or out of order`,
  ].join('\n');
}
