import type { Broker } from '../../../broker/broker.ts';
import type { MessageTracer } from '../../../broker/connections/message-tracer.ts';
import type { AnyQueue } from '../../../broker/queues/any-queue.ts';
import type { VirtualHost } from '../../../broker/topology/virtual-host.ts';
import { FRAME_METHOD } from '../../../wire/amqp091/constants.ts';
import type { Method } from '../../../wire/amqp091/definitions.ts';
import { frameMethod, type OnFrame } from '../../../wire/amqp091/frames.ts';
import {
  CHANNEL_OPEN,
  CONNECTION_CLOSE,
  CONNECTION_CLOSE_OK,
  decodeMethod,
} from '../../../wire/amqp091/methods.ts';
import { Channel, type ChannelOwner } from '../channel.ts';
import type { DeferredFrame } from '../deferred-frames.ts';
import { AmqpError, type CloseReason, closeReasonOf, isExpected } from '../errors.ts';
import type { Settings } from '../options.ts';
import { RouteCache } from '../publish/route-cache.ts';
import type { ClientCapabilities } from './capabilities.ts';
import { type BlockableConnection, ConnectionBlocking } from './connection-blocked.ts';
import { ConnectionEvents } from './connection-events.ts';
import { AmqpConnectionInfo, type ConnectionLifecycle, type InspectedConnection } from './connection-info.ts';
import { FrameInput, type ReadConnection } from './frame-input.ts';
import type { HandshakeResult, ServerContext } from './handshake-result.ts';
import { HEARTBEAT, Heartbeat } from './heartbeat.ts';
import { HeldMemory } from './held-memory.ts';
import type { Output, OutputListener } from './output.ts';
import { Permissions } from './permissions.ts';
import { releaseInSteps } from './release.ts';
import { SocketClose } from './socket-close.ts';
import { UnfinishedInput } from './unfinished-input.ts';

const EMPTY = Buffer.alloc(0);

/** From connection.open-ok on: its channels, until one side closes. What the client sends is read by `FrameInput`. */
export class Connection
  implements ChannelOwner, ReadConnection, BlockableConnection, InspectedConnection, OutputListener
{
  readonly broker: Broker;
  readonly settings: Settings;
  readonly vhost: VirtualHost<AnyQueue>;
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
  readonly #channels = new Map<number, Channel>();
  readonly #input: FrameInput;
  readonly #blocking: ConnectionBlocking;
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
    this.#blocking = new ConnectionBlocking(this, socket);
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
    this.#input = new FrameInput(this, this.#channels, handshake, handleMethod, this.#blocking.turn);
    socket.once('close', () => this.#closed());
    this.info = new AmqpConnectionInfo(this, handshake, broker);
    this.events = new ConnectionEvents(this.info, broker.events);
    this.events.connectionCreated();
  }

  /** For the frames that came behind the handshake's last one, in the same read. */
  get frame(): OnFrame {
    return this.#input.frame;
  }

  connectionMethod(method: Method): void {
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

  openChannel(type: number, number: number, bytes: Buffer, start: number, end: number): void {
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

  replay(channel: Channel, frame: DeferredFrame): void {
    this.#input.replay(channel, frame);
  }

  channelClosed(channel: Channel): void {
    const releasing = this.#releaseChannel(channel, 'closed');
    const closed = (): void => {
      if (this.state !== 'open') return;
      channel.send({ name: 'channel.close-ok' });
      this.forget(channel);
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
    for (const channel of this.#channels.values()) channel.consumers.checkAckTimeouts(nowMs);
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

  forget(channel: Channel): void {
    channel.state = 'closed';
    this.#channels.delete(channel.number);
    this.#input.forget(channel);
    channel.counted(-1);
    this.events.channelClosed(channel);
  }

  fail(error: unknown, channel: Channel | null, method: number): void {
    const reason = closeReasonOf(error, method);
    if (channel === null || reason.isHard) this.#failConnection(error, method);
    else this.closeChannel(channel, reason);
  }

  /** close-ok could not be read either: the client's end is waited for (AMQP 4.2.3). */
  framingLost(error: unknown): void {
    this.#failConnection(error, 0);
    this.state = 'deaf';
  }

  #failConnection(error: unknown, method: number): void {
    const reason = closeReasonOf(error, method);
    const { log } = this.settings;
    if (!isExpected(error)) log.error({ err: error, user: this.user }, 'a request failed unexpectedly');
    const { peer } = this.#handshake;
    log.warn({ user: this.user, peer: peer.address, reason: reason.replyText }, 'closing connection');
    this.close(reason);
  }

  frameWhileClosing(type: number, number: number, bytes: Buffer, start: number, end: number): void {
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
    this.#input.stop();
    for (const channel of this.#channels.values()) channel.congested();
    const channels = [...this.#channels.values()];
    this.#channels.clear();
    const { shard } = this.broker;
    const owner = { protocol: 'AMQP', request: 'connection.close', user: this.user };
    const releasing = shard.turnTime.run(releaseInSteps(this, channels, this.broker), owner);
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
