import type { Outcome } from '../queues/delivery-outcome.ts';
import type { RemoteDelivered } from '../queues/remote-delivery.ts';
import type { OutboxPort, OutboxTarget, RemoteSettlement } from '../shard/outbox-port.ts';
import type { AtomicAppend } from './atomic-append.ts';

/** Settlements of one entry of an outbox: some ten kilobytes. */
const ENTRY_SETTLEMENTS_MAX = 512;

interface Part {
  messages: number;
  bytes: number;
  readonly settlements: RemoteSettlement[];
}

/** What a tx has for each other shard: it goes into their outboxes, in the block of the tx. */
export class RemoteParts {
  readonly #outboxes: OutboxPort;
  readonly #parts = new Map<number, Part>();

  constructor(outboxes: OutboxPort) {
    this.#outboxes = outboxes;
  }

  addMessage(target: OutboxTarget, contentBytes: number): void {
    const part = this.#partOf(target.shard);
    part.messages++;
    part.bytes += this.#outboxes.entryBytesMax([target], contentBytes);
  }

  /** A record that may go to this shard. */
  addRecord(shard: number, contentBytes: number): void {
    const part = this.#partOf(shard);
    part.messages++;
    part.bytes += this.#outboxes.recordBytesMax(contentBytes);
  }

  addSettlement({ shard, ...delivered }: RemoteDelivered, outcome: Outcome): void {
    this.#partOf(shard).settlements.push({ ...delivered, outcome });
  }

  get hasSettlements(): boolean {
    for (const { settlements } of this.#parts.values()) if (settlements.length > 0) return true;
    return false;
  }

  /** What the settlements take of the journal at most. */
  get settlementBytesMax(): number {
    let bytes = 0;
    for (const part of this.#parts.values()) bytes += this.#settlementBytes(part);
    return bytes;
  }

  /** Whether all of it has room. */
  reserve(): boolean {
    if (this.#parts.size === 0) return true;
    this.#outboxes.beginReserving();
    for (const [shard, part] of this.#parts) {
      const entries = part.messages + Math.ceil(part.settlements.length / ENTRY_SETTLEMENTS_MAX);
      if (!this.#outboxes.reserveAll(shard, entries, part.bytes + this.#settlementBytes(part))) return false;
    }
    return true;
  }

  /** Appends the settlements; the messages are appended with those of this shard. */
  settle(atomic: AtomicAppend, timestampMs: number): void {
    for (const [shard, { settlements }] of this.#parts) {
      for (let at = 0; at < settlements.length; at += ENTRY_SETTLEMENTS_MAX) {
        atomic.settleRemotely(shard, settlements.slice(at, at + ENTRY_SETTLEMENTS_MAX), timestampMs);
      }
    }
  }

  #settlementBytes({ settlements }: Part): number {
    let bytes = 0;
    for (let left = settlements.length; left > 0; left -= ENTRY_SETTLEMENTS_MAX) {
      bytes += this.#outboxes.settlementBytesMax(Math.min(left, ENTRY_SETTLEMENTS_MAX));
    }
    return bytes;
  }

  #partOf(shard: number): Part {
    const known = this.#parts.get(shard);
    if (known !== undefined) return known;
    const part = { messages: 0, bytes: 0, settlements: [] };
    this.#parts.set(shard, part);
    return part;
  }
}
