import { Worker } from 'node:worker_threads';
import type { BatchDemands } from '../batch-validation.ts';
import type { Job, Outcome, ValidatedCopy } from './jobs.ts';

type WithoutId<J> = J extends unknown ? Omit<J, 'id'> : never;

interface Waiting {
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: Error) => void;
}

/**
 * The records thread, as the event loop sees it. It does one job after the other, in the order in which they came. Of
 * those that give memory back, one at a time is given to it, so that no more is held than one batch, opened. If it ends
 * unexpectedly, what it had is rejected, and the next job has another one begin.
 */
export class RecordsThread {
  #worker: Worker | null = null;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #giving: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  async validate(
    batches: readonly { readonly bytes: ArrayBuffer; readonly demands: BatchDemands }[],
    openedBytesMax: number,
  ): Promise<readonly ValidatedCopy[]> {
    const transfer = batches.map(({ bytes }) => bytes);
    const outcome = await this.#run({ kind: 'validate', batches, openedBytesMax }, transfer);
    if ('batches' in outcome) return outcome.batches;
    throw new Error('the records thread gave another answer');
  }

  /** What is wrong, in words, if the bytes cannot be decompressed to at most `bytesMax`. */
  async open(bytes: ArrayBuffer, compression: number, bytesMax: number): Promise<ArrayBuffer | string> {
    const outcome = await this.#runAlone({ kind: 'open', bytes, compression, bytesMax }, [bytes]);
    if ('refusal' in outcome) return outcome.refusal;
    if ('bytes' in outcome) return outcome.bytes;
    throw new Error('the records thread gave another answer');
  }

  async compress(bytes: ArrayBuffer, compression: number): Promise<ArrayBuffer> {
    const outcome = await this.#runAlone({ kind: 'compress', bytes, compression }, [bytes]);
    if ('bytes' in outcome) return outcome.bytes;
    throw new Error('the records thread gave another answer');
  }

  /** What is not done by then is rejected. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const worker = this.#worker;
    this.#worker = null;
    this.#rejectAll(new Error('the records thread was closed'));
    await worker?.terminate();
  }

  #runAlone(job: WithoutId<Job>, transfer: ArrayBuffer[]): Promise<Outcome> {
    const result = this.#giving.then(() => this.#run(job, transfer));
    this.#giving = result.catch(() => undefined);
    return result;
  }

  #run(job: WithoutId<Job>, transfer: readonly ArrayBuffer[]): Promise<Outcome> {
    if (this.#isClosed) return Promise.reject(new Error('the records thread was closed'));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      const worker = this.#worker ?? this.#start();
      // The process stays alive for a job, and not for the thread.
      worker.ref();
      worker.postMessage({ ...job, id }, transfer);
    });
  }

  #start(): Worker {
    // The package has no sources: there it is what they were built into.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const worker = new Worker(new URL(`./records-thread.${extension}`, import.meta.url), { name: 'records' });
    this.#worker = worker;
    worker.on('message', (outcome: Outcome) => {
      const waiting = this.#waiting.get(outcome.id);
      this.#waiting.delete(outcome.id);
      if (this.#waiting.size === 0) worker.unref();
      waiting?.resolve(outcome);
    });
    worker.on('error', (error) => this.#ended(worker, error));
    worker.on('exit', (code) => this.#ended(worker, new Error(`the records thread ended with ${code}`)));
    return worker;
  }

  #ended(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    this.#rejectAll(error);
  }

  #rejectAll(error: Error): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(error);
  }
}
