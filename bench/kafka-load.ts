/** Other people's load generators for the Kafka protocol, run as processes, and what they print as figures. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { output } from './child.ts';
import { KAFKA_CLASS_PATH } from './kafka-install.ts';

export interface ProducerFigures {
  readonly recordsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}

export interface Load {
  readonly bootstrap: string;
  readonly topic: string;
  readonly records: number;
  readonly recordBytes: number;
}

/** Of all records, after those that warm up, a fifth; `perSecond` -1 offers as many as the broker takes. */
export async function producerPerformance(
  load: Load,
  perSecond: number,
  directory: string,
  warmUpRecords = Math.floor(load.records / 5),
): Promise<ProducerFigures> {
  // To make each record at random, as --record-size does, would cost the generator more than to send it.
  const payload = join(directory, `payload-${load.recordBytes}`);
  const line = () => randomBytes(load.recordBytes).toString('base64url').slice(0, load.recordBytes);
  await writeFile(payload, Array.from({ length: 200 }, line).join('\n'));
  const text = await tool('ProducerPerformance', [
    ['--bootstrap-server', load.bootstrap],
    ['--topic', load.topic],
    ['--num-records', String(load.records)],
    ['--warmup-records', String(warmUpRecords)],
    ['--payload-file', payload],
    ['--throughput', String(perSecond)],
    ['--command-property', 'acks=all'],
  ]);
  // "1000 records sent, 5.0 records/sec (…), … ms avg latency, … ms max latency, 1 ms 50th, 2 ms 95th, 3 ms 99th, …"
  const summary = text.trimEnd().split('\n').at(-1) ?? '';
  const number = (pattern: RegExp) => Number(pattern.exec(summary)?.[1] ?? Number.NaN);
  return {
    recordsPerSecond: known(number(/([\d.]+) records\/sec/), text),
    p50Ms: number(/(\d+) ms 50th/),
    p99Ms: number(/(\d+) ms 99th/),
    p999Ms: number(/(\d+) ms 99\.9th/),
  };
}

/** Records per second from the first fetch on: without the time in which the group forms. */
export async function consumerPerformance(load: Load): Promise<number> {
  const text = await tool('ConsumerPerformance', [
    ['--bootstrap-server', load.bootstrap],
    ['--topic', load.topic],
    ['--num-records', String(load.records)],
    ['--timeout', '30000'],
    ['--hide-header'],
  ]);
  const figures = text
    .trimEnd()
    .split('\n')
    .map((line) => line.split(', '))
    .find((fields) => fields.length === 10);
  return known(Number(figures?.[9]), text);
}

function tool(name: string, options: readonly (readonly string[])[]): Promise<string> {
  const args = ['-Xmx512M', '-cp', KAFKA_CLASS_PATH, `org.apache.kafka.tools.${name}`, ...options.flat()];
  return output('java', args);
}

/** Records per second that rdkafka_performance says: in the column of that name, in its last line of figures. */
export async function rdkafkaProduce(program: string, load: Load): Promise<number> {
  const size = ['-s', String(load.recordBytes), '-a', '-1', '-X', 'linger.ms=5'];
  // Columns: elapsed ms, messages, bytes, rtt, delivered, msgs/s, …
  return column(await rdkafka(program, ['-P', ...size], load), 5);
}

export async function rdkafkaConsume(program: string, load: Load): Promise<number> {
  // Columns: elapsed ms, messages, bytes, rtt, msgs/s, …
  return column(await rdkafka(program, ['-C', '-p', '0', '-o', 'beginning'], load), 4);
}

function rdkafka(program: string, mode: readonly string[], load: Load): Promise<string> {
  const common = ['-b', load.bootstrap, '-t', load.topic, '-c', String(load.records), '-u'];
  return output(program, [...mode, ...common]);
}

function column(text: string, index: number): number {
  const rows = text
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.slice(1).split('|').map(Number))
    .filter((row) => row[1] > 0);
  return known(rows.at(-1)?.[index], text);
}

function known(figure: number | undefined, text: string): number {
  if (figure === undefined || !Number.isFinite(figure)) throw new Error(`no figures in:\n${text}`);
  return figure;
}
