import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import type { DestinationStream } from 'pino';
import { oldGenerationBytesMax } from '../../../base/old-generation.ts';
import type { ShardCommand, ShardMessage, ShardThreadData } from './messages.ts';

const MIB = 1024 * 1024;

export interface ShardWorkerEvents {
  onStep(step: string): void;
  /** It has ended, and nobody wanted that. `error` if it has not said why in the log. */
  onEnded(error: Error | null): void;
}

interface Waiting {
  resolve(port: number): void;
  reject(error: Error): void;
}

/** The thread of one shard, as the main thread sees it. */
export class ShardWorker {
  readonly number: number;
  readonly #worker: Worker;
  readonly #log: MessagePort;
  readonly #destination: DestinationStream;
  readonly #events: ShardWorkerEvents;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #error: Error | null = null;
  #isEnding = false;

  /** `heapBytes`: of its heap, for what lives on; as many as the main thread has in its own. */
  constructor(
    thread: URL,
    data: Omit<ShardThreadData, 'log'>,
    destination: DestinationStream,
    events: ShardWorkerEvents,
    heapBytes = oldGenerationBytesMax(),
  ) {
    this.number = data.number;
    this.#destination = destination;
    this.#events = events;
    const { port1, port2 } = new MessageChannel();
    this.#log = port1;
    port1.on('message', (line: string) => void destination.write(line));
    port1.unref();
    this.#worker = new Worker(thread, {
      name: `shard ${this.number}`,
      workerData: { ...data, log: port2 },
      transferList: [port2],
      resourceLimits: { maxOldGenerationSizeMb: Math.floor(heapBytes / MIB) },
    });
    this.#worker.on('message', (message: ShardMessage) => this.#told(message));
    this.#worker.on('error', (error: Error) => {
      this.#error = error;
    });
    this.#worker.on('exit', () => this.#ended());
  }

  /** Resolves when it is done, with the port if one was taken. Rejects with a message for an operator. */
  ask(command: ShardCommand): Promise<number> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, command });
    });
  }

  /** Writes the lines of its log that have not been written yet. */
  writeLog(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#log) as { readonly message: string } | undefined;
      if (received === undefined) return;
      this.#destination.write(received.message);
    }
  }

  /** Resolves when the thread is gone. */
  async end(): Promise<void> {
    this.#isEnding = true;
    await this.#worker.terminate();
    this.writeLog();
    this.#log.close();
  }

  #told(message: ShardMessage): void {
    if ('step' in message) {
      this.#events.onStep(message.step);
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.failure === null) waiting?.resolve(message.port ?? 0);
    else waiting?.reject(new Error(message.failure));
  }

  #ended(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.writeLog();
    this.#events.onEnded(this.#error);
  }
}
