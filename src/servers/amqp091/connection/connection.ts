import type { Broker } from '../../../broker/broker.ts';
import { STRETCH_MS_MIN } from '../../../broker/budget/loop-stretches.ts';
import type { MessageTracer } from '../../../broker/connections/message-tracer.ts';
import type { Queue } from '../../../broker/queues/queue.ts';
import type { VirtualHost } from '../../../broker/topology/virtual-host.ts';
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
  CONNECTION_CLOSE,
  CONNECTION_CLOSE_OK,
  decodeMethod,
} from '../../../wire/amqp091/methods.ts';
import { readShared } from '../../listener/shared-read-buffer.ts';
import { Channel, type ChannelOwner } from '../channel.ts';
import type { HandleMethod } from '../channel-context.ts';
import type { DeferredFrame } from '../deferred-frames.ts';
import { AmqpError, type CloseReason, closeReasonOf, isExpected } from '../errors.ts';
import type { Settings } from '../options.ts';
import { RouteCache } from '../publish/route-cache.ts';
import type { ClientCapabilities } from './capabilities.ts';
import { type BlockableConnection, ConnectionBlocking } from './connection-blocked.ts';
import { ConnectionEvents } from './connection-events.ts';
import { AmqpConnectionInfo, type ConnectionLifecycle, type InspectedConnection } from './connection-info.ts';
import type { HandshakeResult, ServerContext } from './handshake-result.ts';
import { HEARTBEAT, Heartbeat } from './heartbeat.ts';
import { HeldFrames } from './held-frames.ts';
import { HeldMemory } from './held-memory.ts';
import type { Output, OutputListener } from './output.ts';
import { Permissions } from './permissions.ts';
import { releaseInSteps } from './release.ts';
import { SocketClose } from './socket-close.ts';
import { UnfinishedInput } from './unfinished-input.ts';

const EMPTY = Buffer.alloc(0);

/** From connection.open-ok on: frames to channels, until one side closes. */
export class Connection implements ChannelOwner, BlockableConnection, InspectedConnection, OutputListener {
  readonly broker: Broker;
  readonly settings: Settings;
  readonly vhost: VirtualHost<Queue>;
  readonly output: Output;
  readonly user: string;
  readonly permissions: Permissions;
  readonly frameMax: number;
  readonly capabilities: ClientCapabilities;
  readonly routes: RouteCache;
  state: ConnectionLifecycle = 'open';
  hasPublished = false;
  tracer: MessageTracer | null = null;
  readonly memory: HeldMemory;
  readonly info: AmqpConnectionInfo;
  readonly events: ConnectionEvents;
  readonly #handshake: HandshakeResult;
  readonly #handleMethod: HandleMethod;
  readonly #reader: FrameReader;
  readonly #channels = new Map<number, Channel>();
  /** The channel of the last frame: the only one whose `publishing` may refer to bytes of `#chunk`. */
  #lastChannel: Channel | null = null;
  /** What the socket gave and is being read; its memory is used again for other sockets. */
  #chunk: Buffer = EMPTY;
  readonly #blocking: ConnectionBlocking;
  readonly #held: HeldFrames;
  /** Of this read of the socket, publishes and single acknowledgements aside. */
  #lastMethod = 'basic.publish';
  /** The end of what the connection had at the broker, if that takes long. */
  #releasing: Promise<void> | null = null;
  readonly #heartbeat: Heartbeat | null;
  readonly #socketClose: SocketClose;
  readonly #unfinished: UnfinishedInput;
  readonly #onClosed: (connection: Connection) => void;

  constructor(
    handshake: HandshakeResult,
    { broker, settings, handleMethod }: ServerContext,
    onClosed: (closed: Connection) => void,
  ) {
    const { socket, tuning } = handshake;
    this.broker = broker;
    this.settings = settings;
    this.vhost = handshake.vhost;
    this.output = handshake.output;
    this.user = handshake.identity.name;
    this.permissions = new Permissions(broker.access, handshake.identity, handshake.vhost.name);
    this.frameMax = tuning.frameMax;
    this.capabilities = handshake.capabilities;
    this.routes = new RouteCache(handshake.vhost, this.permissions);
    this.#handshake = handshake;
    this.#handleMethod = handleMethod;
    this.#reader = handshake.reader;
    this.#blocking = new ConnectionBlocking(this, socket);
    this.#held = new HeldFrames(this, broker.shard.turnTime);
    this.#socketClose = new SocketClose(socket, handshake.output, settings);
    this.#unfinished = new UnfinishedInput(socket, handshake.reader, settings.unfinishedInputTimeoutMs);
    this.memory = new HeldMemory(broker.budget.memory, this.user, this);
    this.output.memory = this.memory;
    this.#onClosed = onClosed;
    this.#heartbeat =
      tuning.heartbeatSeconds === 0
        ? null
        : new Heartbeat(socket, tuning.heartbeatSeconds * 1000, {
            sendHeartbeat: () => this.#sendHeartbeat(),
            peerIsSilent: () => this.#drop('missed heartbeats from the client'),
          });
    this.output.listener = this;
    readShared(socket, this.#onData);
    socket.once('close', () => this.#closed());
    this.info = new AmqpConnectionInfo(this, handshake, broker);
    this.events = new ConnectionEvents(this.info, broker.events);
    this.events.connectionCreated();
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.state === 'deaf' || this.state === 'closed') return;
    const { turn, clock } = this.broker.shard;
    turn.touch();
    const beganMs = clock.monotonicMs();
    this.#lastMethod = 'basic.publish';
    this.#chunk = chunk;
    try {
      this.#reader.push(chunk, this.frame);
    } catch (error) {
      // Where the next frame begins is unknown (AMQP 4.2.3), so close-ok could not be read either: the client's end is
      // waited for.
      this.#failConnection(error, 0);
      this.state = 'deaf';
    }
    this.#chunk = EMPTY;
    this.#lastChannel?.publishing.detach();
    const nowMs = clock.monotonicMs();
    if (nowMs - beganMs >= STRETCH_MS_MIN) {
      this.broker.loopStretches.record(beganMs, nowMs, 'AMQP', this.#lastMethod, this.user);
    }
    const { heldBytes } = this.#reader;
    if (heldBytes !== this.memory.frameBytes) this.memory.holdFrame(heldBytes);
    turn.received(chunk.length);
  };

  readonly frame: OnFrame = (type, number, bytes, start, end) => {
    if (this.state !== 'open') {
      this.#frameWhileClosing(type, number, bytes, start, end);
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
      this.#fail(error, channel, type, bytes, start, end);
    }
    // A frame that straddled two chunks lies in the buffer of the FrameReader, which the next such frame overwrites.
    if (bytes !== this.#chunk && channel !== null) channel.publishing.detach();
    if (this.routes.wasCostly) {
      this.routes.wasCostly = false;
      this.#held.check();
    }
  };

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
      if (this.#held.check()) {
        this.#held.add(type, channel.number, bytes, start, end);
        return;
      }
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
      this.#connectionMethod(decodeMethod(bytes, start, end));
    } else if (channel === null) {
      this.#openChannel(type, number, bytes, start, end);
    } else if (channel.state === 'open') {
      channel.deferred?.add(type, bytes, start, end);
    } else if (type === FRAME_METHOD) {
      const id = frameMethod(bytes, start, end);
      if (id === CHANNEL_CLOSE) channel.send({ name: 'channel.close-ok' });
      else if (id === CHANNEL_CLOSE_OK) this.#forget(channel);
    }
  }

  #connectionMethod(method: Method): void {
    switch (method.name) {
      case 'connection.close':
        this.#release();
        if (this.#releasing === null) this.#closeOk();
        else this.#releasing.then(() => this.#closeOk());
        return;
      case 'connection.update-secret':
        // RabbitMQ's renewal of OAuth 2 tokens: passwords and certificates do not expire while the connection is open.
        this.output.method(0, { name: 'connection.update-secret-ok' });
        return;
      default:
        throw new AmqpError('CHANNEL_ERROR', 'unexpected method in connection state running');
    }
  }

  #openChannel(type: number, number: number, bytes: Buffer, start: number, end: number): void {
    if (type !== FRAME_METHOD) {
      throw new AmqpError('UNEXPECTED_FRAME', 'expected method frame, got non method frame instead', 0);
    }
    if (frameMethod(bytes, start, end) !== CHANNEL_OPEN) {
      throw new AmqpError('CHANNEL_ERROR', "expected 'channel.open'");
    }
    decodeMethod(bytes, start, end);
    const { channelMax } = this.#handshake.tuning;
    if (this.#channels.size >= channelMax) {
      throw new AmqpError(
        'NOT_ALLOWED',
        `number of channels opened (${this.#channels.size}) has reached the negotiated channel_max (${channelMax})`,
      );
    }
    if (number > channelMax) {
      throw new AmqpError(
        'NOT_ALLOWED',
        `channel ${number} is beyond the negotiated channel_max (${channelMax})`,
      );
    }
    this.permissions.openChannel();
    const channel = new Channel(number, this);
    this.#channels.set(number, channel);
    channel.counted(1);
    channel.send({ name: 'channel.open-ok' });
    this.events.channelCreated(channel);
  }

  get channelCount(): number {
    return this.#channels.size;
  }

  get channels(): Iterable<Channel> {
    return this.#channels.values();
  }

  get isBlocked(): boolean {
    return this.#blocking.isBlocked;
  }

  get isPaused(): boolean {
    return this.#blocking.isPaused;
  }

  replay(channel: Channel, { type, payload }: DeferredFrame): void {
    try {
      this.#dispatch(channel, type, payload, 0, payload.length);
    } catch (error) {
      this.#fail(error, channel, type, payload, 0, payload.length);
    }
  }

  channelClosed(channel: Channel): void {
    const releasing = this.#releaseChannel(channel, 'closed');
    const closed = (): void => {
      if (this.state !== 'open') return;
      channel.send({ name: 'channel.close-ok' });
      this.#forget(channel);
    };
    if (releasing === null) closed();
    else releasing.then(closed).catch(this.#releaseFailed);
  }

  /** Null if it is done. */
  #releaseChannel(channel: Channel, state: 'closing' | 'closed'): Promise<void> | null {
    const owner = { protocol: 'AMQP', request: 'channel.close', user: this.user };
    return this.broker.shard.turnTime.run(channel.releaseInSteps(state), owner) ?? null;
  }

  closeChannel(channel: Channel, { replyCode, replyText, classId, methodId }: CloseReason): void {
    this.#releaseChannel(channel, 'closing')?.catch((error) => this.#releaseFailed(error));
    channel.send({ name: 'channel.close', replyCode, replyText, classId, methodId });
    this.settings.log.info({ user: this.user, channel: channel.number, reason: replyText }, 'channel closed');
  }

  checkAckTimeouts(nowMs: number): void {
    if (this.state !== 'open') return;
    for (const channel of this.#channels.values()) channel.checkAckTimeouts(nowMs);
  }

  publishedFirst(): void {
    this.hasPublished = true;
    this.#blocking.update();
  }

  /** Resource alarms came or went. */
  blockedChanged(): void {
    if (this.state !== 'open') return;
    this.#blocking.update();
    for (const channel of this.#channels.values()) channel.unblocked();
  }

  memoryIsShort(because: string | null): void {
    if (because !== null && this.state === 'open') {
      const { peer } = this.#handshake;
      const fields = { user: this.user, peer: peer.address, reason: because };
      this.settings.log.warn(fields, 'the client is not read for now');
    }
    this.#blocking.setShortage(because);
  }

  pausePublishing(): void {
    this.#blocking.pause();
  }

  resumePublishing(): void {
    this.#blocking.resume();
  }

  outputCongested(): void {
    for (const channel of this.#channels.values()) channel.congested();
  }

  outputRelieved(): void {
    if (this.state !== 'open') return;
    this.#blocking.setFlooded(false);
    for (const channel of this.#channels.values()) channel.relieved();
  }

  outputFlooded(): void {
    this.#blocking.setFlooded(true);
    this.outputCongested();
  }

  /** Ends the connection from our side: the peer has `closeTimeoutMs` for its close-ok (AMQP 1.4.2.9). */
  close({ replyCode, replyText, classId, methodId }: CloseReason): void {
    if (this.state !== 'open') return;
    this.#release();
    this.output.method(0, { name: 'connection.close', replyCode, replyText, classId, methodId });
    this.output.flush();
    this.#socketClose.expect();
  }

  /** Drops a peer that reads nothing of what is queued for it. */
  checkStalled(nowMs: number): void {
    const { socket } = this.#handshake;
    // A paused socket does not report that its peer is gone; a write does, even one of no bytes.
    if (socket.isPaused() && socket.writableLength === 0) socket.write(EMPTY);
    if (this.#socketClose.isStalled(nowMs)) this.#drop('the client does not read what it asked for');
    if (this.state !== 'open') return;
    const problem = this.#unfinished.stalled(this.#channels.values(), nowMs);
    if (problem !== null) this.#failConnection(new AmqpError('CONNECTION_FORCED', problem), 0);
  }

  destroy(): void {
    this.#handshake.socket.destroy();
  }

  #sendHeartbeat(): void {
    this.output.bytes(HEARTBEAT);
    // At once, so that `bytesWritten` counts it before the next tick of the heartbeat timer.
    this.output.flush();
  }

  #switchTo(number: number): Channel | null {
    this.#lastChannel?.publishing.detach();
    const channel = this.#channels.get(number) ?? null;
    if (channel !== null) this.#lastChannel = channel;
    return channel;
  }

  #forget(channel: Channel): void {
    channel.state = 'closed';
    this.#channels.delete(channel.number);
    if (this.#lastChannel === channel) this.#lastChannel = null;
    channel.counted(-1);
    this.events.channelClosed(channel);
  }

  #fail(
    error: unknown,
    channel: Channel | null,
    type: number,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    const method = type === FRAME_METHOD ? frameMethod(bytes, start, end) : BASIC_PUBLISH;
    if (channel === null || closeReasonOf(error, method).isHard) {
      this.#failConnection(error, method);
      return;
    }
    this.closeChannel(channel, closeReasonOf(error, method));
  }

  #failConnection(error: unknown, method: number): void {
    const reason = closeReasonOf(error, method);
    const { log } = this.settings;
    if (!isExpected(error)) log.error({ err: error, user: this.user }, 'a request failed unexpectedly');
    const { peer } = this.#handshake;
    log.warn({ user: this.user, peer: peer.address, reason: reason.replyText }, 'closing connection');
    this.close(reason);
  }

  #frameWhileClosing(type: number, number: number, bytes: Buffer, start: number, end: number): void {
    if (this.state !== 'closing' || type !== FRAME_METHOD || number !== 0) return;
    const id = end - start >= 4 ? bytes.readInt32BE(start) : 0;
    if (id === CONNECTION_CLOSE) this.#answerClose();
    else if (id === CONNECTION_CLOSE_OK) this.#socketClose.begin();
  }

  /** Who asked for the close ends the socket (AMQP 2.2.4): if we did, a client could take it for a lost connection. */
  #answerClose(): void {
    this.output.method(0, { name: 'connection.close-ok' });
    this.#socketClose.expect();
  }

  #closeOk(): void {
    this.#answerClose();
    this.output.flush();
  }

  /** Closes the channels and deletes the exclusive queues: before close-ok, and once only. */
  #release(): void {
    if (this.state !== 'open') return;
    this.state = 'closing';
    this.#held.drop();
    this.#lastChannel = null;
    for (const channel of this.#channels.values()) channel.congested();
    const channels = [...this.#channels.values()];
    this.#channels.clear();
    const { shard, events } = this.broker;
    const owner = { protocol: 'AMQP', request: 'connection.close', user: this.user };
    const releasing = shard.turnTime.run(releaseInSteps(this, channels, events), owner);
    if (releasing instanceof Promise) this.#releasing = releasing.catch(this.#releaseFailed);
    this.#blocking.stop();
  }

  readonly #releaseFailed = (error: unknown): void =>
    this.settings.log.error({ err: error, user: this.user }, 'what a connection had could not be released');

  #drop(reason: string): void {
    const fields = { user: this.user, peer: this.#handshake.peer.address, reason };
    this.settings.log.warn(fields, 'connection dropped');
    this.destroy();
  }

  #closed(): void {
    this.#release();
    this.state = 'closed';
    this.broker.connections.remove(this.info.id);
    this.events.connectionClosed();
    this.#heartbeat?.stop();
    this.#socketClose.stop();
    this.memory.close();
    this.output.letGo();
    this.#onClosed(this);
  }
}
