/**
 * The sending end of one channel. It sends when it may (credit by rate, window of confirms, a free buffer, a broker
 * that has not blocked the connection) and is woken by whatever gave it back a permission.
 */
import type { ConfirmWindow } from './confirm-window.ts';
import { monotonicMicros } from './micros.ts';
import type { PublishBuffer } from './publish-buffer.ts';

/** The part of a connection that a publisher needs. */
export interface PublisherSink {
  /** Set while `connection.blocked` is in force. */
  readonly blocked: boolean;
  write(bytes: Uint8Array, written: () => void): void;
}

export interface PublisherPort {
  readonly sink: PublisherSink;
  /** Buffers that are not in the socket's hands. */
  readonly buffers: PublishBuffer[];
  /** Undefined: the channel is not in confirm mode. */
  readonly window: ConfirmWindow | undefined;
}

export class Publisher {
  published = 0;
  nacked = 0;
  confirmed = 0;
  /** Messages may be published up to this number; `Infinity` in runs that end by time. */
  limit = 0;
  /** For a rate: messages whose time has come. */
  #due = Number.POSITIVE_INFINITY;
  #dueBefore = Number.POSITIVE_INFINITY;
  #startMicros = 0;
  #intervalMicros = 0;
  #paceBase = 0;
  #starved = false;
  #scheduled = false;
  readonly #port: PublisherPort;
  readonly #free: PublishBuffer[];
  readonly #turn = () => {
    this.#scheduled = false;
    this.pump();
  };

  constructor(port: PublisherPort) {
    this.#port = port;
    this.#free = [...port.buffers];
  }

  /** From now on at most `perSecond` messages a second, counted from `startMicros`; 0: as fast as possible. */
  pace(perSecond: number, startMicros: number): void {
    this.#startMicros = startMicros;
    this.#intervalMicros = perSecond > 0 ? 1e6 / perSecond : 0;
    const paced = perSecond > 0;
    this.#due = paced ? this.published : Number.POSITIVE_INFINITY;
    this.#dueBefore = this.#due;
    this.#paceBase = this.published;
  }

  /** Called by the pacer: lets out what has become due by now. */
  tick(nowMicros: number): void {
    this.#dueBefore = this.#due;
    this.#due = this.#paceBase + Math.floor((nowMicros - this.#startMicros) / this.#intervalMicros);
    while (this.#send(nowMicros)) {
      // One buffer after the other: usually a single small one.
    }
  }

  /** Sends one buffer's worth, if anything may be sent, and comes back in the next turn for more. */
  pump(): void {
    if (this.#send(monotonicMicros()) && this.#allowance() > 0) this.#schedule();
  }

  confirm(tag: number, multiple: boolean, nack: boolean, nowMicros: number): void {
    const { window } = this.#port;
    if (window === undefined) throw new Error('the broker confirmed a message on a channel without confirms');
    const count = window.confirm(tag, multiple, nowMicros);
    if (nack) this.nacked += count;
    else this.confirmed += count;
  }

  unconfirmed(): number {
    return this.#port.window === undefined ? 0 : this.published - this.confirmed - this.nacked;
  }

  /** Whether everything has been handed to the kernel. */
  idle(): boolean {
    return this.#free.length === this.#port.buffers.length;
  }

  #send(nowMicros: number): boolean {
    const { sink } = this.#port;
    if (sink.blocked) return false;
    const buffer = this.#free.at(-1);
    const allowance = this.#allowance();
    if (allowance <= 0) return false;
    if (buffer === undefined) {
      this.#starved = true;
      return false;
    }
    const count = Math.min(buffer.capacity, allowance);
    this.#free.pop();
    this.#stamp(buffer, count, nowMicros);
    this.published += count;
    sink.write(buffer.slice(count), () => this.#written(buffer));
    return true;
  }

  /**
   * A message is stamped with the time at which it is sent. One that was due in an earlier tick and had to wait for a
   * confirm or for the socket is stamped with the time at which it should have been sent: a broker that stalls must not
   * hide the wait of the messages behind it ("coordinated omission").
   */
  #stamp(buffer: PublishBuffer, count: number, nowMicros: number): void {
    const { window } = this.#port;
    const late =
      this.#intervalMicros === 0 ? 0 : Math.max(0, Math.min(count, this.#dueBefore - this.published));
    for (let i = 0; i < late; i++) {
      const sequence = this.published + i;
      const dueMicros =
        this.#startMicros + Math.floor((sequence - this.#paceBase + 1) * this.#intervalMicros);
      buffer.stamp(i, i + 1, sequence, dueMicros);
      window?.publish(dueMicros);
    }
    buffer.stamp(late, count, this.published + late, nowMicros);
    if (window === undefined) return;
    for (let i = late; i < count; i++) window.publish(nowMicros);
  }

  #allowance(): number {
    const { window } = this.#port;
    const allowance = Math.min(this.limit, this.#due) - this.published;
    return window === undefined ? allowance : Math.min(allowance, window.room());
  }

  #written(buffer: PublishBuffer): void {
    this.#free.push(buffer);
    if (!this.#starved) return;
    this.#starved = false;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#turn);
  }
}
