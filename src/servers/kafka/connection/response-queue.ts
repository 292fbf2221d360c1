import type { Socket } from 'node:net';
import type { Lease } from '../../../base/memory-pool.ts';
import type { Turn } from '../../../broker/shard/turn.ts';
import { ByteWriter } from '../../../wire/kafka/byte-writer.ts';
import type { PendingResponse } from './pending-response.ts';

/** Told what becomes of the responses of a connection. */
export interface RepliesListener {
  /** A request was answered, or the peer has taken what it was sent: there may be room for more. */
  repliesAdvanced(): void;
}

/** Slots that are done at the front of the array before they are cut off. */
const DONE_MAX = 64;

/** The responses of one connection: a queue of slots, and the bytes of those whose turn has come. */
export class Replies {
  readonly writer = new ByteWriter();
  flushPending = false;
  /** Over the high-water mark, and not yet below the low one again: the peer does not read. */
  isCongested = false;
  /** Bytes of requests that are not answered. */
  openBytes = 0;
  readonly #socket: Socket;
  readonly #turn: Turn;
  readonly #highWaterBytes: number;
  readonly #listener: RepliesListener;
  readonly #slots: PendingResponse[] = [];
  /** Memory that is part of what the writer has. */
  #memory: Lease[] = [];
  #first = 0;
  #largeCount = 0;
  #isEnded = false;

  constructor(socket: Socket, turn: Turn, highWaterBytes: number, listener: RepliesListener) {
    this.#socket = socket;
    this.#turn = turn;
    this.#highWaterBytes = highWaterBytes;
    this.#listener = listener;
  }

  /** Requests that are not answered. */
  get openCount(): number {
    return this.#slots.length - this.#first;
  }

  /** Whether a large response is still to come. */
  get hasLarge(): boolean {
    return this.#largeCount > 0;
  }

  /** Bytes that the operating system has not taken. */
  get queuedBytes(): number {
    return this.writer.pendingBytes + this.#socket.writableLength;
  }

  /** To be released when what was written to `writer` until now has left. */
  holds(memory: Lease): void {
    this.#memory.push(memory);
  }

  isNext(slot: PendingResponse): boolean {
    return this.#slots[this.#first] === slot;
  }

  add(slot: PendingResponse): void {
    this.#slots.push(slot);
    this.openBytes += slot.requestBytes;
    if (slot.isLarge) this.#largeCount++;
  }

  /** If it is this one's turn, it has been written; then it is that of those behind it which were filled before. */
  filled(slot: PendingResponse): void {
    if (!this.isNext(slot)) return;
    this.#shift();
    for (let next = this.#slots[this.#first]; next?.isFilled === true; next = this.#slots[this.#first]) {
      next.writeEarly(this.writer);
      this.#shift();
    }
    if (this.#first >= DONE_MAX || this.#first === this.#slots.length) {
      this.#slots.splice(0, this.#first);
      this.#first = 0;
    }
    if (this.writer.pendingBytes > 0) {
      if (this.queuedBytes > this.#highWaterBytes) this.isCongested = true;
      this.#turn.flushLater(this);
    }
    this.#listener.repliesAdvanced();
  }

  #shift(): void {
    const { requestBytes, isLarge } = this.#slots[this.#first++] as PendingResponse;
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
      socket.write(pieces[0] as Buffer, onWritten);
      return;
    }
    socket.cork();
    const last = pieces.length - 1;
    for (let index = 0; index < last; index++) socket.write(pieces[index] as Buffer);
    socket.write(pieces[last] as Buffer, onWritten);
    socket.uncork();
  }

  /** Sends what is there, then ends our side of the connection. Nothing is written afterwards. */
  end(): void {
    if (this.#isEnded) return;
    this.flush();
    this.#isEnded = true;
    this.#socket.end();
  }

  /** Nobody waits for the responses any more. */
  drop(): void {
    this.#isEnded = true;
    this.#slots.length = 0;
    this.#first = 0;
    this.openBytes = 0;
    this.writer.take();
  }

  /** Lets go of memory that an idle connection does not need. */
  release(): void {
    if (this.writer.pendingBytes === 0 && this.openCount === 0) this.writer.release();
  }

  #onWrittenWith(memory: readonly Lease[]): (error?: Error | null) => void {
    return (error) => {
      // A write that failed may be under way still.
      if (error == null) for (const lease of memory) lease.release();
      this.#onWritten(error);
    };
  }

  readonly #onWritten = (error?: Error | null): void => {
    if (error != null || !this.isCongested || this.queuedBytes > this.#highWaterBytes / 4) return;
    this.isCongested = false;
    this.#turn.touch();
    this.#listener.repliesAdvanced();
  };
}
