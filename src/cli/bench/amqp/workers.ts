/** The shares of a run, in this process or each in its own, behind one set of verbs. */
import { type ChildProcess, fork } from 'node:child_process';
import { FINE_BITS, Histogram } from '../../../base/histogram.ts';
import type { Share } from './plan.ts';
import type { SequenceState } from './sequence.ts';
import { type Counters, Load, type LoadPort, type Snapshot } from './worker.ts';

export type LoadVerb = keyof LoadPort;

/** Parent to child: first the share, then verbs. Child to parent: one reply for each verb, or a failure at any time. */
export type ToLoad = { readonly share: Share } | { readonly verb: LoadVerb; readonly count?: number };
export type FromLoad =
  | { readonly reply: unknown }
  | { readonly error: string }
  | { readonly failure: string };

export class Crew {
  readonly #loads: LoadPort[];
  readonly #shares: readonly Share[];
  readonly #children: ChildProcess[] = [];

  constructor(shares: readonly Share[], onFailure: (error: Error) => void) {
    this.#shares = shares;
    if (shares.length === 1) {
      this.#loads = [new Load(shares[0], onFailure)];
      return;
    }
    this.#loads = shares.map((share) => {
      const child = forkLoad();
      this.#children.push(child);
      return new RemoteLoad(child, share, onFailure);
    });
  }

  async connect(): Promise<void> {
    await this.#all((load) => load.connect());
  }

  async startConsuming(): Promise<void> {
    await this.#all((load) => load.startConsuming());
  }

  /** `count` messages in all, divided by publishers; `Infinity`: until stopped. */
  async startPublishing(count: number): Promise<void> {
    const publishers = this.#shares.map((s) => s.connections.reduce((n, c) => n + c.publishers.length, 0));
    const total = publishers.reduce((a, b) => a + b, 0);
    let before = 0;
    const parts = publishers.map((mine) => {
      const from = Math.floor((count * before) / total);
      before += mine;
      return Number.isFinite(count) ? Math.floor((count * before) / total) - from : count;
    });
    await Promise.all(
      this.#loads.map((load, i) => (publishers[i] > 0 ? load.startPublishing(parts[i]) : undefined)),
    );
  }

  async stopPublishing(): Promise<void> {
    await this.#all((load) => load.stopPublishing());
  }

  async counters(): Promise<Counters> {
    return addCounters(await this.#all((load) => load.counters()));
  }

  async snapshot(): Promise<Snapshot> {
    return addSnapshots(await this.#all((load) => load.snapshot()));
  }

  async sequences(): Promise<SequenceState[]> {
    return (await this.#all((load) => load.sequences())).flat();
  }

  async close(): Promise<void> {
    await this.#all((load) => load.close());
  }

  /** Ends the processes; nothing can be asked any more. */
  end(): void {
    for (const child of this.#children) child.kill();
  }

  #all<T>(ask: (load: LoadPort) => Promise<T>): Promise<T[]> {
    return Promise.all(this.#loads.map(ask));
  }
}

function forkLoad(): ChildProcess {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return fork(new URL(`./load-process.${extension}`, import.meta.url), { serialization: 'advanced' });
}

class RemoteLoad implements LoadPort {
  readonly #child: ChildProcess;
  readonly #asked: { resolve: (value: never) => void; reject: (error: Error) => void }[] = [];

  constructor(child: ChildProcess, share: Share, onFailure: (error: Error) => void) {
    this.#child = child;
    this.#send({ share });
    child.on('message', (message: FromLoad) => {
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

  #ask<T>(verb: LoadVerb, count?: number): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#asked.push({ resolve, reject });
      this.#send(count === undefined ? { verb } : { verb, count });
    });
  }

  #send(message: ToLoad): void {
    this.#child.send(message);
  }
}

function addSnapshots(parts: readonly Snapshot[]): Snapshot {
  if (parts.length === 1) return parts[0];
  const latency = new Histogram(FINE_BITS);
  const confirmLatency = new Histogram(FINE_BITS);
  for (const part of parts) {
    latency.add(part.latency);
    confirmLatency.add(part.confirmLatency);
  }
  const total = (of: (snapshot: Snapshot) => number) => parts.reduce((n, part) => n + of(part), 0);
  return {
    atMicros: total((s) => s.atMicros) / parts.length,
    counters: addCounters(parts.map((part) => part.counters)),
    latency: latency.state(),
    confirmLatency: confirmLatency.state(),
    cpuMicros: total((s) => s.cpuMicros),
  };
}

function addCounters(parts: readonly Counters[]): Counters {
  const total = (of: (counters: Counters) => number) => parts.reduce((n, part) => n + of(part), 0);
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
