import type { Socket } from 'node:net';
import type { Broker } from '../../../broker/broker.ts';
import { type Reader, ReadTurn } from '../../../broker/budget/read-turns.ts';
import { truncateShortString } from '../../../wire/amqp091/short-strings.ts';
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
 * Flow control of one connection: its socket is paused while any of these holds:
 * - blocked: it has published, and there is a resource alarm of disk or memory; or it, its user, or all clients together hold
 *   too much memory. Clients with the capability are told by connection.blocked (RabbitMQ);
 * - paused: back-pressure of a queue or the journal on one of its channels, or too many deferred frames;
 * - flooded: it does not read, so that its output is far over the high-water mark;
 * - others are read: its turn is over, and comes again within milliseconds.
 */
export class ConnectionBlocking implements Reader {
  readonly turn: ReadTurn;
  readonly #connection: BlockableConnection;
  readonly #socket: Socket;
  #isBlocked = false;
  /** Why it may not have the broker hold more; null if it may. */
  #shortage: string | null = null;
  #isFlooded = false;
  #isTurnOver = false;
  /** Calls of `pause` without their `resume`. */
  #pauses = 0;
  #isStopped = false;

  constructor(connection: BlockableConnection, socket: Socket) {
    this.#connection = connection;
    this.#socket = socket;
    this.turn = new ReadTurn(connection.broker.readTurns, this);
  }

  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  /** For another reason than a resource alarm. */
  get isPaused(): boolean {
    return this.#isFlooded || this.#pauses > 0;
  }

  setShortage(because: string | null): void {
    this.#shortage = because;
    this.update();
  }

  /** Resource alarms came or went, or the connection published for the first time. */
  update(): void {
    const { broker, hasPublished, capabilities, output } = this.#connection;
    const reasons = broker.shard.alarms.raised;
    const isAlarm = hasPublished && reasons.size > 0;
    const isBlocked = isAlarm || this.#shortage !== null;
    if (isBlocked === this.#isBlocked || this.#isStopped) return;
    this.#isBlocked = isBlocked;
    if (capabilities.connectionBlocked) {
      if (isBlocked) {
        const reason = isAlarm ? [...reasons].sort().reverse().join(' & ') : `memory: ${this.#shortage}`;
        output.method(0, { name: 'connection.blocked', reason: truncateShortString(`low on ${reason}`) });
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

  turnIsOver(): void {
    this.#isTurnOver = true;
    this.#updateReading();
  }

  turnCame(): void {
    this.#isTurnOver = false;
    this.#updateReading();
  }

  /** The connection is closing: its close and close-ok must be read whatever the reasons. */
  stop(): void {
    this.#isStopped = true;
    this.#updateReading();
  }

  get #mayNotRead(): boolean {
    return this.#isTurnOver || this.#isBlocked || this.#isFlooded || this.#pauses > 0;
  }

  #updateReading(): void {
    const socket = this.#socket;
    const isPaused = !this.#isStopped && this.#mayNotRead;
    if (isPaused === socket.isPaused()) return;
    if (isPaused) socket.pause();
    else socket.resume();
  }
}
