import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import kafkajs from 'kafkajs';
import { certificatePath, pem } from '../../support/certificates.ts';
import { until } from '../../support/until.ts';

const { Kafka, logLevel } = kafkajs;
const PROGRAM = fileURLToPath(new URL('../../support/start-shards.ts', import.meta.url));
const SHARDS = 3;
const TIMEOUT_MS = 120_000;

/** A broker of three shards in a process of its own, which spreads partitions. */
class KafkaProcess {
  readonly exited: Promise<unknown[]>;
  readonly #child: ChildProcess;
  readonly #firstLine: Promise<string>;
  stderr = '';

  constructor(name: string, flags: readonly string[]) {
    const given = JSON.stringify({ count: SHARDS });
    const words = ['--data-dir', join(scratch, name), '--amqp-port', 'off', ...flags];
    this.#child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', PROGRAM, given, ...words],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    processes.push(this);
    this.exited = once(this.#child, 'close');
    const lines = createInterface(this.#child.stdout!);
    this.#firstLine = Promise.race([once(lines, 'line').then(String), this.exited.then(() => '')]);
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
  }

  /** The addresses of the listener in the ready line. */
  async ready(protocol = 'kafka'): Promise<string[]> {
    const line = await this.#firstLine;
    const found = new RegExp(` ${protocol}=(\\S+)`).exec(line)?.[1]?.split(',');
    assert.ok(found !== undefined, `${line}\n${this.stderr}`);
    return found;
  }

  async stop(): Promise<unknown> {
    this.#child.kill('SIGTERM');
    return (await this.exited)[0];
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }
}

let scratch: string;
const processes: KafkaProcess[] = [];

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'sluice-kafka-shards-'));
});
after(async () => {
  await Promise.all(processes.map((each) => each.kill()));
  await rm(scratch, { recursive: true });
});

function clientOf(address: string, ssl?: kafkajs.KafkaConfig['ssl']): kafkajs.Kafka {
  return new Kafka({ brokers: [address], logLevel: logLevel.NOTHING, ...(ssl !== undefined && { ssl }) });
}

function portOf(address: string | undefined): number {
  return Number(address?.split(':')[1]);
}

/** A port for shard 0 of which those of the others are free, too. */
async function freePorts(step: number): Promise<number> {
  for (;;) {
    const first = 20_000 + Math.floor(Math.random() * 10_000);
    const ports = Array.from({ length: SHARDS }, (_, shard) => first + shard * step);
    const free = await Promise.all(ports.map(isFree));
    if (!free.includes(false)) return first;
  }
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

describe('Kafka clients of a process with three shards', { timeout: TIMEOUT_MS }, () => {
  it('find a broker in each, write to all and read from all, also after a restart', async () => {
    const first = new KafkaProcess('restarted', ['--kafka-port', '0']);
    const addresses = await first.ready();
    assert.equal(new Set(addresses).size, SHARDS);
    const kafka = clientOf(addresses[1]!);
    const admin = kafka.admin();
    await admin.connect();
    const { brokers, controller } = await admin.describeCluster();
    assert.deepEqual(
      brokers.map(({ nodeId, host, port }) => [nodeId, `${host}:${port}`]),
      addresses.map((address, shard) => [shard + 1, address]),
    );
    assert.equal(controller, 1);
    await admin.createTopics({ topics: [{ topic: 't', numPartitions: 6 }] });
    const { topics } = await admin.fetchTopicMetadata({ topics: ['t'] });
    assert.deepEqual(topics[0]?.partitions.map(({ leader }) => leader).sort(), [1, 1, 2, 2, 3, 3]);
    await admin.disconnect();
    const producer = kafka.producer();
    await producer.connect();
    const values = Array.from({ length: 30 }, (_, i) => `${i}`);
    const messages = values.map((value, i) => ({ value, partition: i % 6 }));
    await producer.send({ topic: 't', messages });
    await producer.disconnect();
    assert.equal(await first.stop(), 0);

    const second = new KafkaProcess('restarted', ['--kafka-port', '0']);
    const consumer = clientOf((await second.ready())[2]!).consumer({ groupId: 'g', maxWaitTimeInMs: 200 });
    const received: string[] = [];
    await consumer.connect();
    await consumer.subscribe({ topics: ['t'], fromBeginning: true });
    await consumer.run({ eachMessage: async ({ message }) => void received.push(String(message.value)) });
    await until(() => received.length >= values.length);
    await consumer.disconnect();
    assert.deepEqual(
      received
        .map(Number)
        .sort((a, b) => a - b)
        .map(String),
      values,
    );
    assert.equal(await second.stop(), 0);
  });

  it('find the others at the step that was set, and those that use TLS find the ports for it', async () => {
    const files = [
      '--tls-cert',
      certificatePath('server.pem'),
      '--tls-key',
      certificatePath('server.key'),
      '--kafka-anonymous-user',
      'guest',
    ];
    const port = await freePorts(7);
    const flags = ['--kafka-port', `${port}`, '--kafka-shard-port-step', '7', '--kafkas-port', '0', ...files];
    const process = new KafkaProcess('tls', flags);
    assert.deepEqual((await process.ready()).map(portOf), [port, port + 7, port + 14]);
    const secured = await process.ready('kafkas');
    const admin = clientOf(`localhost:${portOf(secured[2])}`, { ca: [pem('authority.pem')] }).admin();
    await admin.connect();
    const { brokers } = await admin.describeCluster();
    await admin.disconnect();
    assert.deepEqual(
      brokers.map((each) => each.port),
      secured.map(portOf),
    );
    assert.equal(await process.stop(), 0);
  });

  it('are told nothing by a start that cannot have a port of another shard, and says which', async () => {
    const port = await freePorts(1);
    const other = createServer().listen(port + 2, '127.0.0.1');
    await once(other, 'listening');
    const flags = ['--kafka-port', `${port}`, '--kafka-shard-port-step', '1'];
    const process = new KafkaProcess('taken', flags);
    assert.equal((await process.exited)[0], 1);
    other.close();
    assert.match(process.stderr, /cannot listen for Kafka in shard 2 on .*--kafka-shard-port-step/);
  });

  it('are told nothing by a start whose ports would meet', async () => {
    const flags = ['--kafka-port', '9092', '--kafkas-port', '9093', '--kafka-shard-port-step', '1'];
    const files = ['--tls-cert', certificatePath('server.pem'), '--tls-key', certificatePath('server.key')];
    const process = new KafkaProcess('meeting', [...flags, ...files]);
    await process.exited;
    assert.match(process.stderr, /kafka-port of shard 1 and kafkas-port would both be 9093/);
    const beyond = new KafkaProcess('beyond', ['--kafka-port', '65530']);
    await beyond.exited;
    assert.match(beyond.stderr, /kafka-port of shard 1 would be 65540, which is no port/);
  });
});
