import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import kafkajs from 'kafkajs';
import { until } from '../../support/until.ts';

const { Kafka, logLevel } = kafkajs;
const LAUNCHER = fileURLToPath(new URL('../../../bin/sluice', import.meta.url));
const PARTITIONS = 3;
const RECORDS = 300;

let scratch: string;
const processes: ChildProcess[] = [];

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'sluice-fewer-kafka-'));
});
after(async () => {
  for (const child of processes) child.kill('SIGKILL');
  await rm(scratch, { recursive: true, force: true });
});

interface Started {
  readonly child: ChildProcess;
  readonly kafka: kafkajs.Kafka;
  readonly exited: Promise<unknown[]>;
  log(): string;
}

/** `sluice start` as users have it. */
async function start(directory: string, shards: number): Promise<Started> {
  const words = ['start', '--data-dir', directory, '--amqp-port', 'off', '--kafka-port', '0'];
  const child = spawn(LAUNCHER, [...words, '--shards', `${shards}`], { stdio: ['ignore', 'pipe', 'pipe'] });
  processes.push(child);
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const exited = once(child, 'close');
  const lines = createInterface(child.stdout);
  const [line] = (await Promise.race([once(lines, 'line'), exited])) as [unknown];
  const brokers = / kafka=(\S+)/.exec(String(line))?.[1]?.split(',');
  assert.ok(brokers, `${line}\n${stderr}`);
  const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING });
  return { child, kafka, exited, log: () => stderr };
}

async function stop({ child, exited, log }: Started): Promise<void> {
  child.kill('SIGTERM');
  assert.deepEqual(await exited, [0, null], log());
}

async function create({ kafka }: Started): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: 't', numPartitions: PARTITIONS }], waitForLeaders: true });
  await admin.disconnect();
}

/** The shards that have partitions of the topic, as brokers have ids from 1 on. */
async function leaders({ kafka }: Started): Promise<number[]> {
  const admin = kafka.admin();
  await admin.connect();
  const { topics } = await admin.fetchTopicMetadata({ topics: ['t'] });
  await admin.disconnect();
  return topics[0].partitions.map(({ leader }) => leader).sort();
}

async function produce({ kafka }: Started, from: number, to: number): Promise<void> {
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  for (let at = from; at < to; at += 50) {
    const messages = Array.from({ length: Math.min(50, to - at) }, (_, i) => ({
      value: `${at + i}`.padEnd(2000, '.'),
      partition: (at + i) % PARTITIONS,
    }));
    await producer.send({ topic: 't', messages });
  }
  await producer.disconnect();
}

/** Numbers by partition, in the order of their offsets; without those before `after` where the group has committed. */
async function consume({ kafka }: Started, groupId: string, count: number): Promise<number[][]> {
  const consumer = kafka.consumer({ groupId, sessionTimeout: 10_000 });
  await consumer.connect();
  await consumer.subscribe({ topic: 't', fromBeginning: true });
  const found: number[][] = Array.from({ length: PARTITIONS }, () => []);
  await consumer.run({
    eachMessage: async ({ partition, message }) => {
      found[partition].push(Number.parseInt(String(message.value), 10));
    },
  });
  await until(() => found.flat().length >= count);
  await consumer.disconnect();
  return found;
}

function wanted(from: number, to: number): number[][] {
  const all = Array.from({ length: to - from }, (_, i) => from + i);
  return Array.from({ length: PARTITIONS }, (_, index) => all.filter((i) => i % PARTITIONS === index));
}

describe('sluice start with fewer shards than topics have their partitions in', {
  skip: process.platform === 'win32',
  timeout: 120_000,
}, () => {
  it('has all records in the shards that remain, takes more, and groups go on where they were', async () => {
    const directory = join(scratch, 'orderly');
    const first = await start(directory, 3);
    await create(first);
    assert.deepEqual(await leaders(first), [1, 2, 3]);
    await produce(first, 0, RECORDS);
    assert.deepEqual(await consume(first, 'g', RECORDS), wanted(0, RECORDS));
    await stop(first);

    const second = await start(directory, 1);
    assert.match(
      second.log(),
      /"moved":2,"of":2.*partitions of streams were moved out of shards that go away/,
    );
    for (const shard of ['1', '2']) assert.ok(!existsSync(join(directory, 'shards', shard)));
    assert.deepEqual(await leaders(second), [1, 1, 1]);
    await produce(second, RECORDS, RECORDS + 30);
    assert.deepEqual(await consume(second, 'g', 30), wanted(RECORDS, RECORDS + 30));
    assert.deepEqual(await consume(second, 'h', RECORDS + 30), wanted(0, RECORDS + 30));
    await stop(second);
    const doctor = spawnSync(LAUNCHER, ['doctor', '--data-dir', directory], { encoding: 'utf8' });
    assert.equal(doctor.status, 0, doctor.stdout);
  });

  it('has all of them when it is killed while it moves, and in several threads afterwards', async () => {
    const directory = join(scratch, 'killed');
    const first = await start(directory, 3);
    await create(first);
    await produce(first, 0, RECORDS);
    first.child.kill('SIGKILL');
    await first.exited;
    for (const waitMs of [300, 500, 700]) {
      const starting = start(directory, 2).catch(() => null);
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      processes.at(-1)?.kill('SIGKILL');
      await starting;
    }
    const last = await start(directory, 2);
    assert.deepEqual([...new Set(await leaders(last))], [1, 2]);
    assert.deepEqual(await consume(last, 'h', RECORDS), wanted(0, RECORDS));
    await stop(last);
  });
});
