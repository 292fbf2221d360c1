/** `sluice bench`: load generators, one subcommand for each protocol. */
import { writeFile } from 'node:fs/promises';
import { Command, InvalidArgumentError } from 'commander';
import type { Table } from '../../base/value.ts';
import { describe, fail } from '../failure.ts';
import { parseAddress } from './amqp/address.ts';
import { formatResult } from './amqp/report.ts';
import { runBench } from './amqp/run.ts';
import { type BenchSettings, checkSettings, defaultSettings as preset } from './amqp/settings.ts';

export function benchCommand(): Command {
  return new Command('bench').description('generate load and measure a broker').addCommand(amqpCommand());
}

/** The options as commander names them; what they mean is said in `BenchSettings`. */
interface AmqpOptions {
  readonly url: string;
  readonly publishers: number;
  readonly consumers: number;
  readonly queues: number;
  readonly connections: number;
  readonly queuePerConnection?: true;
  readonly fanout: number;
  readonly size: number;
  readonly persistent?: true;
  readonly priorities: number;
  readonly expiration: number;
  readonly queueArguments: Table;
  readonly deadLetter?: true;
  readonly durable?: true;
  readonly confirm: number;
  readonly prefetch: number;
  readonly autoAck?: true;
  readonly ackEvery: number;
  readonly level?: true;
  readonly rate: number;
  readonly messages: number;
  readonly duration: number;
  readonly warmup: number;
  readonly drain: number;
  readonly preload: number;
  readonly publishOnly?: true;
  readonly consumeOnly?: true;
  readonly keep?: true;
  readonly queue: string;
  readonly publisherBase: number;
  readonly processes: number;
  readonly json?: string;
}

function amqpCommand(): Command {
  return new Command('amqp')
    .description('drive any AMQP 0-9-1 broker; prints rates, latencies and whether any message was lost')
    .option('--url <url>', 'the broker', preset.url)
    .option('--publishers <n>', 'number of publishers', wholeNumber, preset.publishers)
    .option('--consumers <n>', 'number of consumers', wholeNumber, preset.consumers)
    .option('--queues <n>', 'number of queues; publisher i uses queue i mod n', positive, preset.queues)
    .option('--connections <n>', 'share so many connections (0: one each)', wholeNumber, preset.connections)
    .option('--queue-per-connection', 'each connection publishes to and consumes from a queue of its own')
    .option('--fanout <n>', 'publish to a fanout exchange with so many queues', wholeNumber, preset.fanout)
    .option(
      '--size <bytes>',
      'size of a body; from 16 on it is numbered and stamped',
      wholeNumber,
      preset.sizeBytes,
    )
    .option('--persistent', 'persistent messages; makes the queues durable')
    .option('--durable', 'durable queues')
    .option('--priorities <n>', 'the messages take turns with so many priorities', wholeNumber, 0)
    .option('--expiration <ms>', 'time to live of each message (0: none)', wholeNumber, 0)
    .option('--queue-arguments <json>', 'arguments of the queues, as {"x-max-priority": 10}', json, {})
    .option('--dead-letter', 'publish to queues where all expires at once; consume the dead letters')
    .option(
      '--confirm <window>',
      'at most so many unconfirmed per publisher (0: no confirms)',
      wholeNumber,
      0,
    )
    .option('--prefetch <n>', 'prefetch per consumer (0: no limit)', wholeNumber, preset.prefetch)
    .option('--auto-ack', 'consume without acknowledgements')
    .option(
      '--ack-every <n>',
      'acknowledge n messages at once (0: one ack per read)',
      wholeNumber,
      preset.ackEvery,
    )
    .option('--level', 'acknowledge no faster than is published: a backlog keeps its size')
    .option('--rate <n>', 'messages a second offered by all publishers together (0: no limit)', amount, 0)
    .option('--messages <n>', 'end after so many messages', wholeNumber, 0)
    .option('--duration <s>', 'measure for so many seconds', amount, preset.durationSeconds)
    .option('--warmup <s>', 'seconds before measuring', amount, preset.warmupSeconds)
    .option('--drain <s>', 'wait at most so long for what is left in the queues', amount, preset.drainSeconds)
    .option('--preload <n>', 'first publish n messages, confirmed, without consuming', wholeNumber, 0)
    .option('--publish-only', 'no consumers')
    .option('--consume-only', 'no publishers')
    .option('--keep', 'do not delete the queues at the end')
    .option('--queue <name>', 'name, or beginning of the names, of the queues', preset.queuePrefix)
    .option(
      '--publisher-base <n>',
      'number of the first publisher, for runs that share a queue',
      wholeNumber,
      0,
    )
    .option('--processes <n>', 'divide publishers and consumers among processes', positive, preset.processes)
    .option('--json <file>', 'also write settings and result to a file (- for standard output only)')
    .action(runAmqp);
}

async function runAmqp(options: AmqpOptions, command: Command): Promise<void> {
  const settings = toSettings(options);
  try {
    parseAddress(settings.url);
    checkSettings(settings);
  } catch (error) {
    command.error(`error: ${describe(error)}`);
  }
  await measure(settings, options.json).catch(fail);
}

async function measure(settings: BenchSettings, json: string | undefined): Promise<void> {
  const result = await runBench(settings, (text) => process.stderr.write(`${text}\n`));
  const document = `${JSON.stringify(result, null, 2)}\n`;
  if (json === '-') {
    process.stdout.write(document);
    return;
  }
  if (json !== undefined) await writeFile(json, document);
  process.stdout.write(`${formatResult(result)}\n`);
}

function toSettings(o: AmqpOptions): BenchSettings {
  return {
    url: o.url,
    publishers: o.publishers,
    consumers: o.consumers,
    queues: o.queues,
    connections: o.connections,
    queuePerConnection: o.queuePerConnection === true,
    fanout: o.fanout,
    sizeBytes: o.size,
    persistent: o.persistent === true,
    priorities: o.priorities,
    expirationMs: o.expiration,
    queueArguments: o.queueArguments,
    deadLetter: o.deadLetter === true,
    durable: o.durable === true || o.persistent === true,
    confirmWindow: o.confirm,
    prefetch: o.prefetch,
    autoAck: o.autoAck === true,
    ackEvery: o.ackEvery,
    level: o.level === true,
    ratePerSecond: o.rate,
    messages: o.messages,
    durationSeconds: o.duration,
    warmupSeconds: o.warmup,
    drainSeconds: o.drain,
    preload: o.preload,
    publish: o.consumeOnly !== true,
    consume: o.publishOnly !== true,
    keep: o.keep === true,
    queuePrefix: o.queue,
    publisherBase: o.publisherBase,
    processes: o.processes,
  };
}

function json(text: string): Table {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Table;
  } catch {
    // Said below.
  }
  throw new InvalidArgumentError('A JSON object is expected.');
}

function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('A whole number from 0 on is expected.');
  return Number(text);
}

function positive(text: string): number {
  const value = wholeNumber(text);
  if (value === 0) throw new InvalidArgumentError('A whole number from 1 on is expected.');
  return value;
}

function amount(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new InvalidArgumentError('A number from 0 on is expected.');
  return Number(text);
}
