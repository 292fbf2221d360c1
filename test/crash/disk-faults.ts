import { Broker } from '../../src/broker/broker.ts';
import { Publisher } from '../../src/broker/publishing/publisher.ts';
import type { Queue } from '../../src/broker/queues/queue.ts';
import type { Partition } from '../../src/broker/streams/partition.ts';
import { bareMessage } from '../../src/broker/topology/routing.ts';
import type { VirtualHost } from '../../src/broker/topology/virtual-host.ts';
import { CorruptionError } from '../../src/log/corruption.ts';
import type { FileSystem } from '../../src/log/files/filesystem.ts';
import { storageFailureText } from '../../src/log/operator-advice.ts';
import { amqp091Codec } from '../../src/servers/amqp091/property-codec.ts';
import { fillView, TestConsumer } from '../broker/test-broker.ts';
import { producedBatch } from '../log/compaction/produced-batch.ts';
import {
  FAULTY_OPERATIONS,
  type Fault,
  FaultyFileSystem,
  type FaultyOperation,
} from '../support/faulty-filesystem.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { SimulatedFileSystem } from '../support/simulated-filesystem/simulated-filesystem.ts';
import { SimulatedTime } from './simulated-time.ts';

const KIB = 1024;
const DIRECTORY = '/data';
const SEED = 1;
const PATIENCE_MS = 100_000;
const MESSAGES = 60;
export const FAULT_CODES = ['EIO', 'ENOSPC', 'EMFILE', 'EACCES'] as const;

/**
 * What may come of a call that fails: it goes on, a queue or partition stops and is named, the start is refused, or the process
 * ends; the last two with a text that names the file and says what to do.
 */
export type FaultOutcome = 'goes on' | 'stops a queue' | 'refuses the start' | 'ends the process';

/** How many calls of each operation the scenario makes. */
export async function countCalls(): Promise<ReadonlyMap<FaultyOperation, number>> {
  const run = new FaultRun(null);
  await run.scenario();
  return run.fs.counts;
}

/** All faults, each operation's calls in turn. */
export async function allFaults(): Promise<Fault[]> {
  const counts = await countCalls();
  const faults: Fault[] = [];
  for (const operation of FAULTY_OPERATIONS) {
    for (let call = 1; call <= (counts.get(operation) ?? 0); call++) {
      for (const code of FAULT_CODES) faults.push({ operation, call, code });
    }
  }
  return faults;
}

/** Throws if the outcome is none of those that may be, or something that was confirmed is lost. */
export async function runFault(fault: Fault): Promise<FaultOutcome> {
  const { operation, call, code } = fault;
  try {
    const run = new FaultRun(fault);
    const outcome = await run.outcome();
    if (!mayLeadTo(fault, outcome)) throw new Error(`it ${outcome}`);
    await run.checkNothingIsLost(fault);
    return outcome;
  } catch (error) {
    throw new Error(`${operation} number ${call} fails with ${code}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** As docs/design/durability.md has it. */
function mayLeadTo({ operation, code }: Fault, outcome: FaultOutcome): boolean {
  const isReading = operation === 'read' || operation === 'open' || operation === 'list';
  switch (outcome) {
    case 'goes on':
    case 'refuses the start':
      return true;
    case 'stops a queue':
      return isReading;
    case 'ends the process':
      // A full disk is waited for; but after a failed sync nothing is known any more.
      return code !== 'ENOSPC' || operation === 'sync' || operation === 'syncDirectory';
  }
}

class FaultRun {
  readonly fs: FaultyFileSystem;
  readonly #disk: SimulatedFileSystem;
  readonly #time: SimulatedTime;
  readonly #random = seededRandom(SEED);
  readonly #confirmed = new Set<string>();
  readonly #acknowledged = new Set<string>();

  #broker: Broker | null = null;
  #failure: Error | null = null;
  #stopped: object | null = null;
  #isClosing = false;
  /** Records of the stream that are durable. */
  #appended = 0;
  #next = 0;

  constructor(fault: Fault | null) {
    this.#time = new SimulatedTime(this.#random);
    this.#disk = new SimulatedFileSystem({ schedule: (run) => this.#time.operation(run) });
    this.fs = new FaultyFileSystem(this.#disk, fault);
  }

  async outcome(): Promise<FaultOutcome> {
    try {
      await this.scenario();
    } catch (error) {
      if (this.#failure !== null) {
        checkText(storageFailureText(this.#failure, DIRECTORY));
        return 'ends the process';
      }
      if (this.#isClosing) {
        checkText((error as Error).message);
        return 'ends the process';
      }
      if (this.#broker !== null) throw error;
      checkStartError(error);
      return 'refuses the start';
    }
    return this.#stopped === null ? 'goes on' : 'stops a queue';
  }

  /** Declares, publishes, pages out, consumes, appends to streams, takes snapshots, compacts, and starts again. */
  async scenario(): Promise<void> {
    await this.#open(this.fs);
    const { streams } = this.#broker!;
    await this.#queue('q');
    const configs = (policy: string) =>
      new Map([
        ['cleanup.policy', policy],
        ['segment.bytes', '16384'],
        ['min.cleanable.dirty.ratio', '0'],
      ]);
    streams.create({ vhost: '/', name: 's', partitions: 1, configs: configs('delete') });
    streams.create({ vhost: '/', name: 'c', partitions: 1, configs: configs('compact') });
    await this.#flush();
    for (let round = 0; round < 3; round++) {
      await this.#publish();
      await this.#append();
      await this.#pass(300);
      await this.#consume(MESSAGES / 2);
    }
    await this.#pass(1000);
    const removed = await this.#queue('removed');
    await this.#flush();
    this.#vhost.removeQueue(removed);
    await this.#flush();
    await this.#close();
    await this.#open(this.fs);
    await this.#publish();
    await this.#consume(MESSAGES);
    await this.#pass(500);
    await this.#close();
  }

  /** Another process on the same files, on a disk that works again. After a failed write or sync the machine was restarted. */
  async checkNothingIsLost({ operation }: Fault): Promise<void> {
    const isRestarted = operation === 'write' || operation === 'sync' || operation === 'syncDirectory';
    const disk = isRestarted ? this.#disk.crash(this.#random) : this.#disk.kill(this.#random);
    await this.#time.forget();
    this.#failure = null;
    this.#stopped = null;
    await this.#open(disk);
    const broker = this.#broker!;
    const queue = this.#vhost.findQueue('q');
    const found = new Set<string>();
    if (queue !== undefined) for (const body of await this.#take(queue)) found.add(body);
    const lost = [...this.#confirmed].filter((body) => !found.has(body) && !this.#acknowledged.has(body));
    if (lost.length > 0) throw new Error(`${lost.length} confirmed messages are lost, from ${lost[0]} on`);
    const partition = broker.streams.get('/', 's')?.ownPartitions[0];
    const end = partition?.highWatermark ?? 0;
    if (end < this.#appended) throw new Error(`the stream ends at ${end}, not at ${this.#appended}`);
    await this.#until(broker.close());
  }

  get #vhost(): VirtualHost<Queue> {
    return this.#broker!.vhosts.get('/') as VirtualHost<Queue>;
  }

  async #queue(name: string): Promise<Queue> {
    // Nothing is made while the disk is short, as after a call that found it full.
    const { alarms } = this.#broker!.shard;
    await this.#time.runUntil(() => !alarms.isBlocking || this.#failure !== null, PATIENCE_MS);
    const spec = { name, durable: true, exclusive: false, autoDelete: false, arguments: {} };
    return this.#vhost.declareQueue(spec, null);
  }

  async #close(): Promise<void> {
    this.#isClosing = true;
    await this.#until(this.#broker!.close());
    this.#isClosing = false;
  }

  async #open(fileSystem: FileSystem): Promise<void> {
    this.#broker = null;
    this.#broker = await this.#until(
      Broker.open({
        dataDirectory: DIRECTORY,
        fileSystem,
        propertyCodecs: [amqp091Codec],
        clock: this.#time,
        scheduler: this.#time,
        chunkBytes: 8 * KIB,
        journalFileBytes: 16 * KIB,
        journalLimitBytes: 48 * KIB,
        memoryLimitBytes: 16 * KIB,
        segmentBytes: 16 * KIB,
        reclaimMs: 20,
        diskFreeLimitBytes: 0,
        streamUpkeep: { retentionCheckMs: 50 },
        onFailure: (error) => {
          this.#failure ??= error;
        },
        log: {
          info: () => undefined,
          warn: () => undefined,
          error: (fields) => {
            if ('path' in fields) this.#stopped ??= fields;
          },
        },
      }),
    );
  }

  async #publish(): Promise<void> {
    const broker = this.#broker!;
    const publisher = new Publisher(broker.shard, broker.deadLettering);
    const vhost = this.#vhost;
    for (let i = 0; i < MESSAGES; i++) {
      const body = `${this.#next++}.`.padEnd(400, '.');
      broker.shard.turn.touch();
      fillView(publisher.messageView, 'q', body);
      const block = publisher.publish(vhost.route(vhost.defaultExchange, 'q', bareMessage), true);
      broker.shard.whenDurable(block, { onDurable: () => this.#confirmed.add(body) });
      if (i % 10 === 9) await this.#flush();
    }
  }

  async #append(): Promise<void> {
    const broker = this.#broker!;
    for (let i = 0; i < MESSAGES / 2; i++) {
      for (const name of ['s', 'c']) {
        const [partition] = broker.streams.get('/', name)!.partitions as [Partition];
        const record = { key: `${i % 3}`, value: '.'.repeat(500), timestampMs: this.#time.now() };
        const batch = producedBatch([record]);
        partition.append(Buffer.from(batch), 0, batch.length);
        const onDurable = () => {
          if (name === 's') this.#appended++;
        };
        broker.shard.whenDurable(broker.shard.currentBlock, { onDurable });
      }
      if (i % 10 === 9) await this.#flush();
    }
  }

  /** Acknowledges so many, as far as the queue delivers. */
  async #consume(count: number): Promise<void> {
    const queue = await this.#queue('q');
    if (queue.corruption !== null) return;
    const consumer = new TestConsumer(queue, { prefetch: count });
    const isDone = () => consumer.messages.length >= count || consumer.wasCancelled || this.#failure !== null;
    if (!(await this.#time.runUntil(isDone, PATIENCE_MS))) throw new Error('the queue does not deliver');
    for (const { body } of consumer.messages) this.#acknowledged.add(body);
    consumer.unacknowledged.ack(0, true);
    consumer.close();
    await this.#flush();
  }

  async #take(queue: Queue): Promise<string[]> {
    const consumer = new TestConsumer(queue);
    const isDone = () => queue.readyCount === 0 || consumer.wasCancelled;
    if (!(await this.#time.runUntil(isDone, PATIENCE_MS))) throw new Error('the queue does not deliver');
    if (consumer.wasCancelled) throw new Error(`on a disk that works: ${queue.corruption?.message}`);
    return consumer.bodies;
  }

  #flush(): Promise<void> {
    return this.#until(this.#broker!.shard.store.journal.flush());
  }

  async #pass(ms: number): Promise<void> {
    let rang = false;
    this.#time.after(ms, () => {
      rang = true;
    });
    await this.#time.runUntil(() => rang || this.#failure !== null, ms + PATIENCE_MS);
    if (this.#failure !== null) throw this.#failure;
  }

  async #until<T>(promise: Promise<T>): Promise<T> {
    let isDone = false;
    const done = (): void => {
      isDone = true;
    };
    promise.then(done, done);
    const wasDone = await this.#time.runUntil(() => isDone || this.#failure !== null, PATIENCE_MS);
    if (this.#failure !== null) throw this.#failure;
    if (!wasDone) throw new Error('something does not end');
    return promise;
  }
}

function checkText(text: string): void {
  if (!/'\/data[^']*'.* failed with E[A-Z]+\..*doctor --data-dir '\/data'/.test(text))
    throw new Error(`this does not say what to do: ${text}`);
}

function checkStartError(error: unknown): void {
  if (error instanceof CorruptionError && error.path.startsWith(DIRECTORY)) return;
  const { code, path } = error as NodeJS.ErrnoException;
  if (code === undefined || path === undefined || !path.startsWith('/'))
    throw new Error('the start is refused without a file and an error', { cause: error });
}
