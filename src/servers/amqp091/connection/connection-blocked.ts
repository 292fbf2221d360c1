import type { Socket } from 'node:net';
import type { Broker } from '../../../broker/broker.ts';
import type { ClientCapabilities } from './capabilities.ts';
import type { Output } from './output.ts';

/** What connection.blocked depends on, and goes to. `Connection` implements it. */
export interface BlockableConnection {
  readonly broker: Broker;
  readonly hasPublished: boolean;
  readonly capabilities: ClientCapabilities;
  readonly output: Output;
}

/**
 * Why a connection is not read for now. Any of these stops it:
 * - it has published, and the broker is short of disk or memory; clients that understand it are told so;
 * - one of its channels fills a queue, the journal or our own memory faster than they empty;
 * - it does not read our answers.
 */
export class ConnectionBlocking {
  readonly #connection: BlockableConnection;
  readonly #socket: Socket;
  #isBlocked = false;
  #isFlooded = false;
  #pauses = 0;
  #isStopped = false;

  constructor(connection: BlockableConnection, socket: Socket) {
    this.#connection = connection;
    this.#socket = socket;
  }

  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  /** Whether one of its channels, or its own slowness in reading, stops it. */
  get isPaused(): boolean {
    return this.#isFlooded || this.#pauses > 0;
  }

  /** The broker's reasons changed, or the connection published for the first time. */
  update(): void {
    const { broker, hasPublished, capabilities, output } = this.#connection;
    const reasons = broker.blockedReasons;
    const isBlocked = hasPublished && reasons.size > 0;
    if (isBlocked === this.#isBlocked) return;
    this.#isBlocked = isBlocked;
    if (capabilities.connectionBlocked) {
      if (isBlocked) {
        output.method(0, {
          name: 'connection.blocked',
          reason: `low on ${[...reasons].sort().reverse().join(' & ')}`,
        });
      } else {
        output.method(0, { name: 'connection.unblocked' });
      }
    }
    this.#updateReading();
  }

  pause(): void {
    this.#pauses++;
    this.#updateReading();
  }

  resume(): void {
    this.#pauses--;
    this.#updateReading();
  }

  setFlooded(isFlooded: boolean): void {
    this.#isFlooded = isFlooded;
    this.#updateReading();
  }

  /** The connection ends: it is read for its last frames, whatever the reasons. */
  stop(): void {
    this.#isStopped = true;
    this.#updateReading();
  }

  #updateReading(): void {
    const socket = this.#socket;
    const isPaused = !this.#isStopped && (this.#isBlocked || this.#isFlooded || this.#pauses > 0);
    if (isPaused === socket.isPaused()) return;
    if (isPaused) socket.pause();
    else socket.resume();
  }
}
