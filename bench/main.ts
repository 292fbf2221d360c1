/** `npm run bench -- <comparison>`: the measurements behind the figures in the documentation. */
import { Command, InvalidArgumentError } from 'commander';
import { measureBacklog } from './backlog.ts';
import type { BrokerName } from './brokers.ts';
import { PAIRS_MIN } from './commit-result.ts';
import { selectRows } from './commit-rows.ts';
import { compareCommits } from './commits.ts';
import { compare, formatComparison, saveResult } from './compare.ts';
import { measureDelays } from './delays.ts';
import { measureDoors } from './doors/measure.ts';
import { measureFeatures } from './features.ts';
import { measureKafka } from './kafka.ts';
import { ensureKafka, ensureRdkafkaPerformance } from './kafka-install.ts';
import { measureManyQueues } from './many-queues.ts';
import { ensureRabbitmq } from './rabbitmq-install.ts';
import { measureRpc } from './rpc.ts';
import { selectScenarios } from './scenarios.ts';
import { measureShards } from './shards/measure.ts';
import { measureIsolationOfAll } from './shards/measure-isolation.ts';
import { measureShare } from './share.ts';

const program = new Command('bench').description('measure Sluice, alone or beside a peer');

program
  .command('amqp')
  .description('throughput and latency of AMQP 0-9-1 clients')
  .option('--peer <broker>', 'rabbitmq, or none')
  .option('--only <broker>', 'measure one broker alone: sluice or rabbitmq')
  .option('--scenario <names>', 'comma-separated: a, b100, b1k, c, d, e, or part of a name', '')
  .option('--runs <n>', 'runs of each broker', '3')
  .option('--seconds <s>', 'measured time of a run', '10')
  .option('--warmup <s>', 'time before measuring', '2')
  .action(async (o: AmqpOptions) => {
    const options = {
      brokers: chooseBrokers(o),
      scenarios: selectScenarios(o.scenario.split(',').filter((name) => name !== '')),
      runs: Number(o.runs),
      seconds: Number(o.seconds),
      warmupSeconds: Number(o.warmup),
    };
    const comparison = await compare(options, console.error);
    const file = await saveResult('amqp', comparison);
    console.log(`\n${formatComparison(comparison)}\n\n${file}`);
  });

program
  .command('backlog')
  .description('throughput, memory and restart with millions of messages waiting in one queue')
  .option('--messages <n>', 'persistent messages of 100 bytes', '10000000')
  .option('--seconds <s>', 'measured time of a run', '10')
  .action(async (o: { messages: string; seconds: string }) => {
    const result = await measureBacklog(Number(o.messages), Number(o.seconds), console.error);
    console.log(`${result.text}\n\n${await saveResult('backlog', result)}`);
  });

program
  .command('many-queues')
  .description('restart, memory and open files with many small queues')
  .option('--queues <n>', 'durable queues', '10000')
  .option('--messages <n>', 'persistent messages of 100 bytes in each', '100')
  .action(async (o: { queues: string; messages: string }) => {
    const result = await measureManyQueues(Number(o.queues), Number(o.messages), console.error);
    console.log(`${result.text}\n\n${await saveResult('many-queues', result)}`);
  });

program
  .command('features')
  .description('what time to live, priorities and dead-lettering cost, beside the plain queue')
  .option('--runs <n>', 'runs of each', '3')
  .option('--seconds <s>', 'measured time of a run', '5')
  .action(async (o: { runs: string; seconds: string }) => {
    const result = await measureFeatures(Number(o.runs), Number(o.seconds), console.error);
    console.log(`${result.text}\n\n${await saveResult('features', result)}`);
  });

program
  .command('share')
  .description('share groups: records handed out and acknowledged one by one')
  .option('--records <n>', 'records of 100 bytes', '1000000')
  .action(async (o: { records: string }) => {
    const result = await measureShare(Number(o.records), console.error);
    console.log(`${result.text}\n\n${await saveResult('share', result)}`);
  });

program
  .command('rpc')
  .description('remote calls by direct reply-to: many concurrent callers, a few servers')
  .option('--peer <broker>', 'rabbitmq, or none')
  .option('--callers <n>', 'callers, each with one call at a time', '1000')
  .option('--runs <n>', 'runs of each broker', '3')
  .option('--seconds <s>', 'measured time of a run', '5')
  .action(async (o: { peer?: string; callers: string; runs: string; seconds: string }) => {
    const brokers = chooseBrokers(o);
    const result = await measureRpc(
      brokers,
      Number(o.callers),
      Number(o.runs),
      Number(o.seconds),
      console.error,
    );
    console.log(`${result.text}\n\n${await saveResult('rpc', result)}`);
  });

program
  .command('kafka')
  .description('throughput, latency and memory of Kafka clients, beside Apache Kafka')
  .option('--only <broker>', 'measure one broker alone: sluice or kafka')
  .option('--figures <parts>', 'comma-separated: only figures whose names have all of these parts', '')
  .option('--runs <n>', 'runs of each broker', '3')
  .option('--records <n>', 'records of 100 bytes; of 1 KB a fifth of them', '5000000')
  .option('--backlog <gib>', 'what the consumer that has fallen behind reads', '4')
  .action(async (o: KafkaOptions) => {
    ensureKafka(console.error);
    const plan = {
      brokers: chooseKafkaBrokers(o.only),
      runs: Number(o.runs),
      records: Number(o.records),
      backlogGiB: Number(o.backlog),
      rdkafka: ensureRdkafkaPerformance(console.error),
      only: o.figures.split(',').filter((part) => part !== ''),
    };
    const result = await measureKafka(plan, console.error);
    console.log(`${result.text}\n\n${await saveResult('kafka', result)}`);
  });

program
  .command('delays')
  .description('memory, publish rate and lateness with many delayed messages')
  .option('--messages <n>', 'persistent messages of 100 bytes', '1000000')
  .action(async (o: { messages: string }) => {
    const result = await measureDelays(Number(o.messages), console.error);
    console.log(`${result.text}\n\n${await saveResult('delays', result)}`);
  });

program
  .command('doors')
  .description('bytes from one thread to another: rings in shared memory beside message ports')
  .option('--runs <n>', 'runs of each', positive, 3)
  .option('--seconds <s>', 'measured time of a run', positive, 1)
  .action(async (o: { runs: number; seconds: number }) => {
    const result = await measureDoors(o.runs, o.seconds, console.error);
    console.log(`${result.text}\n\n${await saveResult('doors', result)}`);
  });

program
  .command('shards')
  .description('what several shards cost and carry, with each event loop held to the same share of a core')
  .option('--rounds <n>', 'runs of each', positive, 4)
  .option('--seconds <s>', 'measured time of a run', positive, 4)
  .option('--persistent', 'persistent messages', false)
  .action(async (o: { rounds: number; seconds: number; persistent: boolean }) => {
    const result = await measureShards(o.rounds, o.seconds, o.persistent, console.error);
    console.log(`${result.text}\n\n${await saveResult('shards', result)}`);
  });

program
  .command('shard-isolation')
  .description('latency of a queue in one shard while another shard is in trouble')
  .option('--rounds <n>', 'turns with the trouble in another broker, and in the same one', positive, 5)
  .option('--seconds <s>', 'measured time of each', positive, 5)
  .action(async (o: { rounds: number; seconds: number }) => {
    const result = await measureIsolationOfAll(o.rounds, o.seconds, console.error);
    console.log(`${result.text}\n\n${await saveResult('shard-isolation', result)}`);
  });

program
  .command('compare')
  .description(
    'two commits of Sluice, in the order A B B A; ends with status 1 when a row of the second fails',
  )
  .argument('<before>', 'the commit that is compared with (A): a revision, or . for the working tree')
  .argument('<after>', 'the commit in question (B): the same')
  .option('--rows <names>', 'comma-separated: names of rows, or beginnings of them', '')
  .option('--pairs <n>', 'runs of each commit in each row', positive, PAIRS_MIN)
  .option('--seconds <s>', 'measured time of a run', positive, 4)
  .option('--warmup <s>', 'time before measuring', positive, 1.5)
  .option('--floor <ratio>', 'the least ratio of B to A that is accepted', positive, 0.97)
  .action(async (before: string, after: string, o: CompareCommitsOptions) => {
    const { pairs, seconds, warmup: warmupSeconds, floor } = o;
    if (!Number.isInteger(pairs)) throw new Error('--pairs is a whole number');
    if (floor > 1) throw new Error('--floor is at most 1');
    const rows = selectRows(o.rows.split(',').filter((name) => name !== ''));
    const plan = { before, after, rows, pairs, seconds, warmupSeconds, floor };
    const result = await compareCommits(plan, console.error);
    console.log(`\n${result.text}\n\n${await saveResult('compare', result)}`);
    if (result.isFailed) process.exitCode = 1;
  });

interface CompareCommitsOptions {
  readonly rows: string;
  readonly pairs: number;
  readonly seconds: number;
  readonly warmup: number;
  readonly floor: number;
}

function positive(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError('A number above 0 is expected.');
}

interface KafkaOptions {
  readonly only?: string;
  readonly figures: string;
  readonly runs: string;
  readonly records: string;
  readonly backlog: string;
}

function chooseKafkaBrokers(only: string | undefined): BrokerName[] {
  if (only === undefined) return ['sluice', 'kafka'];
  if (only !== 'sluice' && only !== 'kafka')
    throw new Error(`${only} is not a broker that can be measured here`);
  return [only];
}

interface AmqpOptions {
  readonly peer?: string;
  readonly only?: string;
  readonly scenario: string;
  readonly runs: string;
  readonly seconds: string;
  readonly warmup: string;
}

function chooseBrokers(o: Pick<AmqpOptions, 'peer' | 'only'>): BrokerName[] {
  const peer = o.only ?? o.peer;
  if (peer !== undefined && !['rabbitmq', 'sluice', 'none'].includes(peer)) {
    throw new Error(`${peer} is not a broker that can be measured: rabbitmq`);
  }
  if (o.only === 'sluice' || peer === undefined || peer === 'none') return ['sluice'];
  ensureRabbitmq(console.error);
  return o.only === undefined ? ['sluice', 'rabbitmq'] : ['rabbitmq'];
}

try {
  await program.parseAsync();
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
