/** The workers of a run, one in this process or each in its own, behind one set of verbs. */
import { type ChildProcess, fork } from 'node:child_process';
import { FINE_BITS, Histogram } from '../../../base/histogram.ts';
import type { Share } from './plan.ts';
import type { SequenceState } from './sequence.ts';
import { type Counters, type Snapshot, Worker, type WorkerPort } from './worker.ts';

export type WorkerVerb = keyof WorkerPort;

/** Parent to child: first the share, then verbs. Child to parent: one reply for each verb, or a failure at any time. */
export type ToWorker = { readonly share: Share } | { readonly verb: WorkerVerb; readonly count?: number };
export type FromWorker =
  | { readonly reply: unknown }
  | { readonly error: string }
  | { readonly failure: string };

export class Workers {
  readonly #workers: WorkerPort[];
  readonly #shares: readonly Share[];
  readonly #children: ChildProcess[] = [];

  constructor(shares: readonly Share[], onFailure: (error: Error) => void) {
    this.#shares = shares;
    if (shares.length === 1) {
      this.#workers = [new Worker(shares[0], onFailure)];
      return;
    }
    this.#workers = shares.map((share) => {
      const child = forkWorker();
      this.#children.push(child);
      return new RemoteWorker(child, share, onFailure);
    });
  }

  async connect(): Promise<void> {
    await this.#all((worker) => worker.connect());
  }

  async startConsuming(): Promise<void> {
    await this.#all((worker) => worker.startConsuming());
  }

  /** `count` messages in all, divided by publishers; `Infinity`: until stopped. */
  async startPublishing(count: number): Promise<void> {
    const publishers = this.#shares.map((s) => s.connections.reduce((n, c) => n + c.publishers.length, 0));
    const total = publishers.reduce((a, b) => a + b, 0);
    let before = 0;
    const counts = publishers.map((mine) => {
      const from = Math.floor((count * before) / total);
      before += mine;
      return Number.isFinite(count) ? Math.floor((count * before) / total) - from : count;
    });
    await Promise.all(
      this.#workers.map((worker, i) => (publishers[i] > 0 ? worker.startPublishing(counts[i]) : undefined)),
    );
  }

  async stopPublishing(): Promise<void> {
    await this.#all((worker) => worker.stopPublishing());
  }

  async counters(): Promise<Counters> {
    return addCounters(await this.#all((worker) => worker.counters()));
  }

  async snapshot(): Promise<Snapshot> {
    return addSnapshots(await this.#all((worker) => worker.snapshot()));
  }

  async sequences(): Promise<SequenceState[]> {
    return (await this.#all((worker) => worker.sequences())).flat();
  }

  async close(): Promise<void> {
    await this.#all((worker) => worker.close());
  }

  /** Ends the processes; nothing can be asked any more. */
  end(): void {
    for (const child of this.#children) child.kill();
  }

  #all<T>(ask: (worker: WorkerPort) => Promise<T>): Promise<T[]> {
    return Promise.all(this.#workers.map(ask));
  }
}

function forkWorker(): ChildProcess {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return fork(new URL(`./worker-process.${extension}`, import.meta.url), { serialization: 'advanced' });
}

class RemoteWorker implements WorkerPort {
  readonly #child: ChildProcess;
  readonly #asked: { resolve: (value: never) => void; reject: (error: Error) => void }[] = [];

  constructor(child: ChildProcess, share: Share, onFailure: (error: Error) => void) {
    this.#child = child;
    this.#send({ share });
    child.on('message', (message: FromWorker) => {
      if ('failure' in message) onFailure(new Error(message.failure));
      else if ('error' in message) this.#asked.shift()?.reject(new Error(message.error));
      else this.#asked.shift()?.resolve(message.reply as never);
    });
    child.on('exit', (code) => {
      if (code !== null && code !== 0)
        onFailure(new Error(`a process of the load generator ended with code ${code}`));
    });
  }

  connect(): Promise<void> {
    return this.#ask('connect');
  }
  startConsuming(): Promise<void> {
    return this.#ask('startConsuming');
  }
  startPublishing(count: number): Promise<void> {
    return this.#ask('startPublishing', count);
  }
  stopPublishing(): Promise<void> {
    return this.#ask('stopPublishing');
  }
  counters(): Promise<Counters> {
    return this.#ask('counters');
  }
  snapshot(): Promise<Snapshot> {
    return this.#ask('snapshot');
  }
  sequences(): Promise<SequenceState[]> {
    return this.#ask('sequences');
  }
  close(): Promise<void> {
    return this.#ask('close');
  }

  #ask<T>(verb: WorkerVerb, count?: number): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#asked.push({ resolve, reject });
      this.#send(count === undefined ? { verb } : { verb, count });
    });
  }

  #send(message: ToWorker): void {
    this.#child.send(message);
  }
}

function addSnapshots(snapshots: readonly Snapshot[]): Snapshot {
  if (snapshots.length === 1) return snapshots[0];
  const latency = new Histogram(FINE_BITS);
  const confirmLatency = new Histogram(FINE_BITS);
  for (const each of snapshots) {
    latency.add(each.latency);
    confirmLatency.add(each.confirmLatency);
  }
  const total = (of: (snapshot: Snapshot) => number) => snapshots.reduce((n, each) => n + of(each), 0);
  return {
    atMicros: total((s) => s.atMicros) / snapshots.length,
    counters: addCounters(snapshots.map((each) => each.counters)),
    latency: latency.state(),
    confirmLatency: confirmLatency.state(),
    cpuMicros: total((s) => s.cpuMicros),
  };
}

function addCounters(all: readonly Counters[]): Counters {
  const total = (of: (counters: Counters) => number) => all.reduce((n, each) => n + of(each), 0);
  return {
    published: total((c) => c.published),
    confirmed: total((c) => c.confirmed),
    nacked: total((c) => c.nacked),
    consumed: total((c) => c.consumed),
    consumedBytes: total((c) => c.consumedBytes),
    redelivered: total((c) => c.redelivered),
    outOfOrder: total((c) => c.outOfOrder),
  };
}
