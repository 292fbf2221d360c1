import type { Socket } from 'node:net';
import type { Broker } from '../../../broker/broker.ts';
import type { ConnectionMemory } from '../../../broker/budget/client-memory.ts';
import { STRETCH_MS_MIN } from '../../../broker/budget/loop-stretches.ts';
import type { Shard } from '../../../broker/shard/shard.ts';
import { FrameReader } from '../../../wire/kafka/frame-reader.ts';
import { readShared } from '../../listener/shared-read-buffer.ts';
import type { ServerContext } from '../handlers/request-context.ts';
import type { Settings } from '../options.ts';
import type { Identity } from './identity.ts';
import { RequestStretch } from './request-stretch.ts';
import type { ResponseQueue, ResponseQueueListener } from './response-queue.ts';
import { Throttle } from './throttle.ts';
import { copyOf, type WaitingFrame } from './waiting-frame.ts';

/** The connection whose requests are read. `KafkaConnection` implements it, and nothing else does. */
export interface ReadConnection {
  readonly server: ServerContext;
  readonly broker: Broker;
  readonly settings: Settings;
  readonly socket: Socket;
  readonly responses: ResponseQueue;
  readonly memory: ConnectionMemory;
  readonly isClosed: boolean;
  readonly identity: Identity | null;
  readonly actor: string;
  /** The API of the last request, for who looks at what held the event loop. */
  readonly lastRequest: string;
  /** False if the request has to wait after all. `isKept`: nobody else uses the bytes. */
  beginRequest(bytes: Buffer, start: number, end: number, isKept: boolean): boolean;
  /** An unauthenticated client may not fill as much memory as others. @throws KafkaWireError */
  limitUnauthenticated(): void;
  inputFailed(error: unknown, chunk: Buffer): void;
  drop(reason: string): void;
}

/**
 * What a client sends: frames, of which each is a request. Requests for which there is no room (`requestsMax` without a
 * response, a peer that does not read, a throttled client) wait, and the socket is paused.
 */
export class RequestInput implements ResponseQueueListener {
  readonly throttle: Throttle;
  readonly stretch: RequestStretch;
  /** When the last bytes came, on the monotonic clock. */
  receivedAtMs: number;
  readonly #connection: ReadConnection;
  readonly #shard: Shard;
  readonly #reader: FrameReader;
  readonly #waiting: WaitingFrame[] = [];
  #waitingBytes = 0;
  /** What is counted as held: the frame that is not whole yet, and those that wait. */
  #heldBytes = 0;
  #isHandlingWaiting = false;
  /** Works of requests that are not done: they go before what comes next. */
  #worksCount = 0;

  constructor(connection: ReadConnection) {
    const { shard } = connection.broker;
    this.#connection = connection;
    this.#shard = shard;
    this.receivedAtMs = shard.clock.monotonicMs();
    this.#reader = new FrameReader(connection.settings.requestBytesMax);
    this.stretch = new RequestStretch(shard, connection.broker.readTurns, () => this.handleWaiting());
    this.throttle = new Throttle(shard.clock, () => {
      shard.turn.touch();
      this.handleWaiting();
    });
    readShared(connection.socket, this.#onData);
  }

  /** Requests that were read wait for room. */
  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** A part of a request has come. */
  get isUnfinished(): boolean {
    return !this.#reader.isEmpty;
  }

  /** No request begins until the function that it returns is called. */
  hold(): () => void {
    this.#worksCount++;
    return () => {
      this.#worksCount--;
      this.#shard.turn.touch();
      this.handleWaiting();
    };
  }

  /** There may be room for another request. */
  responsesAdvanced(): void {
    this.handleWaiting();
  }

  /** Begins the requests that wait, in order, as far as there is room. */
  handleWaiting(): void {
    const connection = this.#connection;
    if (this.#isHandlingWaiting || connection.isClosed || this.#waiting.length === 0) return;
    this.#isHandlingWaiting = true;
    this.stretch.begin();
    let done = 0;
    while (done < this.#waiting.length && !connection.isClosed && this.#hasRoom()) {
      const { bytes, start, end } = this.#waiting[done];
      if (!connection.beginRequest(bytes, start, end, true)) break;
      this.#waitingBytes -= end - start;
      done++;
    }
    this.#waiting.splice(0, done);
    this.#isHandlingWaiting = false;
    // Fewer bytes than before: they are never refused.
    this.#count();
    this.updateReading();
  }

  updateReading(): void {
    const { memory, isClosed, socket } = this.#connection;
    if (this.#waiting.length === 0 && !memory.isPaused && !isClosed) socket.resume();
  }

  /** The client is quiet: buffers for what comes next are let go. */
  release(): void {
    this.#reader.release();
  }

  /** The connection is closed: no request begins any more. */
  stop(): void {
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    this.throttle.stop();
  }

  /** Counts what is held of the input. False: it is too much. */
  #count(): boolean {
    const { memory } = this.#connection;
    const bytes = this.#reader.heldBytes + this.#waitingBytes;
    const more = bytes - this.#heldBytes;
    if (more === 0) return true;
    this.#heldBytes = bytes;
    // What is kept for the next frame is not counted.
    if (memory.isTight) this.#reader.release();
    return memory.add(more);
  }

  readonly #onData = (chunk: Buffer): void => {
    const connection = this.#connection;
    if (connection.isClosed) return;
    const { turn, clock } = this.#shard;
    turn.touch();
    const beganMs = clock.monotonicMs();
    this.receivedAtMs = beganMs;
    this.stretch.begin(beganMs);
    try {
      if (connection.identity === null) connection.limitUnauthenticated();
      this.#reader.push(chunk, this.#onFrame);
      if (!this.#count()) connection.drop(connection.memory.shortage);
    } catch (error) {
      connection.inputFailed(error, chunk);
    }
    const nowMs = clock.monotonicMs();
    if (nowMs - beganMs >= STRETCH_MS_MIN) {
      const { broker, lastRequest, actor } = connection;
      broker.loopStretches.record(beganMs, nowMs, 'Kafka', lastRequest, actor);
    }
    turn.received(chunk.length);
  };

  readonly #onFrame = (bytes: Buffer, start: number, end: number, isKept: boolean): void => {
    const connection = this.#connection;
    if (connection.isClosed) return;
    const mayBegin = this.#waiting.length === 0 && this.#hasRoom();
    if (mayBegin && connection.beginRequest(bytes, start, end, isKept)) return;
    this.#waiting.push(isKept ? { bytes, start, end } : copyOf(bytes, start, end));
    this.#waitingBytes += end - start;
    connection.socket.pause();
  };

  /** Whether the next request may begin. */
  #hasRoom(): boolean {
    const { responses, settings } = this.#connection;
    return (
      this.#worksCount === 0 &&
      !this.stretch.isOver &&
      !responses.isCongested &&
      responses.openCount < settings.requestsMax &&
      responses.openBytes < settings.requestsBytesMax &&
      !this.throttle.isOn
    );
  }
}
