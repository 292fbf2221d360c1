import { clientText } from '../../../base/client-text.ts';
import type { Timer } from '../../../base/scheduler.ts';
import type { Identity as User } from '../../../broker/access/access.ts';
import { isScramMechanism, type ScramCredential, type ScramMechanism } from '../../../broker/access/scram.ts';
import type { Broker } from '../../../broker/broker.ts';
import { BrokerError } from '../../../broker/errors.ts';
import type { Peer } from '../../listener/peer.ts';
import { SaslError } from '../../sasl/errors.ts';
import { readPlain } from '../../sasl/plain.ts';
import { refusalDelayMs } from '../../sasl/refusal-delay.ts';
import { fakeCredential, ScramExchange } from '../../sasl/scram.ts';
import { ANONYMOUS, type Identity, identify, splitName } from './identity.ts';

export const SASL_MECHANISMS: readonly string[] = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'];
/** A re-authentication sooner than this is refused, as by Kafka (KIP-368). */
const REAUTHENTICATION_MIN_MS = 1000;

/**
 *     start ──────────── SaslHandshake ──────────▶ sasl ⇄ checking ──▶ open ── SaslHandshake ──▶ sasl …
 *       └── any other request, if a certificate or the anonymous user identifies the client ──▶ open
 *
 * and from any state to `refused`, which is final.
 */
type State =
  | { readonly at: 'start' | 'checking' | 'open' | 'refused' }
  | {
      readonly at: 'sasl';
      readonly mechanism: string;
      readonly exchange: ScramExchange | null;
      /** After SaslHandshake 0 the tokens come as bare frames. */
      readonly isRaw: boolean;
    };

const START: State = { at: 'start' };
const CHECKING: State = { at: 'checking' };
const OPEN: State = { at: 'open' };
const REFUSED: State = { at: 'refused' };

export interface AuthenticationSettings {
  /** The user whose permissions unauthenticated clients have; null: all clients have to authenticate. */
  readonly anonymousUser: string | null;
  /** The virtual host for user names without `vhost:`. */
  readonly defaultVhost: string;
  /** Lifetime of a SASL session, after which the client re-authenticates (KIP-368); 0 for ever. */
  readonly reauthenticationMs: number;
  readonly refusedLoginDelayMs: number;
}

export interface AuthenticationLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface AuthenticationDeps {
  readonly broker: Broker;
  readonly settings: AuthenticationSettings;
  readonly peer: Peer;
  readonly isTls: boolean;
  /** The user that the client's verified certificate names; null without one. */
  readonly certificateName: string | null;
  readonly log: AuthenticationLog;
  /** The client is authenticated, or is the anonymous user. */
  identified(identity: Identity): void;
}

/** The answer to a SASL token: a challenge, the last one, a failed authentication, or a token that was not expected. */
export type SaslStep =
  | { readonly kind: 'more'; readonly token: Buffer }
  | { readonly kind: 'done'; readonly token: Buffer; readonly lifetimeMs: number }
  | { readonly kind: 'failed'; readonly text: string }
  | { readonly kind: 'unexpected'; readonly text: string };

export type HandshakeError = 'NONE' | 'UNSUPPORTED_SASL_MECHANISM' | 'ILLEGAL_SASL_STATE';

const NO_TOKEN = Buffer.alloc(0);

/** The authentication state of one connection: SASL, client certificate, or anonymous user. */
export class Authentication {
  /** Whether requests are served: false before authentication, during re-authentication, and after expiry. */
  isOpen = false;
  readonly #deps: AuthenticationDeps;
  #state: State = START;
  #identity: Identity | null = null;
  #authenticatedAtMs = 0;
  #expiry: Timer | null = null;

  constructor(deps: AuthenticationDeps) {
    this.#deps = deps;
  }

  /** Whether the next frame is a bare SASL token instead of a request. */
  get expectsToken(): boolean {
    return this.#state.at === 'sasl' && this.#state.isRaw;
  }

  /** Whether the client has to authenticate, for which it has `handshakeTimeoutMs`. */
  get isAwaited(): boolean {
    if (this.#state.at === 'start') return this.#withoutSasl() === null;
    return this.#state.at !== 'open';
  }

  /** Whether the client waits for us: for the check of its password, and perhaps for its turn. */
  get isChecking(): boolean {
    return this.#state === CHECKING;
  }

  /** Called for a request of any API that needs authentication, unless `isOpen`. Null if it is served, else why not. */
  enter(): string | null {
    if (this.isOpen) return null;
    if (this.#state.at === 'open')
      return 'the login is not good any more, and the client did not log in again';
    if (this.#state.at !== 'start') return 'it has not logged in yet';
    const found = this.#withoutSasl();
    if (found === null) {
      this.#state = REFUSED;
      return 'it has not logged in; kafka-anonymous-user and loopback-users say who need not';
    }
    try {
      this.#admit(found.user, this.#deps.settings.defaultVhost, found.mechanism);
      return null;
    } catch (error) {
      this.#state = REFUSED;
      return textOf(error);
    }
  }

  /** SaslHandshake. An error ends the connection, except for a re-authentication that came too soon. */
  handshake(mechanism: string, version: number): HandshakeError {
    const state = this.#state;
    const nowMs = this.#deps.broker.shard.clock.monotonicMs();
    const isAgain =
      state.at === 'open' && this.#identity !== null && SASL_MECHANISMS.includes(this.#identity.mechanism);
    if (isAgain && nowMs - this.#authenticatedAtMs < REAUTHENTICATION_MIN_MS) return 'ILLEGAL_SASL_STATE';
    if (!isAgain && state.at !== 'start') {
      this.#refuse();
      return 'ILLEGAL_SASL_STATE';
    }
    if (!SASL_MECHANISMS.includes(mechanism)) {
      this.#refuse();
      return 'UNSUPPORTED_SASL_MECHANISM';
    }
    this.isOpen = false;
    const exchange = isScramMechanism(mechanism) ? this.#newExchange(mechanism) : null;
    this.#state = { at: 'sasl', mechanism, exchange, isRaw: version === 0 };
    return 'NONE';
  }

  /** SaslAuthenticate, or a bare token. After `failed` and `unexpected` the caller closes the connection. */
  async authenticate(token: Uint8Array): Promise<SaslStep> {
    const state = this.#state;
    if (state.at !== 'sasl') {
      this.#refuse();
      return {
        kind: 'unexpected',
        text: 'SaslAuthenticate request received after successful authentication',
      };
    }
    const { mechanism, exchange } = state;
    let name = '';
    const startedMs = this.#deps.broker.shard.clock.monotonicMs();
    try {
      if (exchange !== null && !exchange.hasBegun) return { kind: 'more', token: exchange.begin(token) };
      this.#state = CHECKING;
      const plainUser = exchange === null ? await this.#plain(token, (user) => (name = user)) : null;
      name = exchange?.user ?? name;
      const answer = exchange === null ? NO_TOKEN : exchange.finish(token);
      const named = splitName(this.#deps.broker, name, this.#deps.settings.defaultVhost);
      const user = plainUser ?? this.#byName(named.user);
      if (user === null || this.#state !== CHECKING) throw refusal(mechanism);
      this.#admitBySasl(user, named.vhost, mechanism);
      return { kind: 'done', token: answer, lifetimeMs: this.#deps.settings.reauthenticationMs };
    } catch (error) {
      return await this.#fail(error, mechanism, name, startedMs);
    }
  }

  /** The connection has closed. */
  end(): void {
    this.#state = REFUSED;
    this.isOpen = false;
    this.#expiry?.cancel();
    this.#expiry = null;
  }

  /** The user of a client without SASL: the one that its certificate names, or the anonymous user. */
  #withoutSasl(): { readonly user: User; readonly mechanism: string } | null {
    const { broker, settings, peer, certificateName } = this.#deps;
    for (const [name, mechanism] of [
      [certificateName, 'TLS'],
      [settings.anonymousUser, ANONYMOUS],
    ] as const) {
      const user = name === null ? null : broker.access.authenticateExternal(name, peer.isLoopback);
      if (user !== null) return { user, mechanism };
    }
    return null;
  }

  #newExchange(mechanism: ScramMechanism): ScramExchange {
    return new ScramExchange(mechanism, (name) => this.#credential(mechanism, name));
  }

  #credential(mechanism: ScramMechanism, name: string): ScramCredential {
    const { broker, settings, log, peer } = this.#deps;
    const { user } = splitName(broker, name, settings.defaultVhost);
    const { credentials: all } = broker.access;
    const credentials = all.of(user);
    if (credentials !== undefined && credentials[mechanism] === undefined) {
      log.warn(
        { user: clientText(user), mechanism, peer: peer.address },
        'a user has no credentials for SCRAM: they are made when its password is set; set it again',
      );
    }
    return credentials?.[mechanism] ?? fakeCredential(mechanism, name, all.shapes(mechanism));
  }

  /** @throws SaslError, BrokerError */
  async #plain(token: Uint8Array, named: (name: string) => void): Promise<User | null> {
    const { user: name, password } = readPlain(token);
    named(name);
    const { broker, settings, peer } = this.#deps;
    const { user } = splitName(broker, name, settings.defaultVhost);
    const identity = await broker.access.authenticate(user, password, peer.isLoopback, {
      address: peer.address,
      isGone: () => this.#state !== CHECKING,
    });
    if (identity === null) throw new SaslError('Authentication failed: Invalid username or password');
    return identity;
  }

  #byName(name: string): User | null {
    return this.#deps.broker.access.authenticateExternal(name, this.#deps.peer.isLoopback);
  }

  /** A re-authentication keeps the user, virtual host and mechanism (KIP-368). @throws SaslError, BrokerError */
  #admitBySasl(user: User, vhost: string, mechanism: string): void {
    const before = this.#identity;
    if (before === null) {
      this.#admit(user, vhost, mechanism);
    } else {
      if (before.user !== user || before.vhost !== vhost) {
        throw new SaslError(
          `Cannot change principals during re-authentication from User.${before.name}: User.${user.name}`,
        );
      }
      if (before.mechanism !== mechanism) {
        throw new SaslError(
          `SASL mechanism '${mechanism}' requested by client is not supported for re-authentication of mechanism '${before.mechanism}'`,
        );
      }
      this.#state = OPEN;
      this.isOpen = true;
    }
    const { broker, settings } = this.#deps;
    this.#authenticatedAtMs = broker.shard.clock.monotonicMs();
    this.#expiry?.cancel();
    this.#expiry = null;
    if (settings.reauthenticationMs === 0) return;
    this.#expiry = broker.shard.scheduler.after(settings.reauthenticationMs, () => {
      // The connection stays: the client may still re-authenticate, but no other request is served.
      if (this.#state.at === 'open') this.isOpen = false;
    });
  }

  /** @throws BrokerError not-allowed */
  #admit(user: User, vhost: string, mechanism: string): void {
    const { broker, peer } = this.#deps;
    const identity = identify(broker, user, vhost, peer, mechanism);
    this.#identity = identity;
    this.#state = OPEN;
    this.isOpen = true;
    this.#deps.identified(identity);
    this.#announce(true, identity.name, mechanism);
  }

  async #fail(error: unknown, mechanism: string, name: string, startedMs: number): Promise<SaslStep> {
    const { broker, settings, log, peer } = this.#deps;
    const wasEnded = this.#state === REFUSED;
    this.#refuse();
    if (wasEnded) return { kind: 'failed', text: '' };
    const isExpected = error instanceof SaslError || error instanceof BrokerError;
    const text = clientText(isExpected ? error.message : refusal(mechanism).message);
    this.#announce(false, name, mechanism);
    const fields = { user: clientText(name), peer: peer.address, mechanism, reason: text };
    if (isExpected) log.warn(fields, 'login refused');
    else log.warn({ ...fields, err: error }, 'a login could not be checked');
    // A delay against guessing passwords (connection.failed.authentication.delay.ms).
    await new Promise<void>((resolve) => {
      const nowMs = broker.shard.clock.monotonicMs();
      broker.shard.scheduler.after(refusalDelayMs(startedMs, nowMs, settings.refusedLoginDelayMs), resolve);
    });
    return { kind: 'failed', text };
  }

  #refuse(): void {
    this.#state = REFUSED;
    this.isOpen = false;
  }

  #announce(isLetIn: boolean, name: string, mechanism: string): void {
    const { peer, isTls } = this.#deps;
    this.#deps.broker.events.emit(`user.authentication.${isLetIn ? 'success' : 'failure'}`, {
      name,
      protocol: 'Kafka',
      auth_mechanism: mechanism,
      host: peer.localAddress,
      port: peer.localPort,
      peer_host: peer.address,
      peer_port: peer.port,
      ssl: isTls,
    });
  }
}

/** Of a client of this shard. */
export function authenticationOf({
  authentication,
}: {
  readonly authentication: Authentication | null;
}): Authentication {
  if (authentication === null) throw new Error('a client of another shard is authenticated there');
  return authentication;
}

function refusal(mechanism: string): SaslError {
  return new SaslError(
    `Authentication failed during authentication due to invalid credentials with SASL mechanism ${mechanism}`,
  );
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
