import type { Socket } from 'node:net';
import { clientText } from '../../../base/client-text.ts';
import type { Identity } from '../../../broker/access/access.ts';
import { FRAME_HEARTBEAT, FRAME_METHOD, PROTOCOL_HEADER } from '../../../wire/amqp091/constants.ts';
import type { Method, MethodOf } from '../../../wire/amqp091/definitions.ts';
import { FrameReader, type OnFrame, readProtocolHeader } from '../../../wire/amqp091/frames.ts';
import { decodeMethod, methodId } from '../../../wire/amqp091/methods.ts';
import type { AcceptedConnection } from '../../listener/accepted-connection.ts';
import { answerTo, recognise, wrongPort } from '../../listener/first-bytes.ts';
import { readShared } from '../../listener/shared-read-buffer.ts';
import { refusalDelayMs } from '../../sasl/refusal-delay.ts';
import { AmqpError, type CloseReason, closeReason, closeReasonOf, isExpected } from '../errors.ts';
import { type ClientCapabilities, clientCapabilities } from './capabilities.ts';
import type { ClientDescription, HandshakeResult, ServerContext } from './handshake-result.ts';
import { logIn, tellLogin } from './login.ts';
import { Output } from './output.ts';
import { type Credentials, mechanisms, readCredentials } from './sasl.ts';
import { SocketClose } from './socket-close.ts';
import { negotiate, type Tuning } from './tune.ts';

/**
 *     client                                       server
 *     protocol header  ──────────────────────▶
 *                      ◀──────────────────────     connection.start
 *     start-ok         ──────────────────────▶
 *                                                  (the password is checked; nothing is read)
 *                      ◀──────────────────────     tune
 *     tune-ok, open    ──────────────────────▶
 *                      ◀──────────────────────     open-ok
 *
 * or, from start-ok on, connection.close with the reason.
 */
type State =
  | { readonly expects: 'header' }
  | { readonly expects: 'connection.start-ok' }
  | { readonly expects: 'authentication' }
  | { readonly expects: 'connection.tune-ok'; readonly login: Login }
  | { readonly expects: 'connection.open'; readonly login: Login; readonly tuning: Tuning }
  | { readonly expects: 'connection.close-ok' }
  | { readonly expects: 'nothing' };

interface Login {
  readonly identity: Identity;
  readonly capabilities: ClientCapabilities;
  readonly client: ClientDescription;
}

interface EarlyFrame {
  readonly type: number;
  readonly channel: number;
  readonly payload: Buffer;
}

const CONNECTION_CLOSE = methodId('connection.close');
const CONNECTION_CLOSE_OK = methodId('connection.close-ok');

const HEADER_EXPECTED: State = { expects: 'header' };
const AUTHENTICATING: State = { expects: 'authentication' };
const CLOSING: State = { expects: 'connection.close-ok' };
const FINISHED: State = { expects: 'nothing' };

/** What RabbitMQ calls them in the text of an error. */
const STATE_NAMES: Readonly<Record<State['expects'], string>> = {
  header: 'starting',
  'connection.start-ok': 'starting',
  authentication: 'securing',
  'connection.tune-ok': 'tuning',
  'connection.open': 'opening',
  'connection.close-ok': 'closing',
  nothing: 'closing',
};

export interface HandshakeEvents {
  /** The connection is open. Returns what takes its frames from now on; the socket's `data` is the connection's. */
  finished(result: HandshakeResult): OnFrame;
}

/** From an accepted socket to an open connection (AMQP 2.2.4), or the end of the socket: the listener has the deadline. */
export class Handshake {
  readonly #accepted: AcceptedConnection;
  readonly #socket: Socket;
  readonly #stopReading: () => void;
  readonly #context: ServerContext;
  readonly #events: HandshakeEvents;
  readonly #reader = new FrameReader();
  readonly #output: Output;
  readonly #socketClose: SocketClose;
  #state: State = HEADER_EXPECTED;
  #loginStartedMs = 0;
  /** The first bytes of a protocol header that came in pieces. */
  #header = Buffer.alloc(0);
  /** After open-ok: the connection. */
  #next: OnFrame | null = null;
  /** Frames that came in one chunk with start-ok: they wait until the password is checked, with the socket paused. */
  #early: EarlyFrame[] = [];

  constructor(accepted: AcceptedConnection, context: ServerContext, events: HandshakeEvents) {
    const { socket } = accepted;
    this.#accepted = accepted;
    this.#socket = socket;
    this.#context = context;
    this.#events = events;
    const { broker, settings, slabs } = context;
    this.#output = new Output(socket, broker.shard.turn, slabs, settings.outputHighWaterBytes);
    this.#socketClose = new SocketClose(socket, this.#output, settings);
    socket.once('close', this.#onClose);
    this.#stopReading = readShared(socket, this.#onData);
  }

  readonly #onClose = (): void => this.#socketClose.stop();

  readonly #onData = (chunk: Buffer): void => {
    if (this.#state.expects === 'nothing') return;
    try {
      const rest = this.#state.expects === 'header' ? this.#readHeader(chunk) : chunk;
      if (rest.length > 0) this.#reader.push(rest, this.#onFrame);
    } catch (error) {
      this.#fail(error, 0);
      // Where the next frame begins is unknown.
      this.#state = FINISHED;
    }
  };

  /** AMQP 4.2.2. Returns what comes behind the header. */
  #readHeader(chunk: Buffer): Buffer {
    const bytes = this.#header.length === 0 ? chunk : Buffer.concat([this.#header, chunk]);
    const found = readProtocolHeader(bytes, 0, bytes.length);
    if (found === 'amqp091') {
      this.#state = { expects: 'connection.start-ok' };
      this.#header = Buffer.alloc(0);
      this.#sendStart();
      return bytes.subarray(PROTOCOL_HEADER.length);
    }
    if (found === 'incomplete') {
      this.#header = Buffer.from(bytes);
    } else {
      this.#refuseStranger(bytes);
    }
    return chunk.subarray(chunk.length);
  }

  /** Told by our header (AMQP 4.2.2), as by RabbitMQ, also to HTTP; but within TLS nothing is understood but an alert. */
  #refuseStranger(bytes: Buffer): void {
    const speaks = recognise(bytes);
    const reason = speaks === null ? 'no AMQP 0-9-1 header' : wrongPort(speaks, 'amqp');
    const answer = speaks === 'TLS' ? answerTo(speaks, reason) : null;
    this.#output.bytes(answer ?? Buffer.from(PROTOCOL_HEADER));
    this.#end(reason);
  }

  readonly #onFrame: OnFrame = (type, channel, bytes, start, end) => {
    if (this.#next !== null) {
      this.#next(type, channel, bytes, start, end);
      return;
    }
    if (this.#state.expects === 'nothing' || type === FRAME_HEARTBEAT) return;
    if (this.#state === CLOSING) {
      this.#frameWhileClosing(type, channel, bytes, start, end);
      return;
    }
    if (this.#state.expects === 'authentication') {
      this.#early.push({ type, channel, payload: Buffer.from(bytes.subarray(start, end)) });
      return;
    }
    let id = 0;
    try {
      if (type !== FRAME_METHOD || channel !== 0) {
        throw new AmqpError(
          'UNEXPECTED_FRAME',
          `a frame of type ${type} on channel ${channel} before the end of the handshake`,
        );
      }
      const method = decodeMethod(bytes, start, end);
      id = methodId(method.name);
      this.#handle(method);
    } catch (error) {
      this.#fail(error, id);
    }
  };

  #handle(method: Method): void {
    const state = this.#state;
    if (method.name === 'connection.close') {
      this.#output.method(0, { name: 'connection.close-ok' });
      this.#awaitEnd('closed by the client');
    } else if (state.expects === 'connection.start-ok' && method.name === state.expects) {
      this.#authenticate(method);
    } else if (state.expects === 'connection.tune-ok' && method.name === state.expects) {
      this.#tune(method, state.login);
    } else if (state.expects === 'connection.open' && method.name === state.expects) {
      this.#open(method, state.login, state.tuning);
    } else {
      throw new AmqpError(
        'CHANNEL_ERROR',
        `unexpected method in connection state ${STATE_NAMES[state.expects]}`,
      );
    }
  }

  #sendStart(): void {
    const name = this.#accepted.certificateName;
    const { broker, startFrame } = this.#context;
    this.#output.bytes(startFrame.of(mechanisms(name !== null && broker.access.hasUser(name))));
  }

  #authenticate(method: MethodOf<'connection.start-ok'>): void {
    const credentials = readCredentials(method.mechanism, method.response, this.#accepted.certificateName);
    this.#state = AUTHENTICATING;
    this.#loginStartedMs = this.#context.broker.shard.clock.monotonicMs();
    this.#socket.pause();
    // The check may have to wait for its turn, and that is not the client's time.
    this.#accepted.stopDeadline();
    logIn(credentials, this.#accepted, this.#context).then(
      (identity) => this.#authenticated(method, credentials, identity),
      (error) => this.#fail(error, methodId(method.name)),
    );
  }

  #authenticated(
    method: MethodOf<'connection.start-ok'>,
    credentials: Credentials | null,
    identity: Identity | null,
  ): void {
    // The `close` of a socket that was closed meanwhile is past: the connection would never end.
    if (this.#state !== AUTHENTICATING || this.#socket.destroyed) return;
    this.#accepted.startDeadline();
    const { settings } = this.#context;
    const capabilities = clientCapabilities(method.clientProperties);
    const user = credentials?.user ?? '';
    tellLogin(identity !== null, user, method.mechanism, this.#accepted, this.#context);
    if (identity === null) {
      const nowMs = this.#context.broker.shard.clock.monotonicMs();
      const delayMs = refusalDelayMs(this.#loginStartedMs, nowMs, settings.refusedLoginDelayMs);
      setTimeout(() => this.#refuseLogin(method.mechanism, capabilities), delayMs);
      return;
    }
    const client = { properties: method.clientProperties, mechanism: method.mechanism };
    this.#state = { expects: 'connection.tune-ok', login: { identity, capabilities, client } };
    this.#output.method(0, {
      name: 'connection.tune',
      channelMax: settings.channelMax,
      frameMax: settings.frameMaxBytes,
      heartbeat: settings.heartbeatSeconds,
    });
    const early = this.#early;
    this.#early = [];
    for (const { type, channel, payload } of early) this.#onFrame(type, channel, payload, 0, payload.length);
    // Flushes tune: this runs after a password check and not in the turn of a socket's data.
    this.#context.broker.shard.turn.schedule();
    this.#socket.resume();
  }

  #refuseLogin(mechanism: string, capabilities: ClientCapabilities): void {
    if (this.#state !== AUTHENTICATING || this.#socket.destroyed) return;
    const message = `Login was refused using authentication mechanism ${mechanism}. For details see the broker logfile.`;
    if (capabilities.authenticationFailureClose) this.#refuse(closeReason('ACCESS_REFUSED', message));
    else this.#drop('login refused');
  }

  #tune(method: MethodOf<'connection.tune-ok'>, login: Login): void {
    const tuning = negotiate(this.#context.settings, method);
    this.#reader.frameMax = tuning.frameMax;
    this.#state = { expects: 'connection.open', login, tuning };
  }

  #open(
    method: MethodOf<'connection.open'>,
    { identity, capabilities, client }: Login,
    tuning: Tuning,
  ): void {
    const vhost = this.#context.broker.access.openVhost(identity, method.virtualHost);
    this.#output.method(0, { name: 'connection.open-ok' });
    this.#state = FINISHED;
    // Nothing of the socket refers to the handshake from here on: it is not kept as long as the connection.
    this.#stopReading();
    this.#socket.off('close', this.#onClose);
    this.#accepted.established();
    this.#next = this.#events.finished({
      socket: this.#socket,
      peer: this.#accepted.peer,
      reader: this.#reader,
      output: this.#output,
      identity,
      vhost,
      tuning,
      capabilities,
      client,
    });
  }

  #frameWhileClosing(type: number, channel: number, bytes: Buffer, start: number, end: number): void {
    if (type !== FRAME_METHOD || channel !== 0 || end - start < 4) return;
    const id = bytes.readInt32BE(start);
    if (id === CONNECTION_CLOSE) {
      this.#output.method(0, { name: 'connection.close-ok' });
    } else if (id === CONNECTION_CLOSE_OK) {
      this.#state = FINISHED;
      this.#socketClose.begin();
    }
  }

  #fail(error: unknown, method: number): void {
    if (this.#isOver) return;
    this.#accepted.startDeadline();
    if (!isExpected(error)) this.#context.settings.log.error({ err: error }, 'the handshake failed');
    // Before start-ok the peer may speak any protocol: connection.close would tell it nothing.
    const { expects } = this.#state;
    const isUnauthenticated = expects === 'header' || expects === 'connection.start-ok';
    if (isUnauthenticated && !(error instanceof AmqpError)) this.#drop(String(error));
    else this.#refuse(closeReasonOf(error, method));
  }

  /** The connection is open, or closing. */
  get #isOver(): boolean {
    return this.#state === CLOSING || this.#state === FINISHED;
  }

  #refuse({ replyCode, replyText, classId, methodId }: CloseReason): void {
    if (this.#isOver) return;
    this.#output.method(0, { name: 'connection.close', replyCode, replyText, classId, methodId });
    this.#awaitEnd(replyText);
  }

  /** Sends what is queued, close or close-ok: the peer has `closeTimeoutMs` to read it and end its side. */
  #awaitEnd(reason: string): void {
    this.#logFailure(reason);
    this.#state = CLOSING;
    this.#early = [];
    this.#socket.resume();
    this.#output.flush();
    this.#accepted.stopDeadline();
    this.#socketClose.expect();
  }

  /** Sends what is queued and ends our side: the peer has `closeTimeoutMs` to read it and end its own. */
  #end(reason: string): void {
    this.#logFailure(reason);
    this.#state = FINISHED;
    // Read, and ignored, so that we see when the peer ends its side.
    this.#socket.resume();
    this.#accepted.stopDeadline();
    this.#socketClose.begin();
  }

  #drop(reason: string): void {
    if (!this.#isOver) this.#logFailure(reason);
    this.#state = FINISHED;
    this.#socket.destroy();
  }

  #logFailure(reason: string): void {
    const { address } = this.#accepted.peer;
    this.#context.settings.log.info({ peer: address, reason: clientText(reason) }, 'handshake not finished');
  }
}
