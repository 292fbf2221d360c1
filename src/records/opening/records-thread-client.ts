import { Worker } from 'node:worker_threads';
import type { BatchDemands } from '../batch-validation.ts';
import type { Job, Outcome, ValidatedCopy } from './jobs.ts';

type WithoutId<J> = J extends unknown ? Omit<J, 'id'> : never;
type ThreadJob = WithoutId<Job>;

interface Waiting {
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: Error) => void;
}

interface Queued extends Waiting {
  readonly job: ThreadJob;
  readonly transfer: readonly ArrayBuffer[];
}

export interface Validated {
  readonly batches: readonly ValidatedCopy[];
  readonly openedBytes: number;
}

/** One that is done, and the next, so that it has something to do while we hear of the first. */
const IN_THREAD_MAX = 2;

/**
 * The records thread, as the event loop sees it. Owners have their turns: it does one job of each, in the order in which
 * they came. Of those that give memory back, one at a time is given to it, so that no more is held than one batch, opened.
 * If it ends unexpectedly, what it had is rejected, and the next job has another one begin.
 */
export class RecordsThread {
  #worker: Worker | null = null;
  readonly #inThread = new Map<number, Waiting>();
  /** The owner whose turn is next first. */
  readonly #queues = new Map<string, Queued[]>();
  #nextId = 1;
  #isGiving = false;
  #isClosed = false;

  async validate(
    batches: readonly { readonly bytes: ArrayBuffer; readonly demands: BatchDemands }[],
    limits: { readonly openedBytesMax: number; readonly openedBytesLeft: number },
    owner: string,
  ): Promise<Validated> {
    const transfer = batches.map(({ bytes }) => bytes);
    const outcome = await this.#run({ kind: 'validate', batches, ...limits }, transfer, owner);
    if ('batches' in outcome) return outcome;
    throw new Error('the records thread gave another answer');
  }

  /** What is wrong, in words, if the bytes cannot be decompressed to at most `bytesMax`. */
  async open(
    bytes: ArrayBuffer,
    compression: number,
    bytesMax: number,
    owner: string,
  ): Promise<ArrayBuffer | string> {
    const outcome = await this.#run({ kind: 'open', bytes, compression, bytesMax }, [bytes], owner);
    if ('refusal' in outcome) return outcome.refusal;
    if ('bytes' in outcome) return outcome.bytes;
    throw new Error('the records thread gave another answer');
  }

  async compress(bytes: ArrayBuffer, compression: number): Promise<ArrayBuffer> {
    const outcome = await this.#run({ kind: 'compress', bytes, compression }, [bytes], '');
    if ('bytes' in outcome) return outcome.bytes;
    throw new Error('the records thread gave another answer');
  }

  /** What is not done by then is rejected. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const worker = this.#worker;
    this.#worker = null;
    const error = new Error('the records thread was closed');
    this.#rejectAll(error);
    for (const { reject } of [...this.#queues.values()].flat()) reject(error);
    this.#queues.clear();
    await worker?.terminate();
  }

  #run(job: ThreadJob, transfer: readonly ArrayBuffer[], owner: string): Promise<Outcome> {
    if (this.#isClosed) return Promise.reject(new Error('the records thread was closed'));
    return new Promise((resolve, reject) => {
      const queued = { job, transfer, resolve, reject };
      const queue = this.#queues.get(owner);
      if (queue === undefined) this.#queues.set(owner, [queued]);
      else queue.push(queued);
      this.#fill();
    });
  }

  /** Gives jobs to the thread, as many as it may have. */
  #fill(): void {
    while (this.#inThread.size < IN_THREAD_MAX) {
      const queued = this.#next();
      if (queued === null) return;
      const { job, transfer } = queued;
      const id = this.#nextId++;
      const isGiving = job.kind !== 'validate';
      if (isGiving) this.#isGiving = true;
      const done = (): void => {
        if (isGiving) this.#isGiving = false;
      };
      this.#inThread.set(id, {
        resolve: (outcome) => {
          done();
          queued.resolve(outcome);
        },
        reject: (error) => {
          done();
          queued.reject(error);
        },
      });
      const worker = this.#worker ?? this.#start();
      // The process stays alive for a job, and not for the thread.
      worker.ref();
      worker.postMessage({ ...job, id }, transfer);
    }
  }

  #next(): Queued | null {
    for (const [owner, queue] of this.#queues) {
      const [first] = queue;
      if (this.#isGiving && first.job.kind !== 'validate') continue;
      queue.shift();
      this.#queues.delete(owner);
      if (queue.length > 0) this.#queues.set(owner, queue);
      return first;
    }
    return null;
  }

  #start(): Worker {
    // The package has no sources: there it is what they were built into.
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const worker = new Worker(new URL(`./records-thread.${extension}`, import.meta.url), { name: 'records' });
    this.#worker = worker;
    worker.on('message', (outcome: Outcome) => {
      const waiting = this.#inThread.get(outcome.id);
      this.#inThread.delete(outcome.id);
      waiting?.resolve(outcome);
      this.#fill();
      if (this.#inThread.size === 0) worker.unref();
    });
    worker.on('error', (error) => this.#ended(worker, error));
    worker.on('exit', (code) => this.#ended(worker, new Error(`the records thread ended with ${code}`)));
    return worker;
  }

  #ended(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    this.#rejectAll(error);
    this.#fill();
  }

  #rejectAll(error: Error): void {
    const waiting = [...this.#inThread.values()];
    this.#inThread.clear();
    for (const { reject } of waiting) reject(error);
  }
}
