import type { ClientMemory, ConnectionMemory, MemoryUser } from '../../../broker/budget/client-memory.ts';
import { AmqpError, type CloseReason, closeReason } from '../errors.ts';

/** What is done with a connection that holds too much. `Connection` implements it. */
export interface HoldingConnection {
  /** Null: it may go on. */
  memoryIsShort(because: string | null): void;
  close(reason: CloseReason): void;
}

/** Memory that one connection has the broker hold: contents that are not finished, deferred frames, a tx, unsent output. */
export class HeldMemory implements MemoryUser {
  readonly #memory: ConnectionMemory;
  readonly #connection: HoldingConnection;
  /** Of a frame that is not whole: to be changed by `holdFrame` alone. */
  frameBytes = 0;

  constructor(memory: ClientMemory, user: string, connection: HoldingConnection) {
    this.#connection = connection;
    this.#memory = memory.open(`user '${user}'`, this);
  }

  get isPaused(): boolean {
    return this.#memory.isPaused;
  }

  /** Counts bytes more, or fewer, that are held whatever the limits say: the connection may be paused. */
  add(bytes: number): void {
    this.#memory.add(bytes);
  }

  /** The reader of the socket holds so much of a frame that is not whole now. */
  holdFrame(bytes: number): void {
    this.add(bytes - this.frameBytes);
    this.frameBytes = bytes;
  }

  /** As `add`, for what will be held only if it is allowed. @throws AmqpError RESOURCE_ERROR */
  hold(bytes: number): void {
    if (!this.#memory.add(bytes)) throw new AmqpError('RESOURCE_ERROR', this.#memory.shortage);
  }

  close(): void {
    this.#memory.close();
  }

  memoryPaused(because: string): void {
    this.#connection.memoryIsShort(because);
  }

  memoryResumed(): void {
    this.#connection.memoryIsShort(null);
  }

  memoryRefused(because: string): void {
    this.#connection.close(closeReason('RESOURCE_ERROR', because));
  }
}
