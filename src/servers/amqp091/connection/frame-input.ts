import type { Broker } from '../../../broker/broker.ts';
import { STRETCH_MS_MIN } from '../../../broker/budget/loop-stretches.ts';
import type { ReadTurn } from '../../../broker/budget/read-turns.ts';
import { readSafeU64 } from '../../../wire/amqp091/byte-reader.ts';
import { FRAME_BODY, FRAME_HEADER, FRAME_HEARTBEAT, FRAME_METHOD } from '../../../wire/amqp091/constants.ts';
import type { Method } from '../../../wire/amqp091/definitions.ts';
import { type FrameReader, frameMethod, type OnFrame } from '../../../wire/amqp091/frames.ts';
import {
  ACK_BITS_AT,
  ACK_MULTIPLE,
  ACK_PAYLOAD_BYTES,
  ACK_TAG_AT,
  BASIC_ACK,
  BASIC_PUBLISH,
  CHANNEL_CLOSE,
  CHANNEL_CLOSE_OK,
  CHANNEL_OPEN,
  decodeMethod,
} from '../../../wire/amqp091/methods.ts';
import { readShared } from '../../listener/shared-read-buffer.ts';
import type { Channel } from '../channel.ts';
import type { HandleMethod } from '../channel-context.ts';
import type { DeferredFrame } from '../deferred-frames.ts';
import { AmqpError } from '../errors.ts';
import type { RouteCache } from '../publish/route-cache.ts';
import type { ConnectionLifecycle } from './connection-info.ts';
import type { HandshakeResult } from './handshake-result.ts';
import { HeldFrames } from './held-frames.ts';
import type { HeldMemory } from './held-memory.ts';

const EMPTY = Buffer.alloc(0);

/** The connection whose frames are read. `Connection` implements it, and nothing else does. */
export interface ReadConnection {
  readonly state: ConnectionLifecycle;
  readonly broker: Broker;
  readonly user: string;
  readonly memory: HeldMemory;
  readonly routes: RouteCache;
  pausePublishing(): void;
  resumePublishing(): void;
  connectionMethod(method: Method): void;
  /** The first frame on a channel that is not open. @throws AmqpError if it is not channel.open */
  openChannel(type: number, number: number, bytes: Buffer, start: number, end: number): void;
  /** The client has confirmed that the channel is closed. */
  forget(channel: Channel): void;
  frameWhileClosing(type: number, number: number, bytes: Buffer, start: number, end: number): void;
  /** Ends the channel, or the connection, for what a frame of this method asked. */
  fail(error: unknown, channel: Channel | null, method: number): void;
  /** Where the next frame begins is unknown. */
  framingLost(error: unknown): void;
}

/** What a client sends: frames to their channels, of which the last one is known, as most frames are of the same channel. */
export class FrameInput {
  readonly #connection: ReadConnection;
  readonly #channels: ReadonlyMap<number, Channel>;
  readonly #handleMethod: HandleMethod;
  readonly #turn: ReadTurn;
  readonly #reader: FrameReader;
  /** The channel of the last frame: the only one whose `publishing` may refer to bytes of `#chunk`. */
  #lastChannel: Channel | null = null;
  /** What the socket gave and is being read; its memory is used again for other sockets. */
  #chunk: Buffer = EMPTY;
  readonly #held: HeldFrames;
  /** Of this read of the socket, publishes and single acknowledgements aside. */
  #lastMethod = 'basic.publish';

  constructor(
    connection: ReadConnection,
    channels: ReadonlyMap<number, Channel>,
    handshake: HandshakeResult,
    handleMethod: HandleMethod,
    turn: ReadTurn,
  ) {
    this.#connection = connection;
    this.#turn = turn;
    this.#channels = channels;
    this.#handleMethod = handleMethod;
    this.#reader = handshake.reader;
    this.#held = new HeldFrames(connection, this.frame, connection.broker.shard.turnTime);
    readShared(handshake.socket, this.#onData);
  }

  readonly #onData = (chunk: Buffer): void => {
    const connection = this.#connection;
    if (connection.state === 'deaf' || connection.state === 'closed') return;
    const { broker, memory } = connection;
    const { turn, clock } = broker.shard;
    turn.touch();
    const beganMs = clock.monotonicMs();
    this.#lastMethod = 'basic.publish';
    this.#chunk = chunk;
    try {
      this.#reader.push(chunk, this.frame);
    } catch (error) {
      connection.framingLost(error);
    }
    this.#chunk = EMPTY;
    this.#lastChannel?.publishing.detach();
    const nowMs = clock.monotonicMs();
    if (nowMs - beganMs >= STRETCH_MS_MIN) {
      broker.loopStretches.record(beganMs, nowMs, 'AMQP', this.#lastMethod, connection.user);
    }
    const { heldBytes } = this.#reader;
    if (heldBytes !== memory.frameBytes) memory.holdFrame(heldBytes);
    turn.received(chunk.length);
    this.#turn.took(clock.monotonicMs() - beganMs);
  };

  readonly frame: OnFrame = (type, number, bytes, start, end) => {
    const connection = this.#connection;
    if (connection.state !== 'open') {
      connection.frameWhileClosing(type, number, bytes, start, end);
      return;
    }
    if (this.#held.isHolding) {
      this.#held.add(type, number, bytes, start, end);
      return;
    }
    let channel = this.#lastChannel;
    if (channel === null || channel.number !== number) channel = this.#switchTo(number);
    try {
      if (channel !== null && channel.state === 'open' && channel.deferred === null) {
        this.#dispatch(channel, type, bytes, start, end);
      } else {
        this.#frameElsewhere(channel, type, number, bytes, start, end);
      }
    } catch (error) {
      connection.fail(error, channel, methodOf(type, bytes, start, end));
    }
    // A frame that straddled two chunks lies in the buffer of the FrameReader, which the next such frame overwrites.
    if (bytes !== this.#chunk && channel !== null) channel.publishing.detach();
    if (connection.routes.wasCostly) {
      connection.routes.wasCostly = false;
      this.#held.check();
    }
  };

  /** A frame that was deferred has its turn. */
  replay(channel: Channel, { type, payload }: DeferredFrame): void {
    try {
      this.#dispatch(channel, type, payload, 0, payload.length);
    } catch (error) {
      this.#connection.fail(error, channel, methodOf(type, payload, 0, payload.length));
    }
  }

  /** The channel is gone. */
  forget(channel: Channel): void {
    if (this.#lastChannel === channel) this.#lastChannel = null;
  }

  /** The connection closes: no frame goes to a channel any more. */
  stop(): void {
    this.#held.drop();
    this.#lastChannel = null;
  }

  /** A frame on an open channel without deferred frames. */
  #dispatch(channel: Channel, type: number, bytes: Buffer, start: number, end: number): void {
    if (type === FRAME_HEADER) {
      channel.publishing.header(bytes, start, end);
    } else if (type === FRAME_BODY) {
      channel.publishing.body(bytes, start, end);
    } else {
      if (channel.publishing.isUnfinished) channel.publishing.failUnfinished();
      const id = frameMethod(bytes, start, end);
      if (id === BASIC_PUBLISH) {
        channel.publishing.method(bytes, start, end);
        return;
      }
      if (id === BASIC_ACK && end - start === ACK_PAYLOAD_BYTES) {
        const tag = readSafeU64(bytes, start + ACK_TAG_AT);
        if (tag >= 0) {
          channel.ack(tag, (bytes[start + ACK_BITS_AT] & ACK_MULTIPLE) !== 0);
          return;
        }
      }
      if (channel.holdsCommit(id, bytes, start, end)) return;
      if (this.#held.holds(type, channel.number, bytes, start, end)) return;
      const method = decodeMethod(bytes, start, end);
      this.#lastMethod = method.name;
      this.#handleMethod(channel, method);
    }
  }

  /** Frames of channel 0, heartbeats, and those of channels that are new, wait for an answer, or are closing. */
  #frameElsewhere(
    channel: Channel | null,
    type: number,
    number: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    if (type === FRAME_HEARTBEAT) return;
    if (number === 0) {
      if (type !== FRAME_METHOD) {
        throw new AmqpError('UNEXPECTED_FRAME', `type ${type}, ${end - start} octets on channel 0`, 0);
      }
      this.#connection.connectionMethod(decodeMethod(bytes, start, end));
    } else if (channel === null) {
      if (type === FRAME_METHOD && frameMethod(bytes, start, end) === CHANNEL_OPEN) {
        if (this.#held.holds(type, number, bytes, start, end)) return;
        this.#lastMethod = 'channel.open';
      }
      this.#connection.openChannel(type, number, bytes, start, end);
    } else if (channel.state === 'open') {
      channel.deferred?.add(type, bytes, start, end);
    } else if (type === FRAME_METHOD) {
      const id = frameMethod(bytes, start, end);
      if (id === CHANNEL_CLOSE) channel.send({ name: 'channel.close-ok' });
      else if (id === CHANNEL_CLOSE_OK) this.#connection.forget(channel);
    }
  }

  #switchTo(number: number): Channel | null {
    this.#lastChannel?.publishing.detach();
    const channel = this.#channels.get(number) ?? null;
    if (channel !== null) this.#lastChannel = channel;
    return channel;
  }
}

/** The method that a frame is of: content is of basic.publish. */
function methodOf(type: number, bytes: Buffer, start: number, end: number): number {
  return type === FRAME_METHOD ? frameMethod(bytes, start, end) : BASIC_PUBLISH;
}
