/** The receiving end of one channel: counts, checks and acknowledges what is delivered to it. */

import type { Histogram } from '../../../base/histogram.ts';
import type { QueueSequences } from './sequence.ts';
import { stampLayout } from './stamp.ts';

export interface ConsumerSettings {
  readonly channel: number;
  readonly autoAck: boolean;
  /** One `basic.ack` with `multiple` for so many deliveries; 0: one for each read of the socket. */
  readonly ackEvery: number;
  readonly stamped: boolean;
  /** Asked before acknowledgements are sent; while it says no, they are kept. */
  readonly mayAck: (() => boolean) | undefined;
}

const ACK_FRAME_BYTES = 21;
const TWO_32 = 2 ** 32;

export class Consumer {
  // Hot fields: plain, and all numbers.
  received = 0;
  receivedBytes = 0;
  redelivered = 0;
  outOfOrder = 0;
  #tag = 0;
  #ackedTag = 0;
  #unacknowledged = 0;
  #bodyLeft = 0;
  #stampDue = false;
  #again = false;
  #acks = new Uint8Array(64 * ACK_FRAME_BYTES);
  #ackView = new DataView(this.#acks.buffer);
  #acksLength = 0;
  readonly #lastOf: number[] = [];
  readonly #settings: ConsumerSettings;
  readonly #sequences: QueueSequences;
  readonly #latency: Histogram;

  constructor(settings: ConsumerSettings, sequences: QueueSequences, latency: Histogram) {
    this.#settings = settings;
    this.#sequences = sequences;
    this.#latency = latency;
  }

  deliver(tag: number, redelivered: boolean): void {
    this.#tag = tag;
    this.#again = redelivered;
    if (redelivered) this.redelivered++;
  }

  header(bodySize: number): void {
    this.#bodyLeft = bodySize;
    this.#stampDue = this.#settings.stamped;
    this.receivedBytes += bodySize;
    if (bodySize === 0) this.#complete();
  }

  body(view: DataView, start: number, size: number, nowMicros: number): void {
    if (this.#stampDue) {
      this.#stampDue = false;
      if (size >= stampLayout.bytes) this.#check(view, start, nowMicros);
    }
    this.#bodyLeft -= size;
    if (this.#bodyLeft <= 0) this.#complete();
  }

  /** The acknowledgements that are due after a read, as one piece of bytes for the socket, or nothing. */
  takeAcks(): Uint8Array | undefined {
    const { autoAck, mayAck } = this.#settings;
    if (autoAck || mayAck?.() === false) return undefined;
    return this.#take();
  }

  /** Acknowledges also what an incomplete group of `ackEvery` has left over. */
  takeLastAcks(): Uint8Array | undefined {
    if (this.#settings.autoAck) return undefined;
    if (this.#tag > this.#ackedTag && this.#bodyLeft <= 0) this.#ack();
    return this.#take();
  }

  #take(): Uint8Array | undefined {
    if (this.#settings.ackEvery === 0 && this.#unacknowledged > 0) this.#ack();
    if (this.#acksLength === 0) return undefined;
    const bytes = Buffer.from(this.#acks.subarray(0, this.#acksLength));
    this.#acksLength = 0;
    return bytes;
  }

  #check(view: DataView, start: number, nowMicros: number): void {
    const stamp = view.getUint32(start) * TWO_32 + view.getUint32(start + 4);
    this.#latency.recordMicros(nowMicros - stamp);
    const publisher = view.getUint16(start + stampLayout.publisher);
    const sequence =
      view.getUint16(start + stampLayout.sequence) * TWO_32 +
      view.getUint32(start + stampLayout.sequence + 2);
    this.#sequences.see(publisher, sequence);
    // A redelivered message may come again at any place; all others of a publisher in the order of publishing.
    if (this.#again) return;
    if (sequence < (this.#lastOf[publisher] ?? 0)) this.outOfOrder++;
    this.#lastOf[publisher] = sequence;
  }

  #complete(): void {
    this.received++;
    if (this.#settings.autoAck) return;
    this.#unacknowledged++;
    if (this.#unacknowledged === this.#settings.ackEvery) this.#ack();
  }

  /**
   *   1 | channel | size = 13 | 60 | 80 | delivery-tag uint64 | multiple = 1 | 0xCE
   */
  #ack(): void {
    if (this.#acksLength + ACK_FRAME_BYTES > this.#acks.length) this.#growAcks();
    const at = this.#acksLength;
    const view = this.#ackView;
    view.setUint8(at, 1);
    view.setUint16(at + 1, this.#settings.channel);
    view.setUint32(at + 3, 13);
    view.setUint32(at + 7, 0x003c0050);
    view.setUint32(at + 11, Math.floor(this.#tag / TWO_32));
    view.setUint32(at + 15, this.#tag >>> 0);
    view.setUint8(at + 19, 1);
    view.setUint8(at + 20, 0xce);
    this.#acksLength += ACK_FRAME_BYTES;
    this.#ackedTag = this.#tag;
    this.#unacknowledged = 0;
  }

  #growAcks(): void {
    const grown = new Uint8Array(this.#acks.length * 2);
    grown.set(this.#acks);
    this.#acks = grown;
    this.#ackView = new DataView(grown.buffer);
  }
}
