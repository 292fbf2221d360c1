import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { connect } from 'amqplib';
import { FuzzedBroker, type Survey, survey } from './broker.ts';
import type { Song } from './canary.ts';
import { FuzzWorker } from './worker.ts';

export interface FuzzOptions {
  readonly streams: number;
  readonly seed: number;
  /** The index of the first of them. */
  readonly first?: number;
  readonly workers?: number;
  /** How often, besides at the end, everything is let go and counted. */
  readonly checkpoints?: number;
  /** Is told each finding when it is made, too. */
  readonly progress?: (text: string) => void;
  /** Ends the run with the report so far. */
  readonly signal?: AbortSignal;
}

export interface FuzzReport {
  readonly streams: number;
  readonly connections: number;
  readonly seconds: number;
  readonly canary: { readonly messages: number; readonly p99Ms: number; readonly maxMs: number };
  readonly checkpoints: readonly Checkpoint[];
  readonly findings: readonly string[];
}

export interface Checkpoint {
  readonly streams: number;
  readonly heapBytes: number;
  readonly committedBytes: number;
  readonly residentBytes: number;
  /** By class, as in `COUNTED`. */
  readonly alive: readonly number[];
}

/** As many streams are sent at once on a connection. */
const TOGETHER = 5;
/** A stream that the server is not done with after so long hangs. */
const STREAM_MS_MAX = 20_000;
const CANARY_MS_MAX = 5_000;
const SETTLE_MS_MAX = 15_000;
const HEAP_GROWTH_MAX = 12 * 2 ** 20;
const RESIDENT_GROWTH_MAX = 64 * 2 ** 20;
const FINDINGS_MAX = 50;

export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-fuzz-'));
  const run = new FuzzRun(
    options,
    await FuzzedBroker.start(join(directory, 'data'), options.signal !== undefined),
  );
  try {
    return await run.report();
  } finally {
    await run.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

class FuzzRun {
  readonly #options: FuzzOptions;
  readonly #broker: FuzzedBroker;
  readonly #workers: readonly FuzzWorker[];
  readonly #findings: string[] = [];
  readonly #latenciesMs: number[] = [];
  readonly #checkpoints: Checkpoint[] = [];
  #canary: Worker | null = null;
  /** The inspector stops the broker for that long: that is no fault of the broker's. */
  #isCounting = false;
  #errorsSeen = 0;
  #next = 0;

  constructor(options: FuzzOptions, broker: FuzzedBroker) {
    this.#options = options;
    this.#broker = broker;
    this.#workers = Array.from(
      { length: options.workers ?? 48 },
      () =>
        new FuzzWorker(broker.port, options.seed, {
          // What an interruption cuts off is no finding.
          found: (indexes, problem) => {
            if (!this.#isInterrupted) this.#found(problem, indexes);
          },
        }),
    );
  }

  async report(): Promise<FuzzReport> {
    const { first = 0, streams, checkpoints = 5, progress, signal } = this.#options;
    signal?.addEventListener('abort', this.#abandon);
    this.#canary = await this.#startCanary();
    progress?.(`the broker is process ${this.#broker.pid}`);
    const watch = setInterval(() => this.#watch(), 500);
    const begin = performance.now();
    let fuzzingMs = 0;
    const last = first + streams;
    this.#next = first;
    const step = Math.ceil((last - first) / checkpoints);
    for (let done = first; done < last && !this.#isOver; ) {
      const batchBegin = performance.now();
      done = Math.min(last, done + step);
      await this.#runUntil(done);
      fuzzingMs += performance.now() - batchBegin;
      if (!this.#isOver) await this.#checkpoint(done - first);
      const perSecond = Math.round((done - first) / (fuzzingMs / 1000));
      progress?.(`${done - first} streams, ${perSecond}/s, ${this.#describe()}`);
    }
    signal?.removeEventListener('abort', this.#abandon);
    clearInterval(watch);
    this.#watch();
    this.#checkGrowth();
    const sorted = this.#latenciesMs.sort((a, b) => a - b);
    return {
      streams: this.#next - first,
      connections: this.#workers.reduce((sum, worker) => sum + worker.connections, 0),
      seconds: (performance.now() - begin) / 1000,
      canary: {
        messages: sorted.length,
        p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
        maxMs: sorted.at(-1) ?? 0,
      },
      checkpoints: this.#checkpoints,
      findings: this.#findings,
    };
  }

  async stop(): Promise<void> {
    await this.#canary?.terminate();
    const status = await this.#broker.stop();
    if (status !== 0) this.#found(`the broker ended with ${status}`);
  }

  get #isOver(): boolean {
    return this.#isInterrupted || this.#broker.hasEnded || this.#findings.length >= FINDINGS_MAX;
  }

  get #isInterrupted(): boolean {
    return this.#options.signal?.aborted === true;
  }

  readonly #abandon = (): void => {
    for (const worker of this.#workers) worker.abandon();
  };

  async #runUntil(end: number): Promise<void> {
    await Promise.all(
      this.#workers.map(async (worker) => {
        while (this.#next < end && !this.#isOver) {
          const from = this.#next;
          this.#next = Math.min(end, from + TOGETHER);
          await worker.send(Array.from({ length: this.#next - from }, (_, at) => from + at));
        }
        await worker.end();
      }),
    );
  }

  /** All connections but the canary's are over: nothing may be left of them. What was declared is deleted first. */
  async #checkpoint(streams: number): Promise<void> {
    this.#isCounting = true;
    const deadline = performance.now() + SETTLE_MS_MAX;
    let left = await survey(this.#broker);
    while (connectionsOf(left) > 1 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      left = await survey(this.#broker);
    }
    await this.#deleteDeclared(left);
    left = await survey(this.#broker);
    const alive = COUNTED.map((name) => left.counts[name] ?? 0);
    const before = this.#checkpoints[0]?.alive ?? alive;
    for (const [index, name] of COUNTED.entries()) {
      if (alive[index] <= before[index]) continue;
      this.#found(`${alive[index]} objects of ${name} after ${streams} streams, ${before[index]} at first`);
    }
    const connections = connectionsOf(left);
    if (connections !== 1) this.#found(`${connections} connections are left after ${streams} streams`);
    if (left.queues.length !== 1) this.#found(`queues are left: ${left.queues.join(', ')}`);
    const { usedBytes, committedBytes } = await this.#broker.inspector.heap();
    const residentBytes = await this.#broker.residentBytes();
    this.#checkpoints.push({ streams, heapBytes: usedBytes, committedBytes, residentBytes, alive });
    this.#isCounting = false;
  }

  async #deleteDeclared({ queues, exchanges }: Survey): Promise<void> {
    const connection = await connect(`amqp://127.0.0.1:${this.#broker.port}`);
    const channel = await connection.createChannel();
    for (const name of queues) if (name !== 'canary') await channel.deleteQueue(name);
    for (const name of exchanges)
      if (name !== '' && !name.startsWith('amq.')) await channel.deleteExchange(name);
    await connection.close();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }

  #startCanary(): Promise<Worker> {
    const worker = new Worker(new URL('canary.ts', import.meta.url), { workerData: this.#broker.port });
    return new Promise((resolve, reject) => {
      worker.on('error', (error) => {
        this.#found(`the canary fell: ${error}`);
        reject(error);
      });
      worker.on('message', (song: Song) => {
        if ('ready' in song) resolve(worker);
        else if ('problem' in song) this.#found(`the canary: ${song.problem}`);
        else if (!this.#isCounting) this.#latenciesMs.push(song.latencyMs);
        this.#sangMs = performance.now();
      });
    });
  }

  #sangMs = performance.now();

  #watch(): void {
    const nowMs = performance.now();
    const { errors } = this.#broker;
    for (; this.#errorsSeen < errors.length; this.#errorsSeen++) {
      this.#found(`in the log: ${errors[this.#errorsSeen]}\n  ${this.#describeInFlight()}`);
    }
    if (this.#broker.hasEnded) {
      this.#found(`the broker has ended\n  ${this.#describeInFlight()}`);
      this.#abandon();
    }
    if (nowMs - this.#sangMs > CANARY_MS_MAX) {
      this.#sangMs = nowMs;
      this.#found(`the canary was not served for ${CANARY_MS_MAX} ms\n  ${this.#describeInFlight()}`);
    }
    for (const worker of this.#workers) {
      if (worker.inFlight.length === 0 || nowMs - worker.startedMs < STREAM_MS_MAX) continue;
      this.#found(`the server was not done with it after ${STREAM_MS_MAX} ms`, worker.inFlight);
      worker.startedMs = nowMs;
      worker.abandon();
    }
  }

  #checkGrowth(): void {
    const first = this.#checkpoints[0];
    const last = this.#checkpoints.at(-1);
    if (first === undefined || last === undefined) return;
    const heap = last.heapBytes - first.heapBytes;
    const resident = last.residentBytes - first.residentBytes;
    if (heap > HEAP_GROWTH_MAX) this.#found(`the heap grew by ${mib(heap)}: ${this.#describe()}`);
    if (resident > RESIDENT_GROWTH_MAX)
      this.#found(`the process grew by ${mib(resident)}: ${this.#describe()}`);
  }

  #describe(): string {
    const last = this.#checkpoints.at(-1);
    if (last === undefined) return 'no checkpoint';
    return `heap ${mib(last.heapBytes)} of ${mib(last.committedBytes)}, resident ${mib(last.residentBytes)}`;
  }

  #describeInFlight(): string {
    const indexes = this.#workers.flatMap(({ inFlight }) => inFlight);
    return `in flight or just over: ${indexes.join(' ')}, next ${this.#next}`;
  }

  #found(problem: string, indexes: readonly number[] = []): void {
    const { seed, progress } = this.#options;
    const where = indexes.length === 0 ? `seed ${seed}` : `--seed ${seed} --only ${indexes.join(' or ')}`;
    if (this.#findings.length >= FINDINGS_MAX) return;
    const finding = `${where}: ${problem}`;
    this.#findings.push(finding);
    progress?.(`found: ${finding}`);
  }
}

/** Classes of which as many objects are alive at each checkpoint. Of Publishing there is one for each channel. */
export const COUNTED = [
  'Connection',
  'Handshake',
  'Publishing',
  'Unacknowledged',
  'Consumer',
  'Queue',
  'Exchange',
  'Tx',
];

function connectionsOf({ counts }: Survey): number {
  return (counts.Connection ?? 0) + (counts.Handshake ?? 0);
}

export function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
