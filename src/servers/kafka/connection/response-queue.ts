import type { Socket } from 'node:net';
import type { Lease } from '../../../base/memory-pool.ts';
import type { ConnectionMemory } from '../../../broker/budget/client-memory.ts';
import type { Turn } from '../../../broker/shard/turn.ts';
import { ByteWriter } from '../../../wire/kafka/byte-writer.ts';
import type { QueuedResponse, ResponseOutput } from './response-output.ts';

export interface ResponseQueueLimits {
  readonly highWaterBytes: number;
  /** Where unsent bytes are counted. */
  readonly memory: ConnectionMemory;
}

export interface ResponseQueueListener {
  /** A response was written, or the socket has drained: there may be room for the next request. */
  responsesAdvanced(): void;
}

/** Written responses at the front of the array before they are cut off. */
const WRITTEN_MAX = 64;

/** The responses of one connection in the order of its requests, and the bytes of those whose turn has come. */
export class ResponseQueue implements ResponseOutput {
  readonly writer = new ByteWriter();
  flushPending = false;
  /** `queuedBytes` went over the high-water mark, and is not yet below a quarter of it again: the peer does not read. */
  isCongested = false;
  /** Bytes of the requests whose responses are not written. */
  openBytes = 0;
  readonly #socket: Socket;
  readonly #turn: Turn;
  readonly #highWaterBytes: number;
  readonly #memoryUse: ConnectionMemory;
  /** What is counted in it: what is written, and responses that wait for those before them. */
  #heldBytes = 0;
  #earlyBytes = 0;
  /** Null when the socket is closed, which keeps the callback of its last write, and so this, but nothing beyond. */
  #listener: ResponseQueueListener | null;
  readonly #queue: QueuedResponse[] = [];
  /** Leases of the memory that `writer` references. */
  #memory: Lease[] = [];
  /** Index in `#queue` of the first response that is not written. */
  #first = 0;
  #largeCount = 0;
  #isEnded = false;

  constructor(
    socket: Socket,
    turn: Turn,
    { highWaterBytes, memory }: ResponseQueueLimits,
    listener: ResponseQueueListener,
  ) {
    this.#socket = socket;
    this.#turn = turn;
    this.#highWaterBytes = highWaterBytes;
    this.#memoryUse = memory;
    this.#listener = listener;
  }

  /** Requests whose responses are not written. */
  get openCount(): number {
    return this.#queue.length - this.#first;
  }

  /** Whether a large response is still to come. */
  get hasLarge(): boolean {
    return this.#largeCount > 0;
  }

  /** Bytes that the operating system has not taken. */
  get queuedBytes(): number {
    return this.writer.pendingBytes + this.#socket.writableLength;
  }

  /** Releases the lease when the socket has taken what is in `writer` now. */
  releaseWhenSent(memory: Lease): void {
    this.#memory.push(memory);
  }

  isNext(response: QueuedResponse): boolean {
    return this.#queue[this.#first] === response;
  }

  add(response: QueuedResponse): void {
    this.#queue.push(response);
    this.openBytes += response.requestBytes;
    if (response.isLarge) this.#largeCount++;
  }

  /** If it was the next one, it is in `writer`; those behind it which were filled earlier follow it. */
  filled(response: QueuedResponse): void {
    if (!this.isNext(response)) return;
    this.#shift();
    for (let next = this.#queue[this.#first]; next?.isFilled === true; next = this.#queue[this.#first]) {
      next.writeEarly(this.writer);
      this.#shift();
    }
    if (this.#first >= WRITTEN_MAX || this.#first === this.#queue.length) {
      this.#queue.splice(0, this.#first);
      this.#first = 0;
    }
    if (this.writer.pendingBytes > 0) {
      if (this.queuedBytes > this.#highWaterBytes) this.isCongested = true;
      this.#turn.flushLater(this);
    }
    // Small ones are counted when they are flushed.
    if (response.isLarge) this.#hold();
    this.#listener?.responsesAdvanced();
  }

  /** Bytes of responses that were filled in before their turn, or fewer of them. */
  addEarly(bytes: number): void {
    this.#earlyBytes += bytes;
    this.#hold();
  }

  /** Bytes of a response that were counted while it was made, and is filled in now: they go on being counted here. */
  adopt(bytes: number): void {
    this.#heldBytes += bytes;
  }

  #hold(): void {
    const bytes = this.#earlyBytes + this.queuedBytes;
    const more = bytes - this.#heldBytes;
    if (more === 0) return;
    this.#heldBytes = bytes;
    this.#memoryUse.add(more);
  }

  #shift(): void {
    const { requestBytes, isLarge } = this.#queue[this.#first++];
    this.openBytes -= requestBytes;
    if (isLarge) this.#largeCount--;
  }

  flush(): void {
    const socket = this.#socket;
    if (this.writer.pendingBytes === 0) return;
    const pieces = this.writer.take();
    const memory = this.#memory;
    if (memory.length > 0) this.#memory = [];
    if (this.#isEnded || socket.destroyed) return;
    const onWritten = memory.length === 0 ? this.#onWritten : this.#onWrittenWith(memory);
    if (pieces.length === 1) {
      socket.write(pieces[0], onWritten);
    } else {
      socket.cork();
      const last = pieces.length - 1;
      for (let index = 0; index < last; index++) socket.write(pieces[index]);
      socket.write(pieces[last], onWritten);
      socket.uncork();
    }
    this.#hold();
  }

  /** Flushes, then half-closes the socket. Nothing is written afterwards. */
  end(): void {
    if (this.#isEnded) return;
    this.flush();
    this.#isEnded = true;
    this.#socket.end();
  }

  /** The socket is closed: forgets all responses. */
  drop(): void {
    this.#isEnded = true;
    this.#listener = null;
    this.#queue.length = 0;
    this.#first = 0;
    this.openBytes = 0;
    this.writer.take();
  }

  /** Gives the writer's memory back while the connection is idle. */
  release(): void {
    if (this.writer.pendingBytes === 0 && this.openCount === 0) this.writer.release();
  }

  #onWrittenWith(memory: readonly Lease[]): (error?: Error | null) => void {
    return (error) => {
      // After a write that failed the kernel may still read from the memory.
      if (error == null) for (const lease of memory) lease.release();
      this.#onWritten(error);
    };
  }

  readonly #onWritten = (error?: Error | null): void => {
    this.#hold();
    if (error != null || !this.isCongested || this.queuedBytes > this.#highWaterBytes / 4) return;
    this.isCongested = false;
    this.#turn.touch();
    this.#listener?.responsesAdvanced();
  };
}
