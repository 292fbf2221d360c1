import { recordBytesMax } from '../messages/record-from-message.ts';
import type { Outcome } from '../queues/delivery-outcome.ts';
import type { RemoteDelivered } from '../queues/remote-delivery.ts';
import type { OutboxPort, OutboxTarget, RemoteSettlement } from '../shard/outbox-port.ts';
import type { StreamPort } from '../topology/ports.ts';

/** Settlements of one entry of an outbox: some ten kilobytes. */
const ENTRY_SETTLEMENTS_MAX = 512;

interface Part {
  messages: number;
  bytes: number;
  readonly settlements: RemoteSettlement[];
}

/** The atomic append of a tx. */
export interface SettlingAppend {
  settleRemotely(shard: number, settlements: readonly RemoteSettlement[], timestampMs: number): void;
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

  /** Records of a message in these streams: each of their shards has to have room for them. */
  addRecords(streams: readonly StreamPort[], contentBytes: number): void {
    const bytes = this.#outboxes.recordBytesMax(recordBytesMax(contentBytes));
    for (const { otherShards } of streams) {
      for (const shard of otherShards) {
        const part = this.#partOf(shard);
        part.messages++;
        part.bytes += bytes;
      }
    }
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
    return this.reserveMore();
  }

  /** As `reserve`, beside what was reserved before. */
  reserveMore(): boolean {
    for (const [shard, part] of this.#parts) {
      const entries = part.messages + Math.ceil(part.settlements.length / ENTRY_SETTLEMENTS_MAX);
      if (!this.#outboxes.reserveAll(shard, entries, part.bytes + this.#settlementBytes(part))) return false;
    }
    return true;
  }

  /** Appends the settlements; the messages are appended with those of this shard. */
  settle(atomic: SettlingAppend, timestampMs: number): void {
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
